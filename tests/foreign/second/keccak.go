package main

import (
	"encoding/binary"
	"math/bits"
)

// shake is SHAKE128 or SHAKE256 of FIPS 202, from which bytes are squeezed without end.
type shake struct {
	lanes [25]uint64
	rate  int
	ready []byte
}

// newShake absorbs the parts; the rate is 168 for SHAKE128 and 136 for SHAKE256.
func newShake(rate int, parts ...[]byte) *shake {
	s := &shake{rate: rate}
	input := []byte{}
	for _, part := range parts {
		input = append(input, part...)
	}
	input = append(input, 0x1f)
	for len(input)%rate != 0 {
		input = append(input, 0)
	}
	input[len(input)-1] |= 0x80
	for ; len(input) > 0; input = input[rate:] {
		for i := 0; i < rate/8; i++ {
			s.lanes[i] ^= binary.LittleEndian.Uint64(input[8*i:])
		}
		s.permute()
	}
	s.fill()
	return s
}

func (s *shake) fill() {
	s.ready = s.ready[:0]
	for i := 0; i < s.rate/8; i++ {
		s.ready = binary.LittleEndian.AppendUint64(s.ready, s.lanes[i])
	}
}

func (s *shake) read(n int) []byte {
	out := []byte{}
	for len(out) < n {
		if len(s.ready) == 0 {
			s.permute()
			s.fill()
		}
		take := n - len(out)
		if take > len(s.ready) {
			take = len(s.ready)
		}
		out, s.ready = append(out, s.ready[:take]...), s.ready[take:]
	}
	return out
}

// permute is Keccak-f[1600]; its constants come from the two generators that FIPS 202 defines.
func (s *shake) permute() {
	a := &s.lanes
	register := byte(1)
	for round := 0; round < 24; round++ {
		var c [5]uint64
		for i := range a {
			c[i%5] ^= a[i]
		}
		for i := range a {
			a[i] ^= c[(i+4)%5] ^ bits.RotateLeft64(c[(i+1)%5], 1)
		}
		x, y, held := 1, 0, a[1]
		for t := 0; t < 24; t++ {
			x, y = y, (2*x+3*y)%5
			a[x+5*y], held = bits.RotateLeft64(held, (t+1)*(t+2)/2), a[x+5*y]
		}
		for row := 0; row < 25; row += 5 {
			var b [5]uint64
			copy(b[:], a[row:row+5])
			for i := range b {
				a[row+i] = b[i] ^ ^b[(i+1)%5]&b[(i+2)%5]
			}
		}
		for j := 0; j < 7; j++ {
			if register&1 == 1 {
				a[0] ^= 1 << (1<<j - 1)
			}
			register = register<<1 ^ register>>7*0x71
		}
	}
}

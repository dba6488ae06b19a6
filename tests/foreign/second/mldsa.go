package main

import "bytes"

// The parameters of ML-DSA-44; FIPS 204, table 1. Go's library does not have it yet.
const (
	rows   = 4
	tau    = 39
	beta   = 78
	gamma1 = 1 << 17
	gamma2 = (modulus - 1) / 88
	omega  = 80
)

// mlDSAHolds is algorithms 3 and 8: verification with the empty context.
func mlDSAHolds(key, message, raw []byte) bool {
	c, hint := raw[:32], raw[32+rows*576:]
	var z [rows]polynomial
	for i := range z {
		for j, packed := range unpack(raw[32+576*i:], 18) {
			value := gamma1 - packed
			if value >= gamma1-beta || -value >= gamma1-beta {
				return false
			}
			z[i][j] = (value + modulus) % modulus
		}
		z[i] = z[i].ntt()
	}
	hints, ok := readHints(hint)
	if !ok {
		return false
	}
	tr := newShake(136, key).read(64)
	mu := newShake(136, tr, []byte{0, 0}, message).read(64)
	challenge := inBall(c).ntt()
	commitment := []byte{}
	for i := 0; i < rows; i++ {
		var t1, w polynomial
		for j, high := range unpack(key[32+320*i:], 10) {
			t1[j] = (modulus - high<<13%modulus) % modulus
		}
		w = w.plus(challenge, t1.ntt())
		for j := 0; j < rows; j++ {
			w = w.plus(uniform(key[:32], byte(j), byte(i)), z[j])
		}
		commitment = append(commitment, highBits(w.inverse(), hints[i])...)
	}
	return bytes.Equal(newShake(136, mu, commitment).read(32), c)
}

// readHints is algorithm 21.
func readHints(data []byte) (hints [rows][256]bool, ok bool) {
	at := 0
	for i := range hints {
		end := int(data[omega+i])
		if end < at || end > omega {
			return hints, false
		}
		for first := at; at < end; at++ {
			if at > first && data[at-1] >= data[at] {
				return hints, false
			}
			hints[i][data[at]] = true
		}
	}
	for ; at < omega; at++ {
		if data[at] != 0 {
			return hints, false
		}
	}
	return hints, true
}

// inBall is algorithm 29.
func inBall(seed []byte) (c polynomial) {
	source := newShake(136, seed)
	signs := source.read(8)
	for i := 256 - tau; i < 256; i++ {
		j := int(source.read(1)[0])
		for j > i {
			j = int(source.read(1)[0])
		}
		bit := i + tau - 256
		c[i] = c[j]
		c[j] = 1
		if signs[bit/8]>>(bit%8)&1 == 1 {
			c[j] = modulus - 1
		}
	}
	return c
}

// uniform is algorithm 30, a polynomial of the matrix.
func uniform(rho []byte, s, r byte) (a polynomial) {
	source := newShake(168, rho, []byte{s, r})
	for j := 0; j < 256; {
		three := source.read(3)
		value := int64(three[0]) | int64(three[1])<<8 | int64(three[2]&0x7f)<<16
		if value < modulus {
			a[j] = value
			j++
		}
	}
	return a
}

// highBits is algorithm 40 and its packing in six bits each, algorithm 28.
func highBits(w polynomial, hints [256]bool) []byte {
	packed := make([]byte, 192)
	for j, value := range w {
		low := value % (2 * gamma2)
		if low > gamma2 {
			low -= 2 * gamma2
		}
		high := (value - low) / (2 * gamma2)
		if value-low == modulus-1 {
			high, low = 0, low-1
		}
		if hints[j] && low > 0 {
			high = (high + 1) % 44
		} else if hints[j] {
			high = (high + 43) % 44
		}
		for bit := 0; bit < 6; bit++ {
			at := 6*j + bit
			packed[at/8] |= byte(high>>bit&1) << (at % 8)
		}
	}
	return packed
}

package main

import "math/bits"

// modulus is q of FIPS 204.
const modulus = 8380417

// polynomial has its coefficients from 0 to q - 1.
type polynomial [256]int64

// zetas are the powers of 1753 in the order of FIPS 204, appendix B.
var zetas = func() (z [256]int64) {
	power := int64(1)
	for i := 0; i < 256; i++ {
		z[bits.Reverse8(uint8(i))] = power
		power = power * 1753 % modulus
	}
	return z
}()

// ntt is algorithm 41.
func (p polynomial) ntt() polynomial {
	k := 0
	for length := 128; length >= 1; length /= 2 {
		for start := 0; start < 256; start += 2 * length {
			k++
			for j := start; j < start+length; j++ {
				t := zetas[k] * p[j+length] % modulus
				p[j+length] = (p[j] - t + modulus) % modulus
				p[j] = (p[j] + t) % modulus
			}
		}
	}
	return p
}

// inverse is algorithm 42.
func (p polynomial) inverse() polynomial {
	k := 256
	for length := 1; length < 256; length *= 2 {
		for start := 0; start < 256; start += 2 * length {
			k--
			for j := start; j < start+length; j++ {
				t := p[j]
				p[j] = (t + p[j+length]) % modulus
				p[j+length] = (modulus - zetas[k]) * ((t - p[j+length] + modulus) % modulus) % modulus
			}
		}
	}
	for j := range p {
		p[j] = p[j] * 8347681 % modulus
	}
	return p
}

// plus adds the product of two polynomials, coefficient by coefficient.
func (p polynomial) plus(a, b polynomial) polynomial {
	for j := range p {
		p[j] = (p[j] + a[j]*b[j]) % modulus
	}
	return p
}

// unpack reads 256 numbers of this many bits, the lowest bit first.
func unpack(data []byte, width int) (numbers [256]int64) {
	for i := 0; i < 256*width; i++ {
		numbers[i/width] |= int64(data[i/8]>>(i%8)&1) << (i % width)
	}
	return numbers
}

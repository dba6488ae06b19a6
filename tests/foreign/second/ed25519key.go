package main

import "math/big"

func bigOf(text string, base int) *big.Int {
	n, _ := new(big.Int).SetString(text, base)
	return n
}

var (
	one   = big.NewInt(1)
	prime = new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	minus = new(big.Int).Sub(prime, one)
	// order8 is Y of the page: the y of points of order 8.
	order8 = bigOf("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7", 16)
)

// weak refuses the Ed25519 keys that statement.md, "Keys" lists.
func weak(key []byte) error {
	reversed := make([]byte, 32)
	for i, b := range key {
		reversed[31-i] = b
	}
	sign := reversed[0]>>7 == 1
	reversed[0] &= 0x7f
	y := new(big.Int).SetBytes(reversed)
	if y.Cmp(prime) >= 0 || sign && (y.Cmp(one) == 0 || y.Cmp(minus) == 0) {
		return refuse("ed25519.non-canonical")
	}
	for _, small := range []*big.Int{new(big.Int), one, minus, order8, new(big.Int).Sub(prime, order8)} {
		if y.Cmp(small) == 0 {
			return refuse("ed25519.small-order")
		}
	}
	if !onCurve(y) {
		return refuse("ed25519.not-on-curve")
	}
	return nil
}

// onCurve says whether (y^2 - 1)(d y^2 + 1) is a square modulo p.
func onCurve(y *big.Int) bool {
	d := new(big.Int).ModInverse(big.NewInt(121666), prime)
	d.Mul(d, big.NewInt(-121665)).Mod(d, prime)
	square := new(big.Int).Mul(y, y)
	left := new(big.Int).Sub(square, one)
	right := new(big.Int).Mul(d, square)
	left.Mul(left, right.Add(right, one)).Mod(left, prime)
	return big.Jacobi(left, prime) >= 0
}

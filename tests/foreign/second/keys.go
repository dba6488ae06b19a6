package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"math/big"
)

// publicKey is a key read from a JWK; one of the two is there.
type publicKey struct {
	kid     string
	edwards ed25519.PublicKey
	p256    *ecdsa.PublicKey
}

// readJWK reads a public key as statement.md, "Keys" says.
func readJWK(value any) (*publicKey, error) {
	jwk, ok := value.(*object)
	if !ok {
		return nil, refuse("jwk.member")
	}
	for _, name := range jwk.names {
		if _, isText := jwk.values[name].(string); !isText {
			return nil, refuse("jwk.member", "%s", name)
		}
	}
	kind := jwk.text("kty") + " " + jwk.text("crv")
	switch {
	case !jwk.has("kty") || !jwk.has("crv"):
		return nil, refuse("jwk.member")
	case kind == "OKP Ed25519" && jwk.exactly("kty", "crv", "x"):
		return okp(jwk)
	case kind == "EC P-256" && jwk.exactly("kty", "crv", "x", "y"):
		return ec(jwk)
	case kind == "OKP Ed25519" || kind == "EC P-256":
		return nil, refuse("jwk.member")
	}
	return nil, refuse("jwk.kind")
}

// thumbprint is that of RFC 7638; a JWK here has the required members alone.
func thumbprint(jwk *object) string { return sha256url(canonical(jwk)) }

func okp(jwk *object) (*publicKey, error) {
	x, err := coordinate(jwk.text("x"))
	if err != nil {
		return nil, err
	}
	if err := weak(x); err != nil {
		return nil, err
	}
	return &publicKey{kid: thumbprint(jwk), edwards: x}, nil
}

func ec(jwk *object) (*publicKey, error) {
	x, err := coordinate(jwk.text("x"))
	if err != nil {
		return nil, err
	}
	y, err := coordinate(jwk.text("y"))
	if err != nil {
		return nil, err
	}
	curve := elliptic.P256()
	point := &ecdsa.PublicKey{Curve: curve, X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
	if point.X.Cmp(curve.Params().P) >= 0 || point.Y.Cmp(curve.Params().P) >= 0 {
		return nil, refuse("jwk.coordinate")
	}
	if !curve.IsOnCurve(point.X, point.Y) {
		return nil, refuse("jwk.not-on-curve")
	}
	return &publicKey{kid: thumbprint(jwk), p256: point}, nil
}

func coordinate(text string) ([]byte, error) {
	data, err := base64url(text)
	if err != nil {
		return nil, err
	}
	if len(data) != 32 {
		return nil, refuse("jwk.coordinate")
	}
	return data, nil
}

// verify checks one signature of a statement; statement.md, "Signature" 5 and 8.
func (k *publicKey) verify(s *signature, payload string) error {
	if s.kid != k.kid {
		return refuse("signature.other-key")
	}
	if (s.algorithm == "ES256") != (k.p256 != nil) {
		return refuse("signature.algorithm")
	}
	message := []byte(s.protected + "." + payload)
	holds := false
	if k.p256 != nil {
		digest := sha256.Sum256(message)
		r, t := new(big.Int).SetBytes(s.raw[:32]), new(big.Int).SetBytes(s.raw[32:])
		holds = ecdsa.Verify(k.p256, digest[:], r, t)
	} else {
		holds = ed25519.Verify(k.edwards, message, s.raw)
	}
	if !holds {
		return refuse("signature.invalid")
	}
	return nil
}

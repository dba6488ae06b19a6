package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strconv"
)

// whole is a grammar that must match the whole text, a newline at its end not excepted.
func whole(grammar string) func(string) bool {
	return regexp.MustCompile(`\A(?:` + grammar + `)\z`).MatchString
}

var isHex64 = whole(`[0-9a-f]{64}`)

// base64url reads unpadded canonical base64url; statement.md, "Signature" 3.
func base64url(text string) ([]byte, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || base64.RawURLEncoding.EncodeToString(data) != text {
		return nil, refuse("base64url.malformed")
	}
	return data, nil
}

// padded reads base64 with padding, in the one spelling that encoding gives; log.md, beginning.
func padded(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(data) != text {
		return nil, refuse("base64.not-canonical")
	}
	return data, nil
}

// hash reads a base64 SHA-256.
func base64hash(text string) (hash, error) {
	data, err := padded(text)
	if err != nil {
		return hash{}, err
	}
	if len(data) != sha256.Size {
		return hash{}, refuse("base64.hash-length")
	}
	return *(*hash)(data), nil
}

var isDecimal = whole(`0|[1-9][0-9]*`)

// decimal reads a number without sign or leading zero, at most 2^63 - 1.
func decimal(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || !isDecimal(text) {
		return 0, refuse("decimal.malformed")
	}
	return n, nil
}

func hexOf(data []byte) string { return hex.EncodeToString(data) }

// sha256hex is the lower-case hex SHA-256 of a text.
func sha256hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hexOf(sum[:])
}

// sha256url is the base64url SHA-256 of a text.
func sha256url(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

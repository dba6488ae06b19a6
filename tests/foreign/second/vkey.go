package main

import (
	"crypto/sha256"
	"strings"
	"unicode/utf8"
)

// The types of verifier keys that are read; log.md, "Note and keys".
const (
	logKey      = 0x01
	cosigner    = 0x04
	mlDSACosign = 0x06
)

// verifier is a verifier key.
type verifier struct {
	name, id string
	kind     byte
	public   []byte
}

// spaces are the white space characters that no name has.
const spaces = " \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" +
	"\u2028\u2029\u202f\u205f\u3000"

func isKeyName(name string) bool {
	for _, char := range name {
		if char < 0x20 || char == '+' || strings.ContainsRune(spaces, char) {
			return false
		}
	}
	return name != "" && utf8.ValidString(name)
}

var isKeyID = whole(`[0-9a-f]{8}`)

func readVkey(text string) (*verifier, error) {
	part := strings.SplitN(text, "+", 3)
	if len(text) > 4096 || len(part) != 3 || !isKeyID(part[1]) {
		return nil, refuse("note.vkey-malformed")
	}
	if !isKeyName(part[0]) {
		return nil, refuse("note.key-name")
	}
	data, err := padded(part[2])
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, refuse("note.vkey-malformed")
	}
	v := &verifier{part[0], part[1], data[0], data[1:]}
	length := map[byte]int{logKey: 32, cosigner: 32, mlDSACosign: 1312}[v.kind]
	switch {
	case length == 0:
		return nil, refuse("note.key-type")
	case len(v.public) != length:
		return nil, refuse("note.key-length")
	case keyID(v.name, data) != v.id:
		return nil, refuse("note.vkey-id")
	case length == 32:
		return v, weak(v.public)
	}
	return v, nil
}

// keyID is the beginning of the hash over name, type and public key.
func keyID(name string, data []byte) string {
	sum := sha256.Sum256(append([]byte(name+"\n"), data...))
	return hexOf(sum[:4])
}

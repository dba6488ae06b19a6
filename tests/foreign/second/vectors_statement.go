package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

var strictSuite = map[string]list{
	"accepted": accepted(strictly),
	"refused":  refused(strictly),
}

func strictly(_, r row) error {
	data, err := base64.StdEncoding.DecodeString(r.text("data"))
	if err != nil {
		return err
	}
	value, err := readJSON(data, usual)
	if err != nil || string(r["canonical"]) == "null" || r["canonical"] == nil {
		return err
	}
	return differs("canonical", canonical(value), r.text("canonical"))
}

var keySuite = map[string]list{
	"accepted":  accepted(readsKey),
	"published": accepted(readsKey),
	"refused":   refused(readsKey),
}

func readsKey(_, r row) error {
	key, err := readJWK(r.value("jwk"))
	if err != nil || r["kid"] == nil {
		return err
	}
	return differs("kid", key.kid, r.text("kid"))
}

var eventSuite = map[string]list{
	"accepted": accepted(readsEvent),
	"refused":  refused(readsEvent),
}

func readsEvent(_, r row) error {
	e, err := readEvent([]byte(r.text("payload")))
	if err != nil || r["occurred_at"] == nil {
		return err
	}
	return differs("occurred_at", e.at.Format(utc), r.text("occurred_at"))
}

var statementSuite = map[string]list{
	"keys":         accepted(statementKeys),
	"payload":      accepted(func(_, r row) error { _, err := readEvent([]byte(r.text(unnamed))); return err }),
	"accepted":     accepted(readsStatement),
	"refused":      refused(readsStatement),
	"not_verified": refused(notVerified),
	"same_again":   accepted(isSameAgain),
}

// statementKeys makes the public keys from their secrets.
func statementKeys(_, r row) error {
	for name := range r {
		if err := fitsSecret(r.row(name)); err != nil {
			return err
		}
	}
	return nil
}

func fitsSecret(pair row) error {
	key, err := readJWK(pair.value("jwk"))
	if err != nil {
		return err
	}
	secret, _ := hex.DecodeString(pair.text("secret"))
	same := false
	if pair.text("alg") == "ES256" {
		x, y := elliptic.P256().ScalarBaseMult(secret)
		same = key.p256.Equal(&ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y})
	} else {
		same = key.edwards.Equal(ed25519.NewKeyFromSeed(secret).Public())
	}
	return first(differs("public key", same, true), differs("kid", key.kid, pair.text("kid")))
}

// knownKeys are the keys of the vector file by their thumbprints.
func knownKeys(file row) map[string]*publicKey {
	keys := map[string]*publicKey{}
	for name := range file.row("keys") {
		key, err := readJWK(file.row("keys").row(name).value("jwk"))
		if err == nil {
			keys[key.kid] = key
		}
	}
	return keys
}

func readsStatement(file, r row) error {
	s, err := readStatement(r.text("text"))
	if err != nil || r["kids"] == nil {
		return err
	}
	keys, kids := knownKeys(file), []string{}
	for _, one := range s.signatures {
		kids = append(kids, one.kid)
		if keys[one.kid] == nil {
			return refuse("authority.unknown-key")
		}
		if err := keys[one.kid].verify(one, s.payload); err != nil {
			return err
		}
	}
	return first(
		differs("kids", strings.Join(kids, " "), strings.Join(r.texts("kids"), " ")),
		differs("sha256", sha256hex(r.text("text")), r.text("sha256")))
}

// notVerified reads statements that are well-formed; what must fail is the signature under `jwk`.
func notVerified(_, r row) error {
	s, err := readStatement(r.text("text"))
	if err != nil {
		return differs("form", err.Error(), "well-formed")
	}
	key, err := readJWK(r.value("jwk"))
	if err != nil {
		return differs("key", err.Error(), "sound")
	}
	for _, one := range s.signatures {
		if err := key.verify(one, s.payload); err != nil {
			return err
		}
	}
	return nil
}

func isSameAgain(_, r row) error {
	one, err := readStatement(r.text("first"))
	if err != nil {
		return err
	}
	other, err := readStatement(r.text("second"))
	if err != nil {
		return err
	}
	same := false
	r.into("same", &same)
	return differs("same", sameAgain(one, other), same)
}

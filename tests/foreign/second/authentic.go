package main

import "strings"

// signer is one who signed with a registered key, and the meaning that he stated.
type signer struct {
	*registered
	meaning string
}

// brought are the keys that an event brings along; authority.md, "Authentic" 1.
func brought(r *record) ([]*publicKey, error) {
	jwks := []any{}
	switch r.kind {
	case "trial.opened.v1":
		jwks = append(jwks, r.data.values["statement_key"], r.data.object("sponsor").values["jwk"])
	case "key.registered.v1":
		jwks = append(jwks, r.data.values["jwk"])
	}
	keys := []*publicKey{}
	for _, jwk := range jwks {
		key, err := readJWK(jwk)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// authentic gives the signers of a record whose signatures all hold.
func (g *register) authentic(r *record) ([]signer, error) {
	along, err := brought(r)
	if err != nil {
		return nil, err
	}
	signers, signed := []signer{}, map[string]bool{}
	for _, s := range r.signed.signatures {
		signed[s.kid] = true
		key := ownKey(along, s.kid)
		if known := g.keys[s.kid]; known != nil {
			key = known.key
			signers = append(signers, signer{known, s.meaning})
			switch {
			case known.revoked:
				return nil, refuse("authority.revoked-key", "entry %d", r.seq)
			case known.kind == "person" && !s.hasMeaning:
				return nil, refuse("authority.person-without-meaning", "entry %d", r.seq)
			case known.kind != "person" && s.hasMeaning:
				return nil, refuse("authority.system-with-meaning", "entry %d", r.seq)
			}
		}
		if key == nil {
			return nil, refuse("authority.unknown-key", "entry %d", r.seq)
		}
		if err := key.verify(s, r.signed.payload); err != nil {
			return nil, err
		}
	}
	for _, key := range along {
		if !signed[key.kid] {
			return nil, refuse("authority.no-proof-of-possession", "entry %d", r.seq)
		}
	}
	if r.seq != 0 && !ownSource(signers, r.source) {
		return nil, refuse("authority.foreign-source", "entry %d", r.seq)
	}
	return signers, nil
}

func ownKey(along []*publicKey, kid string) *publicKey {
	for _, key := range along {
		if key.kid == kid {
			return key
		}
	}
	return nil
}

func ownSource(signers []signer, source string) bool {
	for _, s := range signers {
		if source == s.owner ||
			s.prefix != "" && (source == s.prefix || strings.HasPrefix(source, s.prefix+"/")) {
			return true
		}
	}
	return false
}

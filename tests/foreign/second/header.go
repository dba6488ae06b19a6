package main

var (
	isMedia = whole("[A-Za-z0-9!#$&^_.+/-]{1,64}")
	isKid   = whole(`[A-Za-z0-9_-]{43}`)
	means   = whole(`authorship|review|approval|responsibility|consent-given|consent-explained|witness`)
	isAlg   = whole(`Ed25519|EdDSA|ES256`)
)

// lastSecond is the last that `iat` may state: the end of the year 9999.
const lastSecond = 253402300799

// readSignature reads a protected header with its signature; statement.md, "Signature" 3 to 8.
func readSignature(protected, raw string) (*signature, error) {
	header, err := base64url(protected)
	if err != nil {
		return nil, err
	}
	if len(header) > 512 {
		return nil, refuse("statement.header-size")
	}
	o, err := readObject(header, caps{512, 1, usual.members})
	if err != nil {
		return nil, err
	}
	s := &signature{protected: protected}
	if err := s.readMembers(o); err != nil {
		return nil, err
	}
	s.raw, err = base64url(raw)
	if err == nil && len(s.raw) != 64 {
		err = refuse("statement.signature-length")
	}
	return s, err
}

func (s *signature) readMembers(o *object) error {
	for _, name := range o.names {
		switch name {
		case "alg", "kid", "meaning", "iat":
		case "typ", "cty":
			if !isMedia(o.text(name)) {
				return refuse("statement.header-member", "/%s", name)
			}
		default:
			return refuse("statement.header-member", "/%s", name)
		}
	}
	s.algorithm, s.kid, s.meaning = o.text("alg"), o.text("kid"), o.text("meaning")
	s.hasMeaning = o.has("meaning")
	switch {
	case !isAlg(s.algorithm):
		return refuse("statement.algorithm")
	case !isKid(s.kid):
		return refuse("statement.kid")
	case o.has("meaning") != o.has("iat"), o.has("meaning") && !means(s.meaning):
		return refuse("statement.meaning")
	}
	iat, isInteger := o.values["iat"].(int64)
	if o.has("iat") && (!isInteger || iat < 0 || iat > lastSecond) {
		return refuse("statement.iat")
	}
	s.iat = iat
	return nil
}

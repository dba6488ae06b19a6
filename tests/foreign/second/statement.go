package main

import (
	"sort"
	"strings"
)

// signature is one signature of a statement with what its protected header says.
type signature struct {
	protected               string
	algorithm, kid, meaning string
	hasMeaning              bool
	iat                     int64
	raw                     []byte
}

// statement is a signed event whose signatures have not been verified yet.
type statement struct {
	payload    string
	signatures []*signature
	event      *event
}

// readStatement reads either serialization; statement.md, "Signature".
func readStatement(text string) (*statement, error) {
	for i := 0; i < len(text); i++ {
		if text[i] > 0x7f {
			return nil, refuse("statement.malformed", "byte %d", i)
		}
	}
	if len(text) > 64000 {
		return nil, refuse("statement.too-large")
	}
	split := compact
	if strings.HasPrefix(text, "{") {
		split = general
	}
	s, err := split(text)
	if err != nil {
		return nil, err
	}
	payload, err := base64url(s.payload)
	if err != nil {
		return nil, err
	}
	s.event, err = readEvent(payload)
	return s, err
}

func compact(text string) (*statement, error) {
	part := strings.Split(text, ".")
	if len(part) != 3 {
		return nil, refuse("statement.malformed")
	}
	one, err := readSignature(part[0], part[2])
	return &statement{payload: part[1], signatures: []*signature{one}}, err
}

func general(text string) (*statement, error) {
	o, err := readObject([]byte(text), caps{64000, 3, 64})
	if err != nil {
		return nil, err
	}
	list, isList := o.values["signatures"].([]any)
	if _, isText := o.values["payload"].(string); !isText || !isList || !o.exactly("payload", "signatures") {
		return nil, refuse("statement.malformed")
	}
	if len(list) < 1 || len(list) > 16 {
		return nil, refuse("statement.signature-count")
	}
	s := &statement{payload: o.text("payload")}
	minified := make([]string, len(list))
	keys := map[string]bool{}
	for i, element := range list {
		row, isObject := element.(*object)
		if !isObject || !row.exactly("protected", "signature") {
			return nil, refuse("statement.malformed", "/signatures/%d", i)
		}
		protected, isText := row.values["protected"].(string)
		raw, isToo := row.values["signature"].(string)
		if !isText || !isToo {
			return nil, refuse("statement.malformed", "/signatures/%d", i)
		}
		one, err := readSignature(protected, raw)
		if err != nil {
			return nil, err
		}
		if keys[one.kid] {
			return nil, refuse("statement.duplicate-key")
		}
		keys[one.kid] = true
		s.signatures = append(s.signatures, one)
		minified[i] = `{"protected":"` + protected + `","signature":"` + raw + `"}`
	}
	if text != `{"payload":"`+s.payload+`","signatures":[`+strings.Join(minified, ",")+`]}` {
		return nil, refuse("statement.not-minified")
	}
	return s, nil
}

// sameAgain says whether the second is the first handed in again; statement.md, "The same again".
func sameAgain(first, second *statement) bool {
	return first.payload == second.payload && first.signedAs() == second.signedAs()
}

// signedAs is the set of pairs of key and meaning, as one text.
func (s *statement) signedAs() string {
	pairs := []string{}
	for _, one := range s.signatures {
		pairs = append(pairs, one.kid+" "+one.meaning)
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "\n")
}

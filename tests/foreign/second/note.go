package main

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// line is one signature line of a note.
type line struct {
	name, id string
	raw      []byte
}

// signedNote is a signed note as read, nothing verified; log.md, "Note and keys".
type signedNote struct {
	text  string
	lines []line
}

func readNote(message string) (*signedNote, error) {
	switch {
	case len(message) > 1_000_000:
		return nil, refuse("note.too-long")
	case !utf8.ValidString(message):
		return nil, refuse("note.not-utf-8")
	}
	for i := 0; i < len(message); i++ {
		if message[i] < 0x20 && message[i] != '\n' {
			return nil, refuse("note.control-character", "byte %d", i)
		}
	}
	empty := strings.LastIndex(message, "\n\n")
	if empty < 0 || empty+2 == len(message) {
		return nil, refuse("note.no-signatures")
	}
	n := &signedNote{text: message[:empty+1]}
	below := message[empty+2:]
	if !strings.HasSuffix(below, "\n") {
		return nil, refuse("note.no-signatures")
	}
	rows := strings.Split(strings.TrimSuffix(below, "\n"), "\n")
	if len(rows) > 100 {
		return nil, refuse("note.too-many-signatures")
	}
	for _, row := range rows {
		one, err := readLine(row)
		if err != nil {
			return nil, err
		}
		n.lines = append(n.lines, one)
	}
	return n, nil
}

func readLine(row string) (line, error) {
	name, signed, found := strings.Cut(strings.TrimPrefix(row, "— "), " ")
	if !strings.HasPrefix(row, "— ") || !found || !isKeyName(name) {
		return line{}, refuse("note.signature-line", "%q", row)
	}
	data, err := padded(signed)
	if err != nil {
		return line{}, err
	}
	if len(data) < 5 {
		return line{}, refuse("note.signature-line", "%q", row)
	}
	return line{name, hexOf(data[:4]), data[4:]}, nil
}

// holds verifies one line, and tells the time that a cosignature states.
func (v *verifier) holds(text string, raw []byte) (int64, error) {
	bad := refuse("note.bad-signature", "%s", v.name)
	if v.kind == logKey {
		if len(raw) != 64 || !ed25519.Verify(v.public, []byte(text), raw) {
			return 0, bad
		}
		return 0, nil
	}
	if len(raw) < 8 || raw[0] > 0x7f {
		return 0, bad
	}
	at := int64(binary.BigEndian.Uint64(raw))
	c, err := readText(text)
	if err != nil {
		return 0, err
	}
	if v.kind == mlDSACosign {
		if len(raw) != 8+2420 || !mlDSAHolds(v.public, subtree(v.name, at, c), raw[8:]) {
			return 0, bad
		}
		return at, nil
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, text)
	if len(raw) != 8+64 || !ed25519.Verify(v.public, []byte(message), raw[8:]) {
		return 0, bad
	}
	return at, nil
}

// subtree is what a cosignature of type 0x06 is over; log.md, "Cosignatures".
func subtree(name string, at int64, c *checkpoint) []byte {
	m := append([]byte("subtree/v1\n\x00"), byte(len(name)))
	m = append(m, name...)
	m = binary.BigEndian.AppendUint64(m, uint64(at))
	m = append(m, byte(len(c.origin)))
	m = append(m, c.origin...)
	m = binary.BigEndian.AppendUint64(m, 0)
	m = binary.BigEndian.AppendUint64(m, uint64(c.size))
	return append(m, c.root[:]...)
}

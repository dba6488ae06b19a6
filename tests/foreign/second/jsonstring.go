package main

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// simple are the escapes of RFC 8259 section 7 that stand for one character.
var simple = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// str reads a string from its opening quotation mark on; its bytes are UTF-8 already.
func (r *jsonReader) str() (string, error) {
	r.at++
	var b strings.Builder
	for {
		if r.at >= len(r.text) {
			return "", r.syntax()
		}
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return b.String(), nil
		case c < 0x20:
			return "", r.syntax()
		case c == '\\':
			char, err := r.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(char)
		default:
			b.WriteByte(c)
			r.at++
		}
	}
}

// escape reads one escape, or the two that make one character.
func (r *jsonReader) escape() (rune, error) {
	r.at++
	if c, ok := simple[r.peek()]; ok {
		r.at++
		return rune(c), nil
	}
	unit, err := r.unit()
	if err != nil || !utf16.IsSurrogate(unit) {
		return unit, err
	}
	if strings.HasPrefix(r.text[r.at:], `\u`) {
		r.at++
		low, err := r.unit()
		if err != nil {
			return 0, err
		}
		if char := utf16.DecodeRune(unit, low); char != '\uFFFD' {
			return char, nil
		}
	}
	return 0, refuse("strict-json.surrogate", "byte %d", r.at)
}

// unit reads uXXXX: one UTF-16 code unit.
func (r *jsonReader) unit() (rune, error) {
	if r.peek() != 'u' || len(r.text) < r.at+5 {
		return 0, r.syntax()
	}
	digits := r.text[r.at+1 : r.at+5]
	n, err := strconv.ParseUint(digits, 16, 16)
	if err != nil || strings.ContainsAny(digits, "+-_") {
		return 0, r.syntax()
	}
	r.at += 5
	return rune(n), nil
}

package main

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
)

// canonical is the RFC 8785 form of a value that readJSON gives.
func canonical(value any) string {
	var b strings.Builder
	writeCanonical(&b, value)
	return b.String()
}

func writeCanonical(b *strings.Builder, value any) {
	switch v := value.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case string:
		writeString(b, v)
	case []any:
		b.WriteByte('[')
		for i, element := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeCanonical(b, element)
		}
		b.WriteByte(']')
	case *object:
		b.WriteByte('{')
		for i, name := range byCodeUnits(v.names) {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, name)
			b.WriteByte(':')
			writeCanonical(b, v.values[name])
		}
		b.WriteByte('}')
	}
}

// byCodeUnits sorts as RFC 8785 section 3.2.3 says: by UTF-16 code units.
func byCodeUnits(names []string) []string {
	sorted := append([]string{}, names...)
	sort.Slice(sorted, func(i, j int) bool {
		a, b := utf16.Encode([]rune(sorted[i])), utf16.Encode([]rune(sorted[j]))
		for k := 0; k < len(a) && k < len(b); k++ {
			if a[k] != b[k] {
				return a[k] < b[k]
			}
		}
		return len(a) < len(b)
	})
	return sorted
}

var short = map[rune]string{
	'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`,
}

func writeString(b *strings.Builder, text string) {
	b.WriteByte('"')
	for _, char := range text {
		if escape, ok := short[char]; ok {
			b.WriteString(escape)
		} else if char < 0x20 {
			fmt.Fprintf(b, `\u%04x`, char)
		} else {
			b.WriteRune(char)
		}
	}
	b.WriteByte('"')
}

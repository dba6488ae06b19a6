package main

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// caps are the limits of one strict JSON text; statement.md, "Strict JSON".
type caps struct{ size, depth, members int }

var usual = caps{65536, 32, 8192}

// largest is the largest integer that may be written, 2^53 - 1.
const largest = 1<<53 - 1

// object is a JSON object; its names stand in the order of the text.
type object struct {
	names  []string
	values map[string]any
}

func newObject() *object { return &object{values: map[string]any{}} }

// set gives a member a value, behind the others where it is new.
func (o *object) set(name string, value any) {
	if _, there := o.values[name]; !there {
		o.names = append(o.names, name)
	}
	o.values[name] = value
}

// remove takes a member away.
func (o *object) remove(name string) {
	if _, there := o.values[name]; !there {
		return
	}
	delete(o.values, name)
	kept := []string{}
	for _, other := range o.names {
		if other != name {
			kept = append(kept, other)
		}
	}
	o.names = kept
}

// has says whether a member stands, with any value.
func (o *object) has(name string) bool {
	_, there := o.values[name]
	return there
}

// text is a member that is a string; else "".
func (o *object) text(name string) string {
	s, _ := o.values[name].(string)
	return s
}

// object is a member that is an object; else an empty one.
func (o *object) object(name string) *object {
	if inner, ok := o.values[name].(*object); ok {
		return inner
	}
	return newObject()
}

// exactly says whether these are the names of the object, in any order.
func (o *object) exactly(names ...string) bool {
	for _, name := range names {
		if !o.has(name) {
			return false
		}
	}
	return len(o.names) == len(names)
}

// readJSON reads a strict text: nil, bool, int64, string, []any or *object.
func readJSON(text []byte, held caps) (any, error) {
	switch {
	case len(text) > held.size:
		return nil, refuse("strict-json.size")
	case bytes.HasPrefix(text, []byte("\xef\xbb\xbf")):
		return nil, refuse("strict-json.byte-order-mark")
	case !utf8.Valid(text):
		return nil, refuse("strict-json.encoding")
	}
	r := &jsonReader{text: string(text), held: held}
	r.space()
	value, err := r.value(0)
	if err != nil {
		return nil, err
	}
	r.space()
	if r.at != len(r.text) {
		return nil, r.syntax()
	}
	return value, nil
}

// readObject reads a strict text that is an object.
func readObject(text []byte, held caps) (*object, error) {
	value, err := readJSON(text, held)
	if err != nil {
		return nil, err
	}
	o, ok := value.(*object)
	if !ok {
		return nil, refuse("strict-json.not-an-object")
	}
	return o, nil
}

type jsonReader struct {
	text    string
	at      int
	members int
	held    caps
}

func (r *jsonReader) syntax() error { return refuse("strict-json.syntax", "byte %d", r.at) }

func (r *jsonReader) space() {
	for r.at < len(r.text) && strings.IndexByte("\t\n\r ", r.text[r.at]) >= 0 {
		r.at++
	}
}

// peek is the next byte, 0 at the end.
func (r *jsonReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *jsonReader) word(w string) bool {
	if strings.HasPrefix(r.text[r.at:], w) {
		r.at += len(w)
		return true
	}
	return false
}

// count is one more of the members: a comma, an array or an object.
func (r *jsonReader) count() error {
	if r.members++; r.members > r.held.members {
		return refuse("strict-json.members", "byte %d", r.at)
	}
	return nil
}

func (r *jsonReader) value(depth int) (any, error) {
	switch c := r.peek(); {
	case c == '{' || c == '[':
		if depth+1 > r.held.depth {
			return nil, refuse("strict-json.depth", "byte %d", r.at)
		}
		if err := r.count(); err != nil {
			return nil, err
		}
		r.at++
		if c == '{' {
			return r.object(depth + 1)
		}
		return r.array(depth + 1)
	case c == '"':
		return r.str()
	case r.word("true"):
		return true, nil
	case r.word("false"):
		return false, nil
	case r.word("null"):
		return nil, nil
	case r.word("NaN"), r.word("Infinity"), r.word("-Infinity"):
		return nil, refuse("strict-json.constant", "byte %d", r.at)
	case c == '-' || c >= '0' && c <= '9':
		return r.number()
	}
	return nil, r.syntax()
}

// more says whether another element follows; else the closing bracket was read.
func (r *jsonReader) more(closing byte) (bool, error) {
	r.space()
	switch r.peek() {
	case ',':
		if err := r.count(); err != nil {
			return false, err
		}
		r.at++
		r.space()
		return true, nil
	case closing:
		r.at++
		return false, nil
	}
	return false, r.syntax()
}

func (r *jsonReader) array(depth int) (any, error) {
	elements := []any{}
	if r.space(); r.peek() == ']' {
		r.at++
		return elements, nil
	}
	for {
		value, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, value)
		if again, err := r.more(']'); err != nil || !again {
			return elements, err
		}
	}
}

func (r *jsonReader) object(depth int) (any, error) {
	o := newObject()
	if r.space(); r.peek() == '}' {
		r.at++
		return o, nil
	}
	for {
		if r.peek() != '"' {
			return nil, r.syntax()
		}
		name, err := r.str()
		if err != nil {
			return nil, err
		}
		if o.has(name) {
			return nil, refuse("strict-json.duplicate-name", "%q", name)
		}
		if r.space(); r.peek() != ':' {
			return nil, r.syntax()
		}
		r.at++
		r.space()
		value, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		o.set(name, value)
		if again, err := r.more('}'); err != nil || !again {
			return o, err
		}
	}
}

func (r *jsonReader) digits() (text string) {
	from := r.at
	for r.peek() >= '0' && r.peek() <= '9' {
		r.at++
	}
	return r.text[from:r.at]
}

func (r *jsonReader) number() (any, error) {
	negative := r.word("-")
	whole := r.digits()
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return nil, r.syntax()
	}
	float := false
	if r.word(".") {
		if float = true; r.digits() == "" {
			return nil, r.syntax()
		}
	}
	if r.word("e") || r.word("E") {
		if !r.word("+") {
			r.word("-")
		}
		if float = true; r.digits() == "" {
			return nil, r.syntax()
		}
	}
	if float {
		return nil, refuse("strict-json.float", "byte %d", r.at)
	}
	if negative && whole == "0" {
		return nil, refuse("strict-json.negative-zero", "byte %d", r.at)
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n > largest {
		return nil, refuse("strict-json.integer-range", "byte %d", r.at)
	}
	if negative {
		n = -n
	}
	return n, nil
}

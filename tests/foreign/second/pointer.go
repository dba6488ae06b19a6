package main

import (
	"strconv"
	"strings"
)

var isIndex = whole(`[0-9]+`)

// tokens are those of a pointer after RFC 6901; none where it is not one of effect.md.
func tokens(pointer string) []string {
	if pointer != "/time" && !strings.HasPrefix(pointer, "/data/") {
		return nil
	}
	found := strings.Split(pointer[1:], "/")
	for i := range found {
		found[i] = strings.ReplaceAll(strings.ReplaceAll(found[i], "~1", "/"), "~0", "~")
	}
	return found
}

// below is what stands at a token, and whether anything does.
func below(value any, token string) (any, bool) {
	switch v := value.(type) {
	case *object:
		inner, there := v.values[token]
		return inner, there
	case []any:
		if i, err := strconv.Atoi(token); err == nil && isIndex(token) && i < len(v) {
			return v[i], true
		}
	}
	return nil, false
}

// at is the value that stands at a pointer, nil where nothing stands.
func (s *standing) at(pointer string) any {
	var value any = s.says
	for _, token := range tokens(pointer) {
		value, _ = below(value, token)
	}
	return value
}

// change sets the value at a pointer; where the place does not exist nothing happens.
func (s *standing) change(pointer string, value any) {
	path := tokens(pointer)
	if path == nil {
		return
	}
	var at any = s.says
	for _, token := range path[:len(path)-1] {
		inner, there := below(at, token)
		if !there {
			return
		}
		at = inner
	}
	last := path[len(path)-1]
	switch v := at.(type) {
	case *object:
		if value == nil {
			v.remove(last)
		} else {
			v.set(last, clone(value))
		}
	case []any:
		if i, err := strconv.Atoi(last); err == nil && isIndex(last) && i < len(v) {
			v[i] = clone(value)
		}
	}
}

package main

import "fmt"

// refusal is why a text is not what it should be: the code that the pages give to the broken rule.
type refusal struct {
	code  string
	where string
}

func (r *refusal) Error() string {
	if r.where == "" {
		return r.code
	}
	return r.code + " at " + r.where
}

// refuse names the broken rule; where and its values tell the place in words.
func refuse(code string, where ...any) error {
	if len(where) == 0 {
		return &refusal{code: code}
	}
	return &refusal{code, fmt.Sprintf(where[0].(string), where[1:]...)}
}

// codeOf is the code of a refusal, and what else went wrong in full.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	if r, ok := err.(*refusal); ok {
		return r.code
	}
	return err.Error()
}

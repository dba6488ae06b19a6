package main

import (
	"strings"
	"time"
	"unicode/utf8"
)

// event is a payload in its envelope; statement.md, "Payload: the event".
type event struct {
	id, source, kind, subject, time, trial string
	at                                     time.Time
	data                                   *object
}

const (
	siteName    = `[A-Z0-9]{2,16}`
	subjectName = siteName + `-[0-9]{4}`
	typeWords   = `[a-z][a-z0-9]*(?:-[a-z0-9]+)*`
)

// isStream is the grammar of `subject`, which is that of an entry's `stream`.
var isStream = whole(`trial|access|allocation/main|site/` + siteName + `|(?:subject|treatment)/` +
	subjectName + `|lot/[A-Za-z0-9][A-Za-z0-9._-]{0,63}`)

var hasSource = whole(`(?:/[A-Za-z0-9._-]+)+`)

func isSource(text string) bool {
	for _, segment := range strings.Split(text, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return hasSource(text)
}

// members are the texts of an envelope in the order in which they are checked.
var members = []struct {
	name string
	fits func(string) bool
}{
	{"specversion", whole(`1\.0`)},
	{"id", whole(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)},
	{"source", isSource},
	{"type", whole(typeWords + `\.` + typeWords + `\.v[1-9][0-9]{0,2}`)},
	{"subject", isStream},
	{"time", func(string) bool { return true }},
	{"trialid", whole(`[A-Za-z0-9][A-Za-z0-9-]{0,63}`)},
	{"datacontenttype", whole(`application/json`)},
}

// readEvent reads a payload.
func readEvent(payload []byte) (*event, error) {
	if len(payload) > 40960 {
		return nil, refuse("statement.too-large")
	}
	o, err := readObject(payload, usual)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{"data": true}
	for _, m := range members {
		known[m.name] = true
		if !o.has(m.name) && m.name != "datacontenttype" {
			return nil, refuse("envelope.missing-member", "/%s", m.name)
		}
	}
	if !o.has("data") {
		return nil, refuse("envelope.missing-member", "/data")
	}
	for _, name := range o.names {
		if !known[name] {
			return nil, refuse("envelope.unknown-member", "/%s", name)
		}
	}
	for _, m := range members {
		text, isText := o.values[m.name].(string)
		if o.has(m.name) && (!isText || utf8.RuneCountInString(text) > 256 || !m.fits(text)) {
			return nil, refuse("envelope."+m.name, "/%s", m.name)
		}
	}
	at, err := instant(o.text("time"))
	if err != nil {
		return nil, err
	}
	data, ok := o.values["data"].(*object)
	if !ok {
		return nil, refuse("envelope.data")
	}
	return &event{o.text("id"), o.text("source"), o.text("type"), o.text("subject"), o.text("time"),
		o.text("trialid"), at, data}, nil
}

// family is what stands before the first slash of a stream, name what stands behind it.
func family(stream string) (string, string) {
	before, name, _ := strings.Cut(stream, "/")
	return before, name
}

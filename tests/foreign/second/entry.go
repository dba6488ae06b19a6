package main

import (
	"regexp"
	"strings"
	"time"
)

// entry is one leaf of the log; entry.md, "Bytes".
type entry struct {
	text                          string
	prev, recordedAt              string
	seq, streamSeq                int64
	statement, stream, streamPrev string
}

var (
	zeros        = strings.Repeat("0", 64)
	recordedForm = regexp.MustCompile(`\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\z`)
)

func isRecordedAt(text string) bool {
	at, err := time.Parse(utc, text)
	return err == nil && recordedForm.MatchString(text) && at.Format(utc) == text
}

func readEntry(text string) (*entry, error) {
	if len(text) > 65535 {
		return nil, refuse("entry.too-long")
	}
	value, err := readJSON([]byte(text), usual)
	if err != nil {
		return nil, refuse("entry.not-json", "%v", err)
	}
	if canonical(value) != text {
		return nil, refuse("entry.not-canonical")
	}
	o, isObject := value.(*object)
	if !isObject || !o.exactly("prev", "recorded_at", "seq", "statement", "stream", "stream_prev", "stream_seq") {
		return nil, refuse("entry.members")
	}
	for _, name := range o.names {
		_, isText := o.values[name].(string)
		n, isInteger := o.values[name].(int64)
		isInteger = isInteger && n >= 0
		if wanted := name == "seq" || name == "stream_seq"; wanted && !isInteger || !wanted && !isText {
			return nil, refuse("entry.member-type", "/%s", name)
		}
	}
	e := &entry{text, o.text("prev"), o.text("recorded_at"), o.values["seq"].(int64),
		o.values["stream_seq"].(int64), o.text("statement"), o.text("stream"), o.text("stream_prev")}
	switch {
	case !isHex64(e.prev), !recordedForm.MatchString(e.recordedAt), !isHex64(e.streamPrev):
		return nil, refuse("entry.member-form")
	}
	return e, nil
}

// link is what the chain of the stream covers; entry.md, "The chain of a stream".
func (e *entry) link() string {
	o := newObject()
	o.set("statement", e.statement)
	o.set("stream", e.stream)
	o.set("stream_prev", e.streamPrev)
	o.set("stream_seq", e.streamSeq)
	return canonical(o)
}

// streamEnd is how far a stream has come.
type streamEnd struct {
	count int64
	hash  string
}

// chain is the end of a log as far as the next entry depends on it.
type chain struct {
	count      int64
	prev       string
	recordedAt string
	streams    map[string]streamEnd
}

func newChain() *chain { return &chain{prev: zeros, streams: map[string]streamEnd{}} }

// endOf is the end of a stream, which may have no entry yet.
func (c *chain) endOf(stream string) streamEnd {
	if end, ok := c.streams[stream]; ok {
		return end
	}
	return streamEnd{0, zeros}
}

// check compares in the order that entry.md gives, and names the first difference.
func (c *chain) check(e *entry) error {
	end := c.endOf(e.stream)
	switch {
	case e.seq != c.count:
		return refuse("chain.seq")
	case e.prev != c.prev:
		return refuse("chain.prev")
	case e.recordedAt < c.recordedAt:
		return refuse("chain.recorded-at")
	case e.streamSeq != end.count:
		return refuse("chain.stream-seq")
	case e.streamPrev != end.hash:
		return refuse("chain.stream-prev")
	}
	return nil
}

// append goes on behind an entry.
func (c *chain) append(e *entry) {
	c.count, c.prev, c.recordedAt = c.count+1, sha256hex(e.text), e.recordedAt
	c.streams[e.stream] = streamEnd{c.endOf(e.stream).count + 1, sha256hex(e.link())}
}

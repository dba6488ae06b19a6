package main

import "strings"

var disclosureSuite = map[string]list{
	"disclosures": accepted(readsDisclosure),
	"published":   accepted(hasDigest),
	"refused":     refused(readsDisclosure),
	"opened":      accepted(opens),
	"not_opened":  refused(opens),
}

func hasDigest(_, r row) error {
	return differs("digest", sha256url(r.text("text")), r.text("digest"))
}

func readsDisclosure(_, r row) error {
	d, err := readDisclosure(r.text("text"))
	if err != nil || r["digest"] == nil {
		return err
	}
	return first(
		differs("digest", d.digest, r.text("digest")),
		differs("salt", d.salt, r.text("salt")),
		differs("member", d.name, r.text("member")),
		differs("value", canonical(d.value), canonical(r.value("value"))))
}

func opens(_, r row) error {
	opened, closed, err := open(r.object("data"), r.texts("disclosures"))
	if err != nil || r["merged"] == nil {
		return err
	}
	return first(
		differs("merged", canonical(opened), canonical(r.value("merged"))),
		differs("closed", strings.Join(closed, " "), strings.Join(r.texts("closed"), " ")))
}

var entrySuite = map[string]list{
	"chain":         accepted(isChained),
	"refused":       refused(func(_, r row) error { _, err := readEntry(r.text("entry")); return err }),
	"read_alone":    accepted(isReadAlone),
	"not_the_fifth": refused(isFifth),
}

func rowsOf(file row, name string) (rows []row) { file.into(name, &rows); return }

// isChained reads the chain up to this entry, and compares its hashes.
func isChained(file, r row) error {
	c := newChain()
	for _, earlier := range rowsOf(file, "chain") {
		e, err := readEntry(earlier.text("entry"))
		if err != nil {
			return err
		}
		if err := c.check(e); err != nil {
			return err
		}
		c.append(e)
		if e.text == r.text("entry") {
			return first(
				differs("sha256", c.prev, r.text("sha256")),
				differs("link", e.link(), r.text("link")),
				differs("link_sha256", c.streams[e.stream].hash, r.text("link_sha256")))
		}
	}
	return differs("place", "not in the chain", "in it")
}

// isReadAlone reads an entry, and only then the record in it.
func isReadAlone(_, r row) error {
	e, err := readEntry(r.text("entry"))
	if err != nil {
		return err
	}
	_, err = readRecord(e, map[string]*eventType{}, nil)
	return first(
		differs("sha256", sha256hex(e.text), r.text("sha256")),
		differs("link_sha256", sha256hex(e.link()), r.text("link_sha256")),
		differs("record", codeOf(err), r.text("record")))
}

func isFifth(file, r row) error {
	c := newChain()
	for _, earlier := range rowsOf(file, "chain")[:4] {
		e, err := readEntry(earlier.text("entry"))
		if err != nil {
			return differs("chain", err.Error(), "sound")
		}
		c.append(e)
	}
	e, err := readEntry(r.text("entry"))
	if err != nil {
		return err
	}
	return c.check(e)
}

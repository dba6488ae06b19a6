package main

import (
	"fmt"
	"strings"
)

// newest checks that `checkpoint` is the newest of all that are listed, with the lines it has.
func (b *bundle) newest() error {
	all := b.rows("checkpoints.jsonl")
	published := b.rows("published.jsonl")
	if len(all) == 0 {
		return refuse("checkpoints.missing")
	}
	text, _, _ := strings.Cut(b.file["checkpoint"], "\n\n")
	last, _, _ := strings.Cut(all[len(all)-1].text("note"), "\n\n")
	if text != last {
		return refuse("manifest.value", "checkpoint is not the last of checkpoints.jsonl")
	}
	if len(published) == 0 {
		return nil
	}
	newest := published[len(published)-1]
	whole := newest.text("note")
	list, _ := newest.values["cosignatures"].([]any)
	for _, element := range list {
		if one, isObject := element.(*object); isObject {
			whole += strings.TrimSuffix(one.text("line"), "\n") + "\n"
		}
	}
	if b.file["checkpoint"] != whole {
		return refuse("manifest.value", "checkpoint is not the newest of published.jsonl")
	}
	return nil
}

// tallies compares how much was ever published with what is here.
func (b *bundle) tallies() {
	count, total := map[string]int64{}, map[string]int64{}
	add := func(kind, vkey string, size any) {
		n, _ := size.(int64)
		count[kind+" "+vkey]++
		total[kind+" "+vkey] += n
	}
	for _, o := range b.rows("published.jsonl") {
		add("published_checkpoints", "", o.values["size"])
		list, _ := o.values["cosignatures"].([]any)
		for _, element := range list {
			if one, isObject := element.(*object); isObject {
				add("cosignatures", one.text("vkey"), o.values["size"])
			}
		}
	}
	for _, o := range b.stamps() {
		add("timestamps", "", o.values["size"])
	}
	if _, there := b.file["tallies.jsonl"]; !there {
		return
	}
	counted := map[string]bool{}
	for _, o := range b.rows("tallies.jsonl") {
		key := o.text("kind") + " " + o.text("vkey")
		if o.values["number"] != count[key] || o.values["total"] != total[key] {
			b.find(refuse("published.count", "%s", key))
		}
		counted[key] = true
	}
	for key := range count {
		if !counted[key] {
			b.find(refuse("published.count", "%s is not counted", key))
		}
	}
}

// stamps compares each response with its SHA-256; what is in it, only an RFC 3161 reader can tell.
func (b *bundle) stamps() []*object {
	rows, named := b.rows("timestamps.jsonl"), map[string]bool{}
	for _, o := range rows {
		name := fmt.Sprintf("timestamps/%v.tsr", o.values["size"])
		named[name] = true
		if sha256hex(b.file[name]) != o.text("sha256") {
			b.find(refuse("timestamps.altered", "%s", name))
		}
	}
	for name := range b.file {
		if strings.HasPrefix(name, "timestamps/") && !named[name] {
			b.find(refuse("timestamps.missing", "%s", name))
		}
	}
	return rows
}

// redaction is `none`, or says what was withheld and why.
func (b *bundle) redaction() {
	if b.manifest.values["redaction"] == "none" {
		return
	}
	withheld, _ := b.manifest.object("redaction").values["withheld"].([]any)
	for _, element := range withheld {
		one, isObject := element.(*object)
		if !isObject || one.text("what") == "" || one.text("why") == "" {
			b.find(refuse("manifest.value", "redaction"))
		}
	}
	if len(withheld) == 0 || !b.manifest.object("redaction").exactly("withheld") {
		b.find(refuse("manifest.value", "redaction"))
	}
}

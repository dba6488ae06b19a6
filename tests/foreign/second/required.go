package main

import "strings"

// required are the members that a bundle of each kind has in any case; those of a log, of a dossier.
var required = map[string][]string{
	"log": {"entries.jsonl", "checkpoints.jsonl", "checkpoint", "published.jsonl", "timestamps.jsonl",
		"vkeys.txt", "openings.jsonl", "vocabulary.json", "README.txt"},
	"dossier": {"openings.jsonl", "proven.jsonl", "checkpoint", "vkeys.txt", "vocabulary.json", "README.txt"},
}

// shape are the names that each line of a member has.
var shape = map[string][]string{
	"checkpoints.jsonl": {"note", "previous", "size"},
	"published.jsonl":   {"cosignatures", "note", "size"},
	"timestamps.jsonl":  {"authority", "sha256", "size", "time"},
	"tallies.jsonl":     {"kind", "number", "total", "vkey"},
}

// present sees that what is required is there, and that the manifest knows its own kind.
func (b *bundle) present() {
	kind := b.manifest.text("kind")
	if required[kind] == nil {
		b.find(refuse("manifest.value", "kind: %s", kind))
	}
	wanted := map[string][]string{
		"log":     {"disclosure", "number", "seq"},
		"dossier": {"disclosure", "number", "stream", "stream_seq"},
	}[kind]
	for _, o := range b.rows("openings.jsonl") {
		if !o.exactly(wanted...) {
			b.find(refuse("manifest.line", "openings.jsonl"))
		}
	}
	for _, name := range required[kind] {
		if _, there := b.file[name]; !there {
			b.find(refuse("manifest.member", "%s", name))
		}
	}
}

// vkeys compares the log's keys with those that entry 0 states.
func (b *bundle) vkeys(genesis *record) {
	listed := texts(genesis.data.values["log_vkeys"])
	if b.file["vkeys.txt"] != strings.Join(listed, "\n")+"\n" {
		b.find(refuse("manifest.value", "vkeys.txt"))
	}
}

package main

import (
	"bytes"
	"os"
	"strings"
)

// large are the caps of members that are one JSON text.
var large = caps{1 << 30, 64, 1 << 30}

// bundle is an evidence bundle as read; bundle.md.
type bundle struct {
	file     map[string]string
	manifest *object
	log      *wholeLog
	types    map[string]*eventType
	vkey     string
	genesis  string
	findings []string
	checked  map[string]int
}

func (b *bundle) find(err error) {
	if err != nil {
		b.findings = append(b.findings, err.Error())
	}
}

// judgement is what the program says of a bundle.
type judgement struct {
	Kind     string         `json:"kind"`
	Findings []string       `json:"findings"`
	Checked  map[string]int `json:"checked"`
}

// readEvidence verifies a bundle under a root of trust and the verifier's own vocabulary.
func readEvidence(path, vkey, genesis, vocabulary string) (any, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	types, err := loadVocabulary(vocabulary)
	if err != nil {
		return nil, err
	}
	b := &bundle{vkey: vkey, genesis: genesis, types: types, log: &wholeLog{},
		findings: []string{}, checked: map[string]int{}}
	if b.file, err = readContainer(content); err != nil {
		return nil, err
	}
	if !bytes.Equal(container(b.file), content) {
		b.find(refuse("manifest.container"))
	}
	if b.manifest, err = readObject([]byte(b.file["manifest.json"]), large); err != nil {
		return nil, refuse("manifest.unreadable", "%v", err)
	}
	b.members()
	b.present()
	b.redaction()
	if kind := b.manifest.text("kind"); kind == "dossier" {
		b.find(b.dossier())
	} else {
		b.find(b.whole())
	}
	b.findings = append(b.findings, b.log.findings...)
	return &judgement{b.manifest.text("kind"), b.findings, b.checked}, nil
}

// members compares the manifest with the members; bundle.md, "Manifest".
func (b *bundle) members() {
	stated := b.manifest.object("members")
	for name, content := range b.file {
		if name == "manifest.json" {
			continue
		}
		if !stated.has(name) {
			b.find(refuse("manifest.surplus", "%s", name))
			continue
		}
		row := stated.object(name)
		if row.values["bytes"] != int64(len(content)) || row.text("sha256") != sha256hex(content) {
			b.find(refuse("manifest.member", "%s", name))
		}
	}
	for _, name := range stated.names {
		if _, there := b.file[name]; !there {
			b.find(refuse("manifest.member", "%s", name))
		}
	}
	without := clone(b.manifest).(*object)
	without.remove("checksum")
	text := strings.TrimSuffix(b.file["manifest.json"], "\n")
	if canonical(b.manifest) != text ||
		b.manifest.text("checksum") != sha256hex(canonical(without)) ||
		b.manifest.text("format") != "trial-ledger-bundle/1" {
		b.find(refuse("manifest.unreadable", "checksum"))
	}
	b.checked["members"] = len(b.file) - 1
}

// value compares one value of the manifest with what the members hold.
func (b *bundle) value(name string, found any) {
	if b.manifest.values[name] != found {
		stated := b.manifest.values[name]
		b.find(refuse("manifest.value", "%s: %v, the members hold %v", name, stated, found))
	}
}

// rows reads a member of canonical JSON objects, one a line.
func (b *bundle) rows(name string) []*object {
	found, seen := []*object{}, map[string]bool{}
	listed, err := lines(b.file[name])
	if err != nil {
		b.find(refuse("manifest.line", "%s", name))
	}
	for _, text := range listed {
		o, err := readObject([]byte(text), large)
		if err != nil || canonical(o) != text || seen[text] || shape[name] != nil && !o.exactly(shape[name]...) {
			b.find(refuse("manifest.line", "%s", name))
			continue
		}
		seen[text] = true
		found = append(found, o)
	}
	return found
}

package main

import (
	"fmt"
	"strings"
)

// whole verifies the bundle of a log; bundle.md, "Bundle of the log".
func (b *bundle) whole() error {
	log, err := verifyEntries(b.file["entries.jsonl"], b.file["openings.jsonl"], b.types)
	if err != nil {
		return err
	}
	b.log = log
	size := int64(len(b.log.records))
	if size == 0 {
		return refuse("entries.missing")
	}
	b.find(b.log.under(b.vkey, b.genesis, b.file["checkpoint"]))
	last, top := b.log.records[size-1], root(b.log.leaves)
	b.value("trial", b.log.records[0].trial)
	b.value("origin", b.log.records[0].data.text("origin"))
	b.value("vkey", b.vkey)
	b.value("genesis_sha256", b.genesis)
	b.value("size", size)
	b.value("root", hexOf(top[:]))
	b.value("head", sha256hex(last.text))
	b.value("recorded_at", last.recordedAt)
	b.tiles()
	b.checkpoints()
	b.published()
	b.receipts()
	b.protocols()
	b.counts()
	b.tallies()
	b.find(b.newest())
	b.checked["entries"] = int(size)
	b.vkeys(b.log.records[0])
	return nil
}

// tiles compares every full tile, of which none is missing and none too many.
func (b *bundle) tiles() {
	made := map[string]string{}
	for path, content := range tilesOf(b.log.leaves) {
		if !strings.Contains(path, ".p/") {
			made[path] = string(content)
			if b.file[path] != string(content) {
				b.find(refuse("tree.tile", "%s", path))
			}
		}
	}
	for name := range b.file {
		if _, right := made[name]; strings.HasPrefix(name, "tile/") && !right {
			b.find(refuse("tree.tile-extra", "%s", name))
		}
	}
	b.checked["tiles"] = len(made)
}

// rootOf is the root of the tree of the first entries, where there are so many.
func (b *bundle) rootOf(size int64) (hash, bool) {
	if size > int64(len(b.log.leaves)) {
		return hash{}, false
	}
	return root(b.log.leaves[:size]), true
}

// checkpoints verifies every checkpoint: signature, root, and the size of the one before.
func (b *bundle) checkpoints() {
	log, err := readVkey(b.vkey)
	if err != nil {
		b.find(err)
		return
	}
	previous := int64(0)
	for _, o := range b.rows("checkpoints.jsonl") {
		c, err := openCheckpoint(o.text("note"), log)
		if err != nil {
			b.find(refuse("checkpoints.signature", "%v", err))
			continue
		}
		if top, there := b.rootOf(c.size); !there || top != c.root {
			b.find(refuse("tree.root", "size %d", c.size))
		}
		if o.values["size"] != c.size || o.values["previous"] != previous || c.size <= previous {
			b.find(refuse("checkpoints.previous", "size %d", c.size))
		}
		previous = c.size
		b.checked["checkpoints"]++
	}
	if previous != int64(len(b.log.leaves)) {
		b.find(refuse("checkpoints.missing", "size %d", len(b.log.leaves)))
	}
}

// published verifies what was published: the log's two lines, then each cosigner's.
func (b *bundle) published() {
	keys := []*verifier{}
	for _, text := range texts(b.log.records[0].data.values["log_vkeys"]) {
		v, err := readVkey(text)
		if err != nil {
			b.find(err)
			return
		}
		keys = append(keys, v)
	}
	for _, o := range b.rows("published.jsonl") {
		c, err := openCheckpoint(o.text("note"), keys[0], keys[1:]...)
		if err != nil {
			b.find(refuse("published.signature", "%v", err))
			continue
		}
		if len(c.cosignedAt) != len(keys)-1 || strings.Count(o.text("note"), "\n— ") != len(keys) {
			b.find(refuse("cosignatures.log", "size %d", c.size))
		}
		if o.values["size"] != c.size {
			b.find(refuse("published.size", "size %d", c.size))
		}
		if top, there := b.rootOf(c.size); !there || top != c.root {
			b.find(refuse("published.root", "size %d", c.size))
		}
		b.further(o, c)
		b.checked["published"]++
	}
}

// further verifies the lines that cosigners have given to a published checkpoint.
func (b *bundle) further(o *object, c *checkpoint) {
	list, _ := o.values["cosignatures"].([]any)
	for _, element := range list {
		one, isObject := element.(*object)
		if !isObject {
			b.find(refuse("manifest.line", "published.jsonl"))
			continue
		}
		v, err := readVkey(one.text("vkey"))
		if err != nil {
			b.find(err)
			continue
		}
		given, err := readLine(strings.TrimSuffix(one.text("line"), "\n"))
		at := int64(0)
		if err == nil && given.name == v.name && given.id == v.id {
			at, err = v.holds(c.text, given.raw)
		}
		if err != nil || at == 0 {
			b.find(refuse("cosignatures.signature", "size %d", c.size))
		}
		b.checked["cosignatures"]++
	}
}

// receipts verifies those of the bundle, which copy its checkpoint byte for byte.
func (b *bundle) receipts() {
	log, err := readVkey(b.vkey)
	if err != nil {
		return
	}
	for name, content := range b.file {
		if !strings.HasPrefix(name, "receipts/") {
			continue
		}
		r, err := readReceipt(content)
		if err == nil && r.index >= int64(len(b.log.records)) {
			err = refuse("inclusion.index-beyond-size")
		}
		if err == nil {
			_, err = r.verify(b.log.records[r.index].text, log)
		}
		if err != nil || r.extra != nil || r.checkpoint != b.file["checkpoint"] ||
			name != fmt.Sprintf("receipts/%d.tlog-proof", r.index) {
			b.find(refuse("manifest.receipt", "%s", name))
		}
		b.checked["receipts"]++
	}
	for _, r := range b.log.records {
		shown := r.seq == 0 || strings.HasPrefix(r.kind, "consent.") || r.kind == "subject.randomized.v1" ||
			r.kind == "bag.released.v1" || r.kind == "dossier.issued.v1"
		if _, there := b.file[fmt.Sprintf("receipts/%d.tlog-proof", r.seq)]; shown != there {
			b.find(refuse("manifest.receipt", "entry %d", r.seq))
		}
	}
}

// protocols compares each version of the protocol with the hash that the log names.
func (b *bundle) protocols() {
	stated := map[string]bool{}
	for _, r := range b.log.records {
		if r.kind == "trial.opened.v1" || r.kind == "protocol.amended.v1" {
			text := canonical(r.data.values["protocol"])
			name := "protocol/" + sha256hex(text) + ".json"
			stated[name] = true
			if r.data.text("protocol_sha256") != sha256hex(text) || b.file[name] != text && b.file[name] != text+"\n" {
				b.find(refuse("manifest.protocol", "entry %d", r.seq))
			}
		}
	}
	for name := range b.file {
		if strings.HasPrefix(name, "protocol/") && !stated[name] {
			b.find(refuse("manifest.protocol", "%s", name))
		}
	}
}

// counts compares the manifest's with what was counted.
func (b *bundle) counts() {
	stated := b.manifest.object("counts")
	found := map[string]int{"entries": len(b.log.records), "tiles": b.checked["tiles"],
		"receipts": b.checked["receipts"]}
	for name, member := range map[string]string{"checkpoints": "checkpoints.jsonl",
		"openings": "openings.jsonl", "published": "published.jsonl", "timestamps": "timestamps.jsonl"} {
		found[name] = len(b.rows(member))
	}
	found["cosignatures"] = b.checked["cosignatures"]
	for name, count := range found {
		if stated.values[name] != int64(count) {
			b.find(refuse("manifest.value", "counts.%s: %v, the members hold %d", name, stated.values[name], count))
		}
	}
}

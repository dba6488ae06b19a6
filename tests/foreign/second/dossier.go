package main

import (
	"fmt"
	"strings"
)

// dossier verifies the bundle of one subject; bundle.md, "Dossier".
func (b *bundle) dossier() error {
	log, err := readVkey(b.vkey)
	if err != nil {
		return err
	}
	proven, err := b.proven(log)
	if err != nil {
		return err
	}
	genesis := proven[0]
	if sha256hex(genesis.text) != b.genesis || genesis.seq != 0 {
		return refuse("statements.genesis")
	}
	ledger, err := readJWK(genesis.data.values["statement_key"])
	if err != nil {
		return err
	}
	keys := map[string]*publicKey{}
	ends, shown := map[string]*record{}, 0
	for _, r := range proven {
		if r.kind == "dossier.issued.v1" {
			ends[r.stream] = r
			b.find(b.committed(r, ledger))
			continue
		}
		along, err := brought(r)
		if err != nil {
			return err
		}
		for _, key := range along {
			keys[key.kid] = key
		}
	}
	for name := range b.file {
		if !strings.HasPrefix(name, "streams/") {
			continue
		}
		stream := strings.TrimSuffix(strings.TrimPrefix(name, "streams/"), ".jsonl")
		if ends[stream] == nil {
			b.find(refuse("dossier.commitment", "%s", stream))
			continue
		}
		b.find(b.stream(stream, ends[stream], keys))
		if rows, _ := lines(b.file[name]); b.manifest.object("streams").values[stream] != int64(len(rows)) {
			b.find(refuse("manifest.value", "streams: %s", stream))
		}
		delete(ends, stream)
		shown++
	}
	if len(b.manifest.object("streams").names) != shown {
		b.find(refuse("manifest.value", "streams"))
	}
	b.vkeys(genesis)
	for stream := range ends {
		b.find(refuse("dossier.commitment", "%s without its links", stream))
	}
	b.value("trial", genesis.trial)
	b.value("origin", genesis.data.text("origin"))
	b.value("vkey", b.vkey)
	b.value("genesis_sha256", b.genesis)
	return nil
}

// proven reads the entries that have receipts, and checks each under its own.
func (b *bundle) proven(log *verifier) ([]*record, error) {
	listed, err := lines(b.file["proven.jsonl"])
	if err != nil || len(listed) == 0 {
		return nil, refuse("dossier.unproven")
	}
	c, err := openCheckpoint(b.file["checkpoint"], log)
	if err != nil {
		return nil, err
	}
	b.value("size", c.size)
	b.value("root", hexOf(c.root[:]))
	found := []*record{}
	for _, text := range listed {
		e, err := readEntry(text)
		if err != nil {
			return nil, err
		}
		r, err := readRecord(e, b.types, nil)
		if err != nil {
			return nil, err
		}
		found = append(found, r)
		proof, err := readReceipt(b.file[fmt.Sprintf("receipts/%d.tlog-proof", e.seq)])
		if err == nil {
			_, err = proof.verify(text, log)
		}
		if err != nil || proof.index != e.seq || proof.checkpoint != b.file["checkpoint"] {
			b.find(refuse("dossier.unproven", "entry %d", e.seq))
		}
		b.checked["proven"]++
	}
	return found, nil
}

// committed checks a commitment by itself: signed by the ledger, and continuing the link it names.
func (b *bundle) committed(r *record, ledger *publicKey) error {
	wrong := refuse("dossier.commitment", "entry %d", r.seq)
	if len(r.signed.signatures) != 1 || ledger.verify(r.signed.signatures[0], r.signed.payload) != nil {
		return wrong
	}
	if b.log.commits(r) != nil || r.subject != r.stream {
		return wrong
	}
	return nil
}

// stream checks the links from the first to the committed one.
func (b *bundle) stream(name string, commitment *record, keys map[string]*publicKey) error {
	end := streamEnd{0, zeros}
	disclosed := map[int64][]string{}
	for _, o := range b.rows("openings.jsonl") {
		if o.text("stream") == name {
			seq, _ := o.values["stream_seq"].(int64)
			if number, _ := o.values["number"].(int64); number != int64(len(disclosed[seq])) {
				b.find(refuse("openings.number", "%s %d", name, seq))
			}
			disclosed[seq] = append(disclosed[seq], o.text("disclosure"))
		}
	}
	for _, o := range b.rows("streams/" + name + ".jsonl") {
		if !o.exactly("statement", "stream", "stream_prev", "stream_seq") || o.text("stream") != name {
			return refuse("dossier.link", "%s %d", name, end.count)
		}
		if o.values["stream_seq"] != end.count {
			return refuse("dossier.gap", "%s %d", name, end.count)
		}
		if o.text("stream_prev") != end.hash {
			return refuse("dossier.broken", "%s %d", name, end.count)
		}
		s, err := readStatement(o.text("statement"))
		if err != nil {
			return refuse("dossier.link", "%s %d: %v", name, end.count, err)
		}
		for _, one := range s.signatures {
			if keys[one.kid] == nil || keys[one.kid].verify(one, s.payload) != nil {
				b.find(refuse("dossier.signature", "%s %d", name, end.count))
			}
		}
		if _, _, err := open(s.event.data, disclosed[end.count]); err != nil || s.event.subject != name {
			b.find(refuse("openings.foreign", "%s %d", name, end.count))
		}
		end = streamEnd{end.count + 1, sha256hex(canonical(o))}
		b.checked["links"]++
	}
	if end.count != commitment.streamSeq || end.hash != commitment.streamPrev {
		return refuse("dossier.tail", "%s", name)
	}
	return nil
}

package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

var checkpointSuite = map[string]list{
	"log":        accepted(isNoteKey),
	"witness":    accepted(isNoteKey),
	"ml_dsa_44":  accepted(isMessage),
	"checkpoint": accepted(isCheckpoint),
	"opened":     accepted(opensNote),
	"refused":    refused(opensNote),
	"no_vkeys":   refused(func(_, r row) error { _, err := readVkey(r.text("vkey")); return err }),
}

func isNoteKey(_, r row) error {
	v, err := readVkey(r.text("vkey"))
	if err != nil {
		return err
	}
	key, err := readJWK(r.row("key").value("jwk"))
	if err != nil {
		return err
	}
	return first(fitsSecret(r.row("key")), differs("key", hexOf(v.public), hexOf(key.edwards)))
}

// isMessage makes what the ML-DSA-44 cosignature is over, and verifies it.
func isMessage(file, r row) error {
	v, err := readVkey(r.text("vkey"))
	if err != nil {
		return err
	}
	given := file.row("checkpoint")
	c := &checkpoint{origin: given.text("origin"), size: given.number("size")}
	c.root = hexHash(given.text("root"))
	message := subtree(v.name, r.number("time"), c)
	raw, _ := hex.DecodeString(r.text("signature"))
	altered := append([]byte{}, raw...)
	altered[40] ^= 1
	return first(
		differs("message", hexOf(message), r.text("message")),
		differs("signature", mlDSAHolds(v.public, message, raw), true),
		differs("altered signature", mlDSAHolds(v.public, message, altered), false))
}

func isCheckpoint(file, r row) error {
	c, err := openNote(file, rowsOf(file, "opened")[0].text("note"))
	if err != nil {
		return err
	}
	return first(
		differs("origin", c.origin, r.text("origin")),
		differs("size", c.size, r.number("size")),
		differs("root", hexOf(c.root[:]), r.text("root")))
}

func openNote(file row, text string) (*checkpoint, error) {
	keys := []*verifier{}
	for _, name := range []string{"log", "witness", "ml_dsa_44"} {
		v, err := readVkey(file.row(name).text("vkey"))
		if err != nil {
			return nil, err
		}
		keys = append(keys, v)
	}
	return openCheckpoint(text, keys[0], keys[1:]...)
}

// opensNote opens a note here, and by Go's own library where that must come to the same.
func opensNote(file, r row) error {
	c, err := openNote(file, r.text("note"))
	if err != nil || r["cosigned_at"] == nil {
		return err
	}
	log, err := note.NewVerifier(file.row("log").text("vkey"))
	if err != nil {
		return err
	}
	if _, err := note.Open([]byte(r.text("note")), note.VerifierList(log)); err != nil {
		return fmt.Errorf("Go's own library: %v", err)
	}
	expected := map[string]int64{}
	r.into("cosigned_at", &expected)
	found := map[string]int64{}
	for v, at := range c.cosignedAt {
		for _, name := range []string{"witness", "ml_dsa_44"} {
			known, _ := readVkey(file.row(name).text("vkey"))
			if known.id == v.id {
				found[file.row(name).text("vkey")] = at
			}
		}
	}
	return differs("cosigned_at", fmt.Sprint(found), fmt.Sprint(expected))
}

var receiptSuite = map[string]list{
	"vkey":     accepted(func(_, r row) error { _, err := readVkey(r.text(unnamed)); return err }),
	"accepted": accepted(proves),
	"refused":  refused(proves),
}

func proves(file, r row) error {
	log, err := readVkey(file.text("vkey"))
	if err != nil {
		return err
	}
	read, err := readReceipt(r.text("receipt"))
	if err != nil {
		return err
	}
	c, err := read.verify(r.text("entry"), log)
	if err != nil || r["index"] == nil {
		return err
	}
	return first(
		differs("index", read.index, r.number("index")), differs("size", c.size, r.number("size")))
}

var policySuite = map[string]list{
	"accepted": accepted(isPolicy),
	"refused":  refused(func(_, r row) error { _, err := readPolicy(r.text("policy")); return err }),
}

func isPolicy(_, r row) error {
	p, err := readPolicy(r.text("policy"))
	if err != nil {
		return err
	}
	for _, judged := range []struct {
		list string
		met  bool
	}{{"met_by", true}, {"not_met_by", false}} {
		var sets []json.RawMessage
		r.into(judged.list, &sets)
		for _, raw := range sets {
			by := map[string]bool{}
			for _, name := range namesIn(raw) {
				by[name] = true
			}
			if err := differs(string(raw), p.met(by), judged.met); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesIn are the names of one set of witnesses: a list, or a text of one letter each.
func namesIn(raw json.RawMessage) (names []string) {
	if json.Unmarshal(raw, &names) == nil {
		return names
	}
	text := ""
	json.Unmarshal(raw, &text)
	for _, letter := range text {
		names = append(names, string(letter))
	}
	return names
}

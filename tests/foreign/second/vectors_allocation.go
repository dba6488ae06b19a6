package main

import (
	"encoding/hex"
	"fmt"
	"strings"
)

var allocationSuite = map[string]list{
	"lists":      accepted(isDrawn),
	"refused":    refused(isOpening),
	"no_designs": refused(func(_, r row) error { _, err := readDesign(r.object("design")); return err }),
}

// isDrawn draws a list from design and seed, and compares all that is committed and opened.
func isDrawn(_, r row) error {
	d, err := readDesign(r.object("design"))
	if err != nil {
		return err
	}
	seed, _ := hex.DecodeString(r.text("seed"))
	for _, stratum := range d.strata {
		shown := []string{}
		for _, block := range d.draw(seed, stratum) {
			shown = append(shown, strings.Join(block, " "))
		}
		expected := r.row("blocks").texts(stratum)
		if err := differs(stratum, fmt.Sprintf("%q", shown), fmt.Sprintf("%q", expected)); err != nil {
			return err
		}
	}
	texts, strata := d.leaves(seed)
	leaves := []hash{}
	for _, text := range texts {
		leaves = append(leaves, leaf([]byte(text)))
	}
	top := root(leaves)
	if err := first(
		differs("list_root", hexOf(top[:]), r.text("list_root")),
		differs("strata", canonical(strata), canonical(r.value("strata"))),
		differs("total_slots", int64(len(texts)), r.number("total_slots"))); err != nil {
		return err
	}
	for _, opening := range rowsOf(r, "openings") {
		index := opening.number("index")
		if err := first(
			differs("leaf", texts[index], opening.text("leaf")),
			differs("path", fmt.Sprint(inclusionPath(leaves, int(index))),
				fmt.Sprint(hexHashes(opening.texts("path")))),
			opensSlot(r, slotOf(opening), opening.value("path"))); err != nil {
			return err
		}
	}
	return nil
}

// slotOf is the slot that a leaf's text shows.
func slotOf(opening row) *object {
	slot, err := readObject([]byte(opening.text("leaf")), usual)
	if err != nil {
		panic(err)
	}
	return slot
}

// opensSlot checks an opened slot against the commitment of a list.
func opensSlot(r row, slot *object, path any) error {
	sealed := newObject()
	sealed.set("algorithm", r.object("design").text("algorithm"))
	for _, name := range []string{"strata", "total_slots", "list_root"} {
		sealed.set(name, r.value(name))
	}
	c, err := readCommitment(sealed)
	if err != nil {
		return differs("commitment", err.Error(), "sound")
	}
	return c.open(slot, path)
}

func isOpening(file, r row) error {
	for _, listed := range rowsOf(file, "lists") {
		if listed.text("name") == r.text("list") {
			return opensSlot(listed, r.object("slot"), r.value("path"))
		}
	}
	return differs("list", "unknown", r.text("list"))
}

package main

import (
	"encoding/hex"
	"strings"
	"time"
)

// placed is a slot of a stratum.
type placed struct {
	stratum string
	slot    int64
}

// allocating is what the allocations so far have made of the sealed list.
type allocating struct {
	sealed   *commitment
	planned  planning
	taken    map[placed]bool
	subjects map[string]bool
	arms     map[placed]string
}

// allocations checks every allocation against the sealed list; allocation-list.md, section 4.
func (w *wholeLog) allocations() error {
	a := &allocating{taken: map[placed]bool{}, subjects: map[string]bool{}, arms: map[placed]string{}}
	decided := newDecisions()
	for _, r := range w.records {
		for _, done := range decided.next(r) {
			if err := a.next(done); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *allocating) next(r *record) error {
	switch r.kind {
	case "trial.opened.v1", "protocol.amended.v1":
		a.planned.next(r)
	case "randomization-list.sealed.v1":
		c, err := readCommitment(r.data)
		if err != nil || len(a.subjects) > 0 {
			return refuse("allocation.list", "entry %d", r.seq)
		}
		a.sealed = c
	case "randomization.recorded.v1":
		if slot, ok := r.data.values["slot"].(int64); ok {
			at := placed{r.data.text("stratum"), slot}
			a.taken[at], a.arms[at] = true, r.opened.text("arm")
		}
		return a.counts(r, r.event.at)
	case "subject.randomized.v1":
		if a.sealed == nil {
			return refuse("allocation.list", "entry %d", r.seq)
		}
		recorded, _ := time.Parse(utc, r.recordedAt)
		return first(a.takes(r), a.counts(r, recorded))
	case "allocation.revealed.v1":
		return a.compares(r)
	}
	return nil
}

// counts sees that a subject is allocated once, and not more of them than were planned then.
func (a *allocating) counts(r *record, at time.Time) error {
	_, subject := family(r.subject)
	if a.subjects[subject] {
		return refuse("allocation.subject", "entry %d", r.seq)
	}
	a.subjects[subject] = true
	if planned, stated := a.planned.at(at); stated && int64(len(a.subjects)) > planned {
		return refuse("allocation.number", "entry %d", r.seq)
	}
	return nil
}

// takes checks one allocation: the next slot of its stratum, and the path to the sealed root.
func (a *allocating) takes(r *record) error {
	stratum := r.data.text("stratum")
	slot, _ := r.data.values["slot"].(int64)
	next := int64(1)
	for a.taken[placed{stratum, next}] {
		next++
	}
	if slot != next || !a.sealed.hasSlot(stratum, slot) {
		return refuse("allocation.slot", "entry %d", r.seq)
	}
	a.taken[placed{stratum, slot}] = true
	if r.data.text("list_root") != hexOf(a.sealed.root[:]) {
		return refuse("allocation.opening", "entry %d", r.seq)
	}
	if !r.opened.has("arm") || !r.opened.has("slot_salt") {
		return nil
	}
	a.arms[placed{stratum, slot}] = r.opened.text("arm")
	shown := newObject()
	shown.set("arm", r.opened.values["arm"])
	shown.set("salt", r.opened.values["slot_salt"])
	shown.set("slot", slot)
	shown.set("stratum", stratum)
	if err := a.sealed.open(shown, r.data.values["path"]); err != nil {
		return refuse("allocation.opening", "entry %d: %v", r.seq, err)
	}
	return nil
}

// compares draws the list that was revealed; allocation-list.md, section 6.
func (a *allocating) compares(r *record) error {
	shown, ratio := clone(r.data).(*object), newObject()
	shares, _ := r.data.values["ratio"].([]any)
	for _, one := range shares {
		if row, isObject := one.(*object); isObject {
			ratio.set(row.text("arm"), row.values["share"])
		}
	}
	shown.set("ratio", ratio)
	d, err := readDesign(shown)
	seed, wrong := hex.DecodeString(r.data.text("seed"))
	if err != nil || wrong != nil || len(seed) != 32 || a.sealed == nil {
		return refuse("allocation.reveal", "entry %d: %v", r.seq, err)
	}
	texts, _ := d.leaves(seed)
	leaves := []hash{}
	for _, text := range texts {
		leaves = append(leaves, leaf([]byte(text)))
	}
	if root(leaves) != a.sealed.root || r.data.text("list_root") != hexOf(a.sealed.root[:]) {
		return refuse("allocation.reveal", "entry %d: another list", r.seq)
	}
	for at, arm := range a.arms {
		drawn := strings.Fields(strings.Join(joined(d.draw(seed, at.stratum)), " "))
		if arm != "" && (at.slot < 1 || at.slot > int64(len(drawn)) || drawn[at.slot-1] != arm) {
			return refuse("allocation.reveal", "%s, slot %d", at.stratum, at.slot)
		}
	}
	return nil
}

// joined are the arms of each block in a line.
func joined(blocks [][]string) []string {
	lines := []string{}
	for _, block := range blocks {
		lines = append(lines, strings.Join(block, " "))
	}
	return lines
}

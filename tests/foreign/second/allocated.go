package main

// allocations checks every allocation against the sealed list; allocation-list.md, section 4.
func (w *wholeLog) allocations() error {
	var sealed *commitment
	taken, subjects := map[string]map[int64]bool{}, map[string]bool{}
	decided, planned := newDecisions(), int64(0)
	for _, r := range w.records {
		for _, done := range decided.next(r) {
			switch done.kind {
			case "trial.opened.v1", "protocol.amended.v1":
				planned, _ = done.data.object("protocol").values["planned_number"].(int64)
			case "randomization-list.sealed.v1":
				c, err := readCommitment(done.data)
				if err != nil || len(subjects) > 0 {
					return refuse("allocation.list", "entry %d", done.seq)
				}
				sealed = c
			case "randomization.recorded.v1":
				if slot, ok := done.data.values["slot"].(int64); ok {
					mark(taken, done.data.text("stratum"), slot)
				}
			case "subject.randomized.v1":
				if sealed == nil {
					return refuse("allocation.list", "entry %d", done.seq)
				}
				if err := sealed.takes(done, taken); err != nil {
					return err
				}
				if subjects[done.subject] {
					return refuse("allocation.subject", "entry %d", done.seq)
				}
				subjects[done.subject] = true
				if planned > 0 && int64(len(subjects)) > planned {
					return refuse("allocation.number", "entry %d", done.seq)
				}
			}
		}
	}
	return nil
}

func mark(taken map[string]map[int64]bool, stratum string, slot int64) {
	if taken[stratum] == nil {
		taken[stratum] = map[int64]bool{}
	}
	taken[stratum][slot] = true
}

// takes checks one allocation: the next slot of its stratum, and the path to the sealed root.
func (c *commitment) takes(r *record, taken map[string]map[int64]bool) error {
	stratum := r.data.text("stratum")
	slot, _ := r.data.values["slot"].(int64)
	next := int64(1)
	for taken[stratum][next] {
		next++
	}
	if slot != next || !c.hasSlot(stratum, slot) {
		return refuse("allocation.slot", "entry %d", r.seq)
	}
	mark(taken, stratum, slot)
	if r.data.text("list_root") != hexOf(c.root[:]) {
		return refuse("allocation.opening", "entry %d", r.seq)
	}
	if !r.opened.has("arm") || !r.opened.has("slot_salt") {
		return nil
	}
	shown := newObject()
	shown.set("arm", r.opened.values["arm"])
	shown.set("salt", r.opened.values["slot_salt"])
	shown.set("slot", slot)
	shown.set("stratum", stratum)
	if err := c.open(shown, r.data.values["path"]); err != nil {
		return refuse("allocation.opening", "entry %d: %v", r.seq, err)
	}
	return nil
}

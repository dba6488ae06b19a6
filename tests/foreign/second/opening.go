package main

import "encoding/hex"

// commitment is what is sealed of a list; allocation-list.md, sections 3 and 4.
type commitment struct {
	root   hash
	total  int64
	before map[string]int64
	slots  map[string]int64
}

func readCommitment(o *object) (*commitment, error) {
	malformed := refuse("allocation.commitment-malformed")
	if name := o.text("algorithm"); name != permuted && name != simply {
		return nil, refuse("allocation.algorithm-unknown")
	}
	c := &commitment{before: map[string]int64{}, slots: map[string]int64{}}
	list, _ := o.values["strata"].([]any)
	for _, value := range list {
		row, isObject := value.(*object)
		if !isObject || !row.exactly("stratum", "slots") {
			return nil, malformed
		}
		name := row.text("stratum")
		slots, ok := positive(row.values["slots"])
		if _, twice := c.slots[name]; twice || !ok || name == "" {
			return nil, malformed
		}
		c.before[name], c.slots[name] = c.total, slots
		c.total += slots
	}
	stated, _ := o.values["total_slots"].(int64)
	if stated != c.total || c.total > mostSlots || !isHex64(o.text("list_root")) {
		return nil, malformed
	}
	hex.Decode(c.root[:], []byte(o.text("list_root")))
	return c, nil
}

// hasSlot says whether the stratum has a slot of this number.
func (c *commitment) hasSlot(stratum string, slot int64) bool {
	return slot >= 1 && slot <= c.slots[stratum]
}

// open checks one opened slot.
func (c *commitment) open(slot *object, path any) error {
	malformed := refuse("allocation.opening-malformed")
	number, ok := slot.values["slot"].(int64)
	if !ok || !isHex64(slot.text("salt")) || !isWord(slot.text("arm")) {
		return malformed
	}
	if !c.hasSlot(slot.text("stratum"), number) {
		return refuse("allocation.no-such-slot")
	}
	steps, isList := path.([]any)
	if !isList {
		return malformed
	}
	hashes := make([]hash, len(steps))
	for i, step := range steps {
		text, _ := step.(string)
		if !isHex64(text) {
			return malformed
		}
		hex.Decode(hashes[i][:], []byte(text))
	}
	text := slotLeaf(slot.text("arm"), slot.text("salt"), slot.text("stratum"), number)
	index := c.before[slot.text("stratum")] + number - 1
	if included(leaf([]byte(text)), index, c.total, hashes, c.root) != nil {
		return refuse("allocation.slot-not-in-list")
	}
	return nil
}

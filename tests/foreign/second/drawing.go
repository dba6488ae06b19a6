package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
)

// mac is HMAC-SHA256 over lines; allocation-list.md, section 2.
func mac(seed []byte, lines ...string) []byte {
	m := hmac.New(sha256.New, seed)
	m.Write([]byte(strings.Join(lines, "\n")))
	return m.Sum(nil)
}

// words is a stratum's stream of 32-bit words.
type words struct {
	seed               []byte
	algorithm, stratum string
	taken              int
	block              []byte
}

func (w *words) next() uint64 {
	if w.taken%8 == 0 {
		w.block = mac(w.seed, w.algorithm, "draw", w.stratum, strconv.Itoa(w.taken/8))
	}
	at := w.taken % 8 * 4
	w.taken++
	return uint64(binary.BigEndian.Uint32(w.block[at:]))
}

// below draws an integer below the bound.
func (w *words) below(bound int) int {
	const all = 1 << 32
	for {
		if word := w.next(); word < all-all%uint64(bound) {
			return int(word % uint64(bound))
		}
	}
}

// layOut lists the arms in the order of their bytes, each this many times for a share of one.
func (d *design) layOut(times int64) (arms []string) {
	for _, arm := range d.arms {
		for n := d.ratio[arm] * times; n > 0; n-- {
			arms = append(arms, arm)
		}
	}
	return arms
}

// draw gives the blocks of a stratum; without blocks each slot stands alone.
func (d *design) draw(seed []byte, stratum string) [][]string {
	source := &words{seed: seed, algorithm: d.algorithm, stratum: stratum}
	drawn := [][]string{}
	if d.algorithm == simply {
		for arms := d.layOut(1); int64(len(drawn)) < d.planned; {
			drawn = append(drawn, []string{arms[source.below(len(arms))]})
		}
		return drawn
	}
	for slots := int64(0); slots < d.planned; {
		size := d.blocks[source.below(len(d.blocks))]
		block := d.layOut(size / d.sum)
		for i := len(block) - 1; i >= 1; i-- {
			j := source.below(i + 1)
			block[i], block[j] = block[j], block[i]
		}
		drawn = append(drawn, block)
		slots += size
	}
	return drawn
}

// slotLeaf is the text of a slot in the commitment; section 3.
func slotLeaf(arm, salt, stratum string, slot int64) string {
	o := newObject()
	o.set("arm", arm)
	o.set("salt", salt)
	o.set("slot", slot)
	o.set("stratum", stratum)
	return canonical(o)
}

// drawnRoot is the root of the list that a design in JSON and a hexadecimal seed give.
func drawnRoot(text, seed string) (string, error) {
	o, err := readObject([]byte(text), usual)
	if err != nil {
		return "", err
	}
	d, err := readDesign(o)
	if err != nil {
		return "", err
	}
	key, err := hex.DecodeString(seed)
	if err != nil {
		return "", err
	}
	listed, _ := d.leaves(key)
	hashes := []hash{}
	for _, one := range listed {
		hashes = append(hashes, leaf([]byte(one)))
	}
	top := root(hashes)
	return hexOf(top[:]), nil
}

// leaves are those of the whole list in its order, and the slots of each stratum.
func (d *design) leaves(seed []byte) (texts []string, commitment []any) {
	for _, stratum := range d.strata {
		slot := int64(0)
		for _, block := range d.draw(seed, stratum) {
			for _, arm := range block {
				slot++
				salt := hexOf(mac(seed, d.algorithm, "salt", stratum, strconv.FormatInt(slot, 10)))
				texts = append(texts, slotLeaf(arm, salt, stratum, slot))
			}
		}
		row := newObject()
		row.set("stratum", stratum)
		row.set("slots", slot)
		commitment = append(commitment, row)
	}
	return texts, commitment
}

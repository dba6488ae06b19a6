package main

import (
	"sort"
	"strings"
)

// The two ways to draw a list.
const (
	permuted = "permuted-blocks-hmac-sha256.v1"
	simply   = "simple-hmac-sha256.v1"
)

// design is what a list is drawn by; allocation-list.md, section 1.
type design struct {
	algorithm     string
	blocks        []int64
	planned       int64
	ratio         map[string]int64
	arms, strata  []string
	sum, greatest int64
}

const (
	wordForm   = `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`
	factorForm = wordForm + `=` + wordForm
	mostSlots  = 100_000
)

var (
	isWord    = whole(wordForm)
	isStratum = whole(`all|` + factorForm + `(?:,` + factorForm + `)*`)
)

func positive(value any) (int64, bool) {
	n, isInteger := value.(int64)
	return n, isInteger && n >= 1
}

func readDesign(o *object) (*design, error) {
	d := &design{algorithm: o.text("algorithm"), ratio: map[string]int64{}}
	if d.algorithm != permuted && d.algorithm != simply {
		return nil, refuse("allocation.algorithm-unknown")
	}
	ratio := o.object("ratio")
	for _, arm := range ratio.names {
		share, ok := positive(ratio.values[arm])
		if !ok || !isWord(arm) {
			return nil, refuse("allocation.ratio")
		}
		d.ratio[arm], d.sum = share, d.sum+share
		d.arms = append(d.arms, arm)
	}
	if sort.Strings(d.arms); len(d.arms) == 0 {
		return nil, refuse("allocation.ratio")
	}
	sizes, _ := o.values["block_sizes"].([]any)
	for _, value := range sizes {
		size, ok := positive(value)
		if !ok || size%d.sum != 0 {
			return nil, refuse("allocation.block-size")
		}
		if d.blocks = append(d.blocks, size); size > d.greatest {
			d.greatest = size
		}
	}
	if (len(d.blocks) == 0) != (d.algorithm == simply) {
		return nil, refuse("allocation.block-size")
	}
	if d.algorithm == simply {
		d.greatest = 1
	}
	return d, d.readStrata(o)
}

func (d *design) readStrata(o *object) error {
	list, _ := o.values["strata"].([]any)
	for _, value := range list {
		name, isText := value.(string)
		if !isText || len(name) > 1024 || !isStratum(name) || contains(d.strata, name) {
			return refuse("allocation.strata", "%s", strings.ToValidUTF8(name, "?"))
		}
		d.strata = append(d.strata, name)
	}
	if len(d.strata) == 0 {
		return refuse("allocation.strata")
	}
	planned, ok := positive(o.values["planned_number"])
	if !ok {
		return refuse("allocation.planned-number")
	}
	d.planned = planned
	if int64(len(d.strata))*(planned+d.greatest-1) > mostSlots {
		return refuse("allocation.list-too-long")
	}
	return nil
}

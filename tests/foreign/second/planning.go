package main

import "time"

// amended is a number that a protocol states, and since when it is in force.
type amended struct {
	since  time.Time
	number int64
}

// planning is how many subjects the protocols plan; allocation-list.md, section 4.
type planning struct {
	first  int64
	stated bool
	later  []amended
}

// next takes in entry 0, or an amendment that took effect.
func (p *planning) next(r *record) {
	protocol := r.data.object("protocol")
	if inner, isObject := protocol.values["protocol"].(*object); isObject {
		protocol = inner
	}
	number, isInteger := protocol.values["planned_number"].(int64)
	if !isInteger {
		return
	}
	if r.seq == 0 {
		p.first, p.stated = number, true
		return
	}
	since, err := r.event.at, error(nil)
	if r.data.has("effective_from") {
		since, err = instant(r.data.text("effective_from"))
	}
	if err == nil {
		p.later = append(p.later, amended{since, number})
	}
}

// at is the number in force at an instant, and whether any protocol states one.
func (p *planning) at(moment time.Time) (int64, bool) {
	number, stated, latest := p.first, p.stated, time.Time{}
	for _, one := range p.later {
		if !one.since.After(moment) && !one.since.Before(latest) {
			number, stated, latest = one.number, true, one.since
		}
	}
	return number, stated
}

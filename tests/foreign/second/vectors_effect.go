package main

import (
	"fmt"
	"sort"
)

var effectSuite = map[string]list{"folds": accepted(isFolded)}

// isFolded folds a history, and compares what stands in the end, in order of occurrence.
func isFolded(_, r row) error {
	f, places := newFold(), map[string]int64{}
	for i, told := range r.value("events").([]any) {
		o := told.(*object)
		data := o.object("data")
		places[o.text("id")] = int64(i)
		f.next(&record{entry: &entry{seq: int64(i)}, opened: data, as: &eventType{kind: o.text("kind")},
			event: &event{id: o.text("id"), kind: o.text("type"), time: o.text("time"), data: data}})
	}
	sort.SliceStable(f.order, func(i, j int) bool { return f.order[i].isBefore(f.order[j]) })
	shown := []any{}
	for _, s := range f.order {
		by := []any{}
		for _, seq := range s.signedBy {
			by = append(by, seq)
		}
		one := newObject()
		one.set("event", s.seq)
		one.set("data", s.says.values["data"])
		one.set("time", s.says.text("time"))
		one.set("void", s.void)
		one.set("signed_by", by)
		shown = append(shown, one)
	}
	return first(
		differs("in_effect", canonical(shown), canonical(r.value("in_effect"))),
		differs("accepted", fmt.Sprint(f.decided.accepted), fmt.Sprint(r.numbers("accepted"))),
		differs("refused", fmt.Sprint(f.decided.refused), fmt.Sprint(r.numbers("refused"))))
}

// isBefore orders by instant, then by position; effect.md, "Order".
func (s *standing) isBefore(other *standing) bool {
	at, _ := instant(s.says.text("time"))
	its, _ := instant(other.says.text("time"))
	if at.Equal(its) {
		return s.seq < other.seq
	}
	return at.Before(its)
}

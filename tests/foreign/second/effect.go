package main

// standing is a record in effect with what later ones have made of it; effect.md, "What a record says".
type standing struct {
	*record
	// says is an object of `data` and `time`.
	says     *object
	void     bool
	voidedAt int64
	signedBy []int64
}

// fold is what the log says after some of its entries.
type fold struct {
	decided *decisions
	held    *register
	stands  map[string]*standing
	order   []*standing
}

func newFold() *fold {
	return &fold{decided: newDecisions(), held: newRegister(), stands: map[string]*standing{}}
}

// folded folds these records and no others.
func folded(records []*record) *fold {
	f := newFold()
	for _, r := range records {
		f.next(r)
	}
	return f
}

// next goes on by one record, and tells what the register could not understand.
func (f *fold) next(r *record) error {
	var wrong error
	for _, inEffect := range f.decided.next(r) {
		wrong = first(wrong, f.held.apply(inEffect))
		f.take(inEffect, r.seq)
	}
	return wrong
}

// take lets a record take effect with the entry at a position.
func (f *fold) take(r *record, at int64) {
	says := newObject()
	says.set("data", clone(r.opened))
	says.set("time", r.event.time)
	s := &standing{record: r, says: says}
	f.stands[r.id] = s
	f.order = append(f.order, s)
	target, known := f.stands[r.opened.text("target")]
	if !known {
		return
	}
	before := target.says.text("time")
	switch r.kind {
	case "data.corrected.v1":
		for _, list := range []string{"changes", "identity_changes", "text_changes"} {
			changes, _ := r.opened.values[list].([]any)
			for _, change := range changes {
				if o, isObject := change.(*object); isObject {
					target.change(o.text("pointer"), o.values["new"])
				}
			}
		}
		if _, err := instant(target.says.text("time")); err != nil {
			target.says.set("time", before)
		}
	case "data.voided.v1":
		if !target.void {
			target.void, target.voidedAt = true, at
		}
	case "record.signed.v1":
		target.signedBy = append(target.signedBy, r.seq)
	}
}

// clone copies a value, so that a correction changes no other record.
func clone(value any) any {
	switch v := value.(type) {
	case []any:
		copied := make([]any, len(v))
		for i := range v {
			copied[i] = clone(v[i])
		}
		return copied
	case *object:
		copied := newObject()
		for _, name := range v.names {
			copied.set(name, clone(v.values[name]))
		}
		return copied
	}
	return value
}

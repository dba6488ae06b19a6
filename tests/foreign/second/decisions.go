package main

// decisions tells what takes effect with each entry; effect.md, "Results".
type decisions struct {
	waiting           map[string]*record
	accepted, refused []int64
}

func newDecisions() *decisions { return &decisions{waiting: map[string]*record{}} }

// answers are the typed results that answer one type of request only.
var answers = map[string]string{
	"subject.randomized.v1":  "subject.randomization-requested.v1",
	"bag.released.v1":        "bag.release-requested.v1",
	"allocation.revealed.v1": "allocation.reveal-requested.v1",
}

// fits says whether a result of this type may answer a command of that type.
func fits(result, command string) bool {
	if own, typed := answers[result]; typed {
		return own == command
	}
	if result == "command.accepted.v1" {
		for _, own := range answers {
			if own == command {
				return false
			}
		}
	}
	return true
}

// next gives the records that take effect with this one, in order.
func (d *decisions) next(r *record) []*record {
	switch r.typed() {
	case "command":
		d.waiting[r.id] = r
		return nil
	case "result":
	default:
		return []*record{r}
	}
	typed := r.kind != "command.accepted.v1" && r.kind != "command.refused.v1"
	id := r.data.object("request").text("id")
	command, isWaiting := d.waiting[id]
	if !isWaiting && typed {
		return []*record{r}
	}
	if !isWaiting {
		return nil
	}
	delete(d.waiting, id)
	if r.kind == "command.refused.v1" {
		d.refused = append(d.refused, command.seq)
		return nil
	}
	d.accepted = append(d.accepted, command.seq)
	if !typed {
		return []*record{command}
	}
	return []*record{command, r}
}

package main

import "encoding/json"

// value, keyState and the others are the rows of what-stands.json.
type value struct {
	After   int    `json:"after"`
	Record  int    `json:"record"`
	Pointer string `json:"pointer"`
	Value   any    `json:"value"`
}

type voided struct {
	Record int64 `json:"record"`
	After  int64 `json:"after"`
}

type signedRow struct {
	Record int64 `json:"record"`
	By     int64 `json:"by"`
	After  int64 `json:"after"`
}

type keyState struct {
	Owner   string `json:"owner"`
	InForce []int  `json:"in_force_after"`
	Revoked []int  `json:"revoked_after"`
}

type lacking struct {
	Entry int64    `json:"entry"`
	Rules []string `json:"rules"`
}

type whatStands struct {
	Size     int         `json:"size"`
	Accepted []int64     `json:"accepted"`
	Refused  []int64     `json:"refused"`
	Values   []value     `json:"values"`
	Voided   []voided    `json:"voided"`
	Signed   []signedRow `json:"signed"`
	Keys     []keyState  `json:"keys"`
	Lacks    []lacking   `json:"lacks"`
	Doubtful []int64     `json:"doubtful"`
	Findings []string    `json:"findings"`
}

// stands answers what the file asks: which values and keys, after which entries.
func (w *wholeLog) stands(file string) (*whatStands, error) {
	asked := whatStands{}
	if err := json.Unmarshal([]byte(file), &asked); err != nil {
		return nil, err
	}
	end := folded(w.records)
	said := &whatStands{Size: len(w.records), Accepted: end.decided.accepted,
		Refused: end.decided.refused, Findings: w.findings, Voided: []voided{}, Signed: []signedRow{},
		Lacks: w.lacks, Doubtful: w.doubtful(end.held)}
	for _, q := range asked.Values {
		q.Value = nil
		if s := folded(w.records[:q.After+1]).stands[w.records[q.Record].id]; s != nil {
			q.Value = s.at(q.Pointer)
		}
		said.Values = append(said.Values, q)
	}
	for _, s := range end.order {
		if s.void {
			said.Voided = append(said.Voided, voided{s.seq, s.voidedAt})
		}
		for _, by := range s.signedBy {
			said.Signed = append(said.Signed, signedRow{s.seq, by, by})
		}
	}
	for _, q := range asked.Keys {
		said.Keys = append(said.Keys, w.keyState(q))
	}
	return said, nil
}

// doubtful are the entries that a key signed in doubt; authority.md, "Keys in doubt".
func (w *wholeLog) doubtful(held *register) []int64 {
	found := []int64{}
	for _, r := range w.records {
		for _, s := range r.signed.signatures {
			key := held.keys[s.kid]
			if key != nil && key.revoked && !key.doubtedFrom.IsZero() && r.seq < key.revokedAt &&
				r.recordedAt >= key.doubtedFrom.Format(utc) {
				found = append(found, r.seq)
				break
			}
		}
	}
	return found
}

// keyState sorts the positions asked by whether a key of the owner is in force after them.
func (w *wholeLog) keyState(asked keyState) keyState {
	said := keyState{asked.Owner, []int{}, []int{}}
	for _, after := range append(asked.InForce, asked.Revoked...) {
		for _, key := range folded(w.records[:after+1]).held.keys {
			if key.owner != asked.Owner {
				continue
			}
			if key.revoked {
				said.Revoked = append(said.Revoked, after)
			} else {
				said.InForce = append(said.InForce, after)
			}
		}
	}
	return said
}

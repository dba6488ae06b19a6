package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// wholeLog is a log as read, and what was found wrong with it.
type wholeLog struct {
	records  []*record
	leaves   []hash
	findings []string
	lacks    []lacking
}

func (w *wholeLog) find(err error) {
	if err != nil {
		w.findings = append(w.findings, err.Error())
	}
}

// lines are the lines of a file, each of which ends with a line feed.
func lines(content string) ([]string, error) {
	if content == "" {
		return nil, nil
	}
	if !strings.HasSuffix(content, "\n") {
		return nil, fmt.Errorf("the last line has no line feed")
	}
	return strings.Split(strings.TrimSuffix(content, "\n"), "\n"), nil
}

// readOpenings gives the disclosures of each entry, in their order.
func readOpenings(content string) (map[int64][]string, error) {
	rows, err := lines(content)
	found := map[int64][]string{}
	for _, text := range rows {
		o, err := readObject([]byte(text), usual)
		if err != nil {
			return nil, err
		}
		seq, _ := o.values["seq"].(int64)
		if number, _ := o.values["number"].(int64); number != int64(len(found[seq])) {
			return nil, refuse("openings.number", "entry %d", seq)
		}
		found[seq] = append(found[seq], o.text("disclosure"))
	}
	return found, err
}

// verifyEntries reads and checks entries from the first on: bytes, chains, signatures, authority.
func verifyEntries(content, openings string, types map[string]*eventType) (*wholeLog, error) {
	disclosed, err := readOpenings(openings)
	if err != nil {
		return nil, err
	}
	rows, err := lines(content)
	if err != nil {
		return nil, err
	}
	w := &wholeLog{findings: []string{}, lacks: []lacking{}}
	end, f, byID := newChain(), newFold(), map[string]*record{}
	for _, text := range rows {
		w.leaves = append(w.leaves, leaf([]byte(text)))
		e, err := readEntry(text)
		if err != nil {
			return nil, err
		}
		w.find(end.check(e))
		end.append(e)
		r, err := readRecord(e, types, disclosed[e.seq])
		if err != nil && len(disclosed[e.seq]) > 0 {
			w.find(refuse("openings.foreign", "entry %d: %v", e.seq, err))
			r, err = readRecord(e, types, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d: %v", e.seq, err)
		}
		w.judge(r, f, byID)
		w.records = append(w.records, r)
		w.find(f.next(r))
	}
	w.judgeLast()
	w.find(w.allocations())
	return w, nil
}

// judge checks one record against all before it.
func (w *wholeLog) judge(r *record, f *fold, byID map[string]*record) {
	signers, err := f.held.authentic(r)
	w.find(err)
	switch {
	case r.subject != r.stream,
		len(w.records) > 0 && r.trial != w.records[0].trial,
		(r.kind == "trial.opened.v1") != (r.seq == 0):
		w.find(refuse("statements.trial", "entry %d", r.seq))
	case byID[r.id] != nil:
		w.find(refuse("event.id-conflict", "entry %d", r.seq))
	}
	w.find(inPlace(r, byID))
	byID[r.id] = r
	if len(w.records) > 0 {
		w.judgeResult(w.records[len(w.records)-1], r)
	}
	if r.as == nil {
		w.find(refuse("authority.type", "entry %d", r.seq))
	} else if r.seq > 0 && err == nil {
		w.judgeLacks(r, f.held.lacks(r, signers))
	}
}

// judgeLacks reports what may not be recorded with a lack; a command only once it was accepted.
func (w *wholeLog) judgeLacks(r *record, rules []string) {
	if len(rules) == 0 {
		return
	}
	w.lacks = append(w.lacks, lacking{r.seq, rules})
	all := strings.Join(rules, " ")
	switch {
	case contains(rules, "AU-01"), contains(rules, "AU-06"):
		w.find(refuse("authority.stranger", "entry %d: %s", r.seq, all))
	case r.typed() == "command":
		r.lack = all
	case r.typed() == "judgement", r.typed() == "result":
		w.find(refuse("authority.not-entitled", "entry %d: %s", r.seq, all))
	}
}

func (w *wholeLog) judgeResult(before, r *record) {
	switch {
	case before.typed() == "command":
		w.find(isResult(r, before))
		if r.kind == "command.refused.v1" {
			w.find(names(r, before))
		}
		if before.lack != "" && r.kind != "command.refused.v1" {
			w.find(refuse("authority.not-entitled", "entry %d: %s", before.seq, before.lack))
		}
	case r.typed() == "result" && r.kind != "dossier.issued.v1":
		w.find(refuse("statements.result", "entry %d", r.seq))
	case r.kind == "dossier.issued.v1":
		w.find(w.commits(r))
	}
}

// names sees that a refusal names the rules of authority that its command does not meet.
func names(refusal, command *record) error {
	named := []string{}
	list, _ := refusal.data.values["rules"].([]any)
	for _, element := range list {
		if rule, isObject := element.(*object); isObject && strings.HasPrefix(rule.text("id"), "AU-") {
			named = append(named, rule.text("id"))
		}
	}
	if said := strings.Join(named, " "); said != command.lack {
		return fmt.Errorf("entry %d: refused for %q, lacking is %q", command.seq, said, command.lack)
	}
	return nil
}

// judgeLast sees that the last command has its result.
func (w *wholeLog) judgeLast() {
	if n := len(w.records); n > 0 && w.records[n-1].typed() == "command" {
		w.find(refuse("statements.unanswered", "entry %d", n-1))
	}
}

// commits checks a commitment to a stream; entry.md, "The commitment to a stream".
func (w *wholeLog) commits(r *record) error {
	seq, _ := r.data.values["stream_seq"].(int64)
	if r.data.text("stream") != r.stream || seq != r.streamSeq-1 || r.data.text("link") != r.streamPrev {
		return refuse("streams.commitment", "entry %d", r.seq)
	}
	return nil
}

// under checks the log against its root of trust and its last checkpoint.
func (w *wholeLog) under(key, genesis, message string) error {
	log, err := readVkey(key)
	if err != nil {
		return err
	}
	c, err := openCheckpoint(message, log)
	if err != nil {
		return err
	}
	if len(w.records) == 0 || sha256hex(w.records[0].text) != genesis {
		return refuse("statements.genesis")
	}
	opened := w.records[0].data
	if listed := texts(opened.values["log_vkeys"]); len(listed) == 0 || listed[0] != key ||
		opened.text("origin") != c.origin || opened.text("trial_id") != w.records[0].trial {
		return refuse("statements.genesis")
	}
	protocol := opened.values["protocol"]
	if sha256hex(canonical(protocol)) != opened.text("protocol_sha256") {
		return refuse("manifest.protocol")
	}
	if c.size > int64(len(w.leaves)) || root(w.leaves[:c.size]) != c.root {
		return refuse("tree.root")
	}
	return nil
}

// readLog verifies the small log of a directory and says what stands in it.
func readLog(directory, vocabulary string) (any, error) {
	types, err := loadVocabulary(vocabulary)
	if err != nil {
		return nil, err
	}
	file := map[string]string{}
	for _, name := range []string{"entries.jsonl", "openings.jsonl", "checkpoint", "5.tlog-proof",
		"root-of-trust.json", "what-stands.json"} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			return nil, err
		}
		file[name] = string(content)
	}
	w, err := verifyEntries(file["entries.jsonl"], file["openings.jsonl"], types)
	if err != nil {
		return nil, err
	}
	trust, err := readObject([]byte(file["root-of-trust.json"]), usual)
	if err != nil {
		return nil, err
	}
	w.find(w.under(trust.text("key"), trust.text("genesis"), file["checkpoint"]))
	w.find(w.proven(file["5.tlog-proof"], trust.text("key")))
	return w.stands(file["what-stands.json"])
}

// proven checks a receipt against the entry that it names, and its tree against that of the log.
func (w *wholeLog) proven(text, key string) error {
	log, err := readVkey(key)
	if err != nil {
		return err
	}
	r, err := readReceipt(text)
	if err != nil {
		return err
	}
	if r.index >= int64(len(w.records)) {
		return refuse("inclusion.index-beyond-size")
	}
	c, err := r.verify(w.records[r.index].text, log)
	if err != nil {
		return err
	}
	size := int64(len(w.leaves))
	if c.size > size {
		return refuse("consistency.sizes")
	}
	path := consistencyPath(w.leaves, int(c.size))
	return consistent(c.size, size, path, c.root, root(w.leaves))
}

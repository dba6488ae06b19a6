package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// row is one row of a vector file, or the whole file.
type row map[string]json.RawMessage

// unnamed is the member of a row that is no object.
const unnamed = ""

func (r row) into(name string, value any) {
	if len(r[name]) > 0 {
		if err := json.Unmarshal(r[name], value); err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
	}
}

func (r row) text(name string) (text string) { r.into(name, &text); return }

func (r row) number(name string) (n int64) { r.into(name, &n); return }

func (r row) texts(name string) (texts []string) { r.into(name, &texts); return }

func (r row) numbers(name string) (numbers []int64) { r.into(name, &numbers); return }

func (r row) row(name string) (inner row) { r.into(name, &inner); return }

// value is a member in the strict reading.
func (r row) value(name string) any {
	value, err := readJSON(r[name], caps{1 << 20, 64, 1 << 20})
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return value
}

func (r row) object(name string) *object { return r.value(name).(*object) }

// list says how the rows of a list are judged, and whether they must be refused.
type list struct {
	refused bool
	check   func(file, r row) error
}

func accepted(check func(file, r row) error) list { return list{false, check} }

func refused(check func(file, r row) error) list { return list{true, check} }

// suites are the lists of each vector file.
var suites = map[string]map[string]list{
	"strict-json.json":      strictSuite,
	"keys.json":             keySuite,
	"events.json":           eventSuite,
	"statements.json":       statementSuite,
	"disclosures.json":      disclosureSuite,
	"effects.json":          effectSuite,
	"entries.json":          entrySuite,
	"trees.json":            treeSuite,
	"tiles.json":            tileSuite,
	"checkpoints.json":      checkpointSuite,
	"receipts.json":         receiptSuite,
	"policies.json":         policySuite,
	"allocation-lists.json": allocationSuite,
}

// differs is an error where what was found is not what the vector says.
func differs(what string, found, expected any) error {
	if found == expected {
		return nil
	}
	return fmt.Errorf("%s: %v, the vector says %v", what, found, expected)
}

// first is the first error of several.
func first(errors ...error) error {
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}

// judge reads vector files and gives the verdicts by file and list.
func judge(directory string, files []string) (map[string]map[string][]string, error) {
	verdicts := map[string]map[string][]string{}
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(directory, name))
		if err != nil {
			return nil, err
		}
		var file row
		if err := json.Unmarshal(content, &file); err != nil {
			return nil, err
		}
		verdicts[name] = map[string][]string{}
		for listed, judged := range suites[name] {
			verdicts[name][listed] = judged.verdicts(file, listed)
		}
	}
	return verdicts, nil
}

func (l list) verdicts(file row, name string) []string {
	var raws []json.RawMessage
	if json.Unmarshal(file[name], &raws) != nil {
		raws = []json.RawMessage{file[name]}
	}
	said := []string{}
	for _, raw := range raws {
		r := row{}
		if json.Unmarshal(raw, &r) != nil {
			r = row{unnamed: raw}
		}
		said = append(said, l.verdict(r, l.check(file, r)))
	}
	return said
}

func (l list) verdict(r row, err error) string {
	_, named := r["code"]
	switch {
	case err == nil && l.refused:
		return "accepted, must be refused"
	case err == nil:
		return "agrees"
	case !l.refused:
		return err.Error()
	}
	if _, isRefusal := err.(*refusal); !isRefusal {
		return err.Error()
	}
	if named && codeOf(err) != r.text("code") {
		return "refused as " + codeOf(err) + ", the vector says " + r.text("code")
	}
	return "agrees"
}

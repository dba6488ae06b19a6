package main

import (
	"strconv"
	"strings"
)

// member is a name that a policy defines: a witness, or a group of names with its threshold.
type member struct {
	key  *verifier
	k    int
	of   []string
	used bool
}

// policy is a witness policy; log.md, "Witnesses and policy".
type policy struct {
	logs    []*verifier
	names   map[string]*member
	quorum  string
	hasRule bool
	keys    map[string]bool
}

func readPolicy(text string) (*policy, error) {
	if len(text) > 1_000_000 {
		return nil, refuse("policy.too-long")
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < 0x20 && c != '\t' && c != '\n' || c == 0x7f {
			return nil, refuse("policy.character", "byte %d", i)
		}
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		return nil, refuse("policy.last-line")
	}
	p := &policy{names: map[string]*member{}, keys: map[string]bool{}}
	for _, row := range strings.Split(text, "\n") {
		words := strings.FieldsFunc(row, func(c rune) bool { return c == ' ' || c == '\t' })
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if err := p.line(words); err != nil {
			return nil, err
		}
	}
	if !p.hasRule {
		return nil, refuse("policy.quorum")
	}
	return p, nil
}

func (p *policy) line(words []string) error {
	switch count := len(words); {
	case words[0] == "log" && (count == 2 || count == 3):
		v, err := p.key("log ", words[1], logKey)
		p.logs = append(p.logs, v)
		return err
	case words[0] == "witness" && (count == 3 || count == 4):
		if err := p.fresh(words[1]); err != nil {
			return err
		}
		v, err := p.key("witness ", words[2], cosigner)
		p.names[words[1]] = &member{key: v}
		return err
	case words[0] == "group" && count >= 4:
		return p.group(words[1], words[2], words[3:])
	case words[0] == "quorum" && count == 2:
		if p.hasRule {
			return refuse("policy.quorum")
		}
		p.hasRule, p.quorum = true, words[1]
		if words[1] != "none" && p.names[words[1]] == nil {
			return refuse("policy.undefined", "%s", words[1])
		}
		return nil
	}
	return refuse("policy.line", "%s", strings.Join(words, " "))
}

// fresh refuses a name that is defined already.
func (p *policy) fresh(name string) error {
	if name == "none" || p.names[name] != nil {
		return refuse("policy.duplicate-name", "%s", name)
	}
	return nil
}

// key reads a key of this type or of 0x06; no public key stands twice among its likes.
func (p *policy) key(among, vkey string, kind byte) (*verifier, error) {
	v, err := readVkey(vkey)
	if err != nil {
		return nil, refuse("policy.key", "%v", err)
	}
	if v.kind != kind && v.kind != mlDSACosign {
		return nil, refuse("policy.key-type")
	}
	if p.keys[among+string(v.public)] {
		return nil, refuse("policy.duplicate-key")
	}
	p.keys[among+string(v.public)] = true
	return v, nil
}

func (p *policy) group(name, threshold string, of []string) error {
	if err := p.fresh(name); err != nil {
		return err
	}
	for _, one := range of {
		m := p.names[one]
		switch {
		case m == nil:
			return refuse("policy.undefined", "%s", one)
		case m.used:
			return refuse("policy.member", "%s", one)
		}
		m.used = true
	}
	k, err := strconv.Atoi(threshold)
	switch {
	case threshold == "any":
		k = 1
	case threshold == "all":
		k = len(of)
	case err != nil || !isDecimal(threshold) || k < 1 || k > len(of):
		return refuse("policy.threshold")
	}
	p.names[name] = &member{k: k, of: of}
	return nil
}

// met says whether the quorum is reached by these witnesses.
func (p *policy) met(by map[string]bool) bool {
	return p.quorum == "none" || p.reached(p.quorum, by)
}

func (p *policy) reached(name string, by map[string]bool) bool {
	m := p.names[name]
	if m.key != nil {
		return by[name]
	}
	count := 0
	for _, one := range m.of {
		if p.reached(one, by) {
			count++
		}
	}
	return count >= m.k
}

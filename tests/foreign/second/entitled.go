package main

import (
	"strings"
	"time"
	_ "time/tzdata" // the zones, so that none is looked for on the machine
)

// lacks names the rules that a record does not meet; authority.md, "Entitled".
func (g *register) lacks(r *record, signers []signer) (rules []string) {
	is := func(kind string) bool {
		for _, s := range signers {
			if s.kind == kind {
				return true
			}
		}
		return false
	}
	if r.as.ledger {
		if !is("ledger") {
			rules = append(rules, "AU-01")
		}
		return rules
	}
	if r.as.person && !is("person") {
		rules = append(rules, "AU-02")
	}
	if g.otherMeaning(r, signers) {
		rules = append(rules, "AU-03")
	}
	if len(r.as.roles)+len(r.as.tasks) > 0 && !g.covered(r, signers) {
		rules = append(rules, "AU-04")
	}
	for _, s := range signers {
		if s.owner == about(r) {
			rules = append(rules, "AU-05")
			break
		}
	}
	for _, s := range signers {
		if at := siteOf(s.owner); r.site() != "" && at != "" && at != r.site() {
			rules = append(rules, "AU-06")
			break
		}
	}
	return rules
}

func (g *register) otherMeaning(r *record, signers []signer) bool {
	for _, s := range signers {
		if s.meaning != "" && len(r.as.meanings) > 0 && !contains(r.as.meanings, s.meaning) {
			return true
		}
	}
	return false
}

// about is whom a record of the register is about, who may not sign it himself.
func about(r *record) string {
	switch r.kind {
	case "key.registered.v1":
		return r.data.object("owner").text("id")
	case "role.granted.v1":
		return r.data.text("holder")
	case "staff.delegated.v1":
		return r.data.text("person")
	}
	return "nobody"
}

// covered says whether one signer has a grant or a delegation for the act (AU-04).
func (g *register) covered(r *record, signers []signer) bool {
	site, day := r.site(), g.day(r)
	for _, s := range signers {
		for _, held := range g.grants {
			if held.holder == s.owner && !held.ended && contains(r.as.roles, held.role) &&
				(held.scope == "trial" || site != "" && held.scope == "site/"+site) &&
				(!r.as.physician || held.physician || held.role == "principal-investigator") {
				return true
			}
		}
		for _, held := range g.delegations {
			if held.person == s.owner && site != "" && held.site == site && held.covers(day) &&
				overlap(held.tasks, r.as.tasks) && (!r.as.physician || held.physician) {
				return true
			}
		}
	}
	return false
}

func overlap(some, others []string) bool {
	for _, one := range some {
		if contains(others, one) {
			return true
		}
	}
	return false
}

// day is the day of authority.
func (g *register) day(r *record) string {
	at, command := r.at, r.typed() == "command"
	if command {
		at, _ = time.Parse(utc, r.recordedAt)
	}
	if zone, known := g.zones[r.site()]; known && r.site() != "" {
		if place, err := time.LoadLocation(zone); err == nil {
			return at.In(place).Format("2006-01-02")
		}
	}
	if !command {
		return r.event.time[:10]
	}
	local, err := time.Parse("2006-01-02T15:04:05Z07:00", withoutFraction(r.event.time))
	if err != nil {
		return r.event.time[:10]
	}
	return at.In(local.Location()).Format("2006-01-02")
}

// withoutFraction is a time without its fractional digits.
func withoutFraction(text string) string {
	return text[:19] + strings.TrimLeft(text[19:], ".0123456789")
}

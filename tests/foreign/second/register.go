package main

import "time"

// registered is a key of the register; authority.md, "The register".
type registered struct {
	key                 *publicKey
	kind, owner, prefix string
	revoked             bool
	// revokedAt is the position of the revoking command.
	revokedAt   int64
	doubtedFrom time.Time
}

type grant struct {
	holder, role, scope string
	physician, ended    bool
}

type delegation struct {
	id, person, site, from, to, ended string
	tasks                             []string
	physician                         bool
}

// register is who may sign, as the entries so far have left it.
type register struct {
	keys        map[string]*registered
	grants      []*grant
	delegations []*delegation
	zones       map[string]string
}

func newRegister() *register {
	return &register{keys: map[string]*registered{}, zones: map[string]string{}}
}

// add registers a key; one that is known stays as it is.
func (g *register) add(jwk any, kind, owner, prefix string) error {
	key, err := readJWK(jwk)
	if err == nil && g.keys[key.kid] == nil {
		g.keys[key.kid] = &registered{key: key, kind: kind, owner: owner, prefix: prefix}
	}
	return err
}

func isPhysician(data *object) bool {
	return data.object("qualification").values["physician"] == true
}

// apply is what a record in effect does to the register.
func (g *register) apply(r *record) error {
	data := r.data
	switch r.kind {
	case "trial.opened.v1":
		sponsor := data.object("sponsor")
		g.grants = append(g.grants,
			&grant{holder: sponsor.text("id"), role: "sponsor", scope: "trial"},
			&grant{holder: sponsor.text("id"), role: "registrar", scope: "trial"})
		return first(
			g.add(data.values["statement_key"], "ledger", "/ledger", ""),
			g.add(sponsor.values["jwk"], "person", sponsor.text("id"), ""))
	case "key.registered.v1":
		owner := data.object("owner")
		return g.add(data.values["jwk"], owner.text("kind"), owner.text("id"), data.text("source_prefix"))
	case "key.revoked.v1":
		if k := g.keys[data.text("kid")]; k != nil {
			k.revoked, k.revokedAt = true, r.seq
			k.doubtedFrom, _ = instant(data.text("compromised_since"))
		}
	case "role.granted.v1":
		g.grants = append(g.grants, &grant{
			data.text("holder"), data.text("role"), data.text("scope"), isPhysician(data), false})
	case "role.revoked.v1":
		for _, held := range g.grants {
			if held.holder == data.text("holder") && held.role == data.text("role") &&
				held.scope == data.text("scope") {
				held.ended = true
			}
		}
	case "staff.delegated.v1":
		g.delegations = append(g.delegations, &delegation{r.id, data.text("person"), data.text("site"),
			data.text("from"), data.text("to"), "", texts(data.values["tasks"]), isPhysician(data)})
	case "delegation.ended.v1":
		for _, held := range g.delegations {
			if held.id == data.text("delegation") && held.person == data.text("person") {
				held.ended = data.text("ended_on")
			}
		}
	case "site.activated.v1":
		g.zones[data.text("site")] = data.text("timezone")
	}
	return nil
}

// covers says whether the delegation holds on a day; days are compared as text.
func (d *delegation) covers(day string) bool {
	return d.from <= day && (d.to == "" || day <= d.to) && (d.ended == "" || day <= d.ended)
}

package main

// record is an entry with all that was read of it.
type record struct {
	*entry
	*event
	signed *statement
	// as is the type's row of the vocabulary, nil where the type is not known.
	as *eventType
	// opened is `data` with the disclosures at hand, closed the digests that stay closed.
	opened *object
	closed []string
	// lack are the rules that a command does not meet.
	lack string
}

// typed is the kind of the record; a type that is not known is read as a fact.
func (r *record) typed() string {
	if r.as == nil {
		return "fact"
	}
	return r.as.kind
}

func readRecord(e *entry, types map[string]*eventType, disclosures []string) (*record, error) {
	s, err := readStatement(e.statement)
	if err != nil {
		return nil, err
	}
	if !isRecordedAt(e.recordedAt) {
		return nil, refuse("time.not-a-date")
	}
	opened, closed, err := open(s.event.data, disclosures)
	if err != nil {
		return nil, err
	}
	return &record{e, s.event, s, types[s.event.kind], opened, closed, ""}, nil
}

// site is that of the event; authority.md, "Entitled".
func (r *record) site() string {
	of, name := family(r.subject)
	switch of {
	case "site":
		return name
	case "subject", "treatment":
		return name[:len(name)-len("-0000")]
	}
	if site := r.data.text("site"); site != "" || of != "lot" {
		return site
	}
	return siteOf(r.source)
}

// siteOf is the site in a name such as /sites/SY01/persons/pi-01, or "".
func siteOf(source string) string {
	of, below := family(trimSlash(source))
	site, _ := family(below)
	if of != "sites" {
		return ""
	}
	return site
}

func trimSlash(source string) string {
	if source != "" && source[0] == '/' {
		return source[1:]
	}
	return source
}

package main

// inPlace checks that a record stands in a stream of its type; authority.md, "In its stream".
func inPlace(r *record, byID map[string]*record) error {
	wrong := refuse("authority.stream", "entry %d", r.seq)
	of, name := family(r.subject)
	repeated := map[string]string{
		"subject": "subject_id", "treatment": "subject_id", "site": "site", "lot": "lot"}[of]
	if repeated != "" && r.data.has(repeated) && r.data.values[repeated] != name {
		return wrong
	}
	if r.as == nil || r.as.stream == "any" || r.as.stream == of {
		return nil
	}
	if r.as.stream != "target" {
		return wrong
	}
	id := r.data.text("target")
	if !r.data.has("target") {
		id = r.data.text("anchor")
	}
	target := byID[id]
	if target == nil {
		return wrong
	}
	theirs, other := family(target.subject)
	switch {
	case r.subject == target.subject:
		return nil
	case r.typed() == "command":
		return wrong
	case ofSubject(of) && ofSubject(theirs) && name == other,
		of == "access" && theirs == "trial",
		r.subject == "allocation/main" &&
			(target.kind == "subject.randomized.v1" || target.kind == "randomization.recorded.v1"):
		return nil
	}
	return wrong
}

func ofSubject(family string) bool { return family == "subject" || family == "treatment" }

// resultStream is where the result of a command stands; entry.md, "Commands and results".
func resultStream(command *record) string {
	if of, name := family(command.subject); of == "subject" {
		return "treatment/" + name
	}
	return command.subject
}

// isResult checks that a record is the result of the command directly before it.
func isResult(r, command *record) error {
	request := r.data.object("request")
	switch {
	case r.typed() != "result" || r.kind == "dossier.issued.v1":
		return refuse("statements.unanswered", "entry %d", command.seq)
	case !request.exactly("id", "seq", "sha256"), request.text("id") != command.id,
		request.values["seq"] != command.seq, request.text("sha256") != sha256hex(command.text),
		r.source != "/ledger", r.event.time != command.recordedAt, !fits(r.kind, command.kind),
		r.subject != resultStream(command):
		return refuse("statements.result", "entry %d", r.seq)
	}
	return nil
}

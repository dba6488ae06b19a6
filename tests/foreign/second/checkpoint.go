package main

import "strings"

// checkpoint is what a log signs; log.md, "Checkpoint".
type checkpoint struct {
	text, origin string
	size         int64
	root         hash
	// cosignedAt is the time of each known cosignature, by its verifier key.
	cosignedAt map[*verifier]int64
}

// readText reads the three lines of a checkpoint.
func readText(text string) (*checkpoint, error) {
	rows := strings.Split(text, "\n")
	if len(rows) != 4 || rows[3] != "" {
		return nil, refuse("checkpoint.lines")
	}
	if !isKeyName(rows[0]) {
		return nil, refuse("checkpoint.origin")
	}
	size, err := decimal(rows[1])
	if err != nil {
		return nil, err
	}
	r, err := base64hash(rows[2])
	if err != nil {
		return nil, err
	}
	if size == 0 && r != root(nil) {
		return nil, refuse("checkpoint.empty-root")
	}
	return &checkpoint{text, rows[0], size, r, map[*verifier]int64{}}, nil
}

// openCheckpoint verifies a note with the log's key and those of the cosigners that are known.
func openCheckpoint(message string, log *verifier, cosigners ...*verifier) (*checkpoint, error) {
	n, err := readNote(message)
	if err != nil {
		return nil, err
	}
	known := append([]*verifier{log}, cosigners...)
	times := map[*verifier]int64{}
	for _, l := range n.lines {
		for _, v := range known {
			if v.name != l.name || v.id != l.id {
				continue
			}
			if times[v], err = v.holds(n.text, l.raw); err != nil {
				return nil, err
			}
		}
	}
	if _, signed := times[log]; !signed {
		return nil, refuse("note.no-known-signature")
	}
	c, err := readText(n.text)
	if err != nil {
		return nil, err
	}
	if c.origin != log.name {
		return nil, refuse("checkpoint.foreign-key")
	}
	delete(times, log)
	c.cosignedAt = times
	return c, nil
}

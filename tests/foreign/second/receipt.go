package main

import "strings"

// receipt is a proof that an entry stands in the log; log.md, "Receipt".
type receipt struct {
	index      int64
	path       []hash
	extra      []byte
	checkpoint string
}

func readReceipt(text string) (*receipt, error) {
	if len([]rune(text)) > 1_131_072 {
		return nil, refuse("receipt.too-long")
	}
	head, signed, found := strings.Cut(text, "\n\n")
	rows := strings.Split(head, "\n")
	if !found || rows[0] != "c2sp.org/tlog-proof@v1" {
		return nil, refuse("receipt.malformed")
	}
	r := &receipt{checkpoint: signed}
	rows = rows[1:]
	if len(rows) > 0 && strings.HasPrefix(rows[0], "extra ") {
		data, err := padded(rows[0][len("extra "):])
		if err != nil || len(data) < 1 || len(data) > 65536 {
			return nil, refuse("receipt.extra")
		}
		r.extra, rows = data, rows[1:]
	}
	if len(rows) == 0 || !strings.HasPrefix(rows[0], "index ") {
		return nil, refuse("receipt.malformed")
	}
	var err error
	if r.index, err = decimal(rows[0][len("index "):]); err != nil {
		return nil, err
	}
	if len(rows)-1 > 63 {
		return nil, refuse("receipt.path")
	}
	for _, row := range rows[1:] {
		h, err := base64hash(row)
		if err != nil {
			return nil, err
		}
		r.path = append(r.path, h)
	}
	return r, nil
}

// verify proves the entry under the receipt's checkpoint.
func (r *receipt) verify(entry string, log *verifier) (*checkpoint, error) {
	c, err := openCheckpoint(r.checkpoint, log)
	if err != nil {
		return nil, err
	}
	return c, included(leaf([]byte(entry)), r.index, c.size, r.path, c.root)
}

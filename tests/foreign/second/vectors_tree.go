package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

var treeSuite = map[string]list{
	"leaves":         accepted(func(_, r row) error { return differs("length", len(r.text(unnamed)), 64) }),
	"roots":          accepted(isRoot),
	"inclusion":      accepted(isIncluded),
	"consistency":    accepted(isConsistent),
	"not_included":   refused(notIncluded),
	"not_consistent": refused(notConsistent),
}

func hexHash(text string) (h hash) {
	if n, err := hex.Decode(h[:], []byte(text)); n != len(h) || err != nil {
		panic("no hash: " + text)
	}
	return h
}

func hexHashes(texts []string) []hash {
	hashes := []hash{}
	for _, text := range texts {
		hashes = append(hashes, hexHash(text))
	}
	return hashes
}

func leavesOf(file row) []hash { return hexHashes(file.texts("leaves")) }

// isRoot looks for the root of some size: the list holds one for each, in order.
func isRoot(file, r row) error {
	for size, text := range file.texts("roots") {
		if text == r.text(unnamed) {
			found := root(leavesOf(file)[:size])
			return differs("root of size "+strconv.Itoa(size), hexOf(found[:]), text)
		}
	}
	return differs("root", "not listed", "listed")
}

// isIncluded makes the path, and has it checked here and by Go's own library.
func isIncluded(file, r row) error {
	leaves, index, size := leavesOf(file), r.number("index"), r.number("size")
	path, top := hexHashes(r.texts("path")), root(leavesOf(file)[:r.number("size")])
	proof := tlog.RecordProof{}
	for _, h := range path {
		proof = append(proof, tlog.Hash(h))
	}
	return first(
		differs("path", fmt.Sprint(inclusionPath(leaves[:size], int(index))), fmt.Sprint(path)),
		included(leaves[index], index, size, path, top),
		tlog.CheckRecord(proof, size, tlog.Hash(top), index, tlog.Hash(leaves[index])))
}

// isConsistent does the same for two sizes; Go's library knows no size 0.
func isConsistent(file, r row) error {
	leaves, old, size := leavesOf(file), r.number("old"), r.number("new")
	path, before, top := hexHashes(r.texts("path")), root(leaves[:old]), root(leaves[:size])
	proof := tlog.TreeProof{}
	for _, h := range path {
		proof = append(proof, tlog.Hash(h))
	}
	var other error
	if old > 0 {
		other = tlog.CheckTree(proof, size, tlog.Hash(top), old, tlog.Hash(before))
	}
	return first(
		differs("path", fmt.Sprint(consistencyPath(leaves[:size], int(old))), fmt.Sprint(path)),
		consistent(old, size, path, before, top),
		other)
}

func notIncluded(_, r row) error {
	return included(hexHash(r.text("leaf")), r.number("index"), r.number("size"),
		hexHashes(r.texts("path")), hexHash(r.text("root")))
}

func notConsistent(_, r row) error {
	return consistent(r.number("old"), r.number("new"), hexHashes(r.texts("path")),
		hexHash(r.text("old_root")), hexHash(r.text("new_root")))
}

var tileSuite = map[string]list{
	"paths":      accepted(isPath),
	"no_paths":   refused(func(_, r row) error { _, err := readPath(r.text(unnamed)); return err }),
	"widths":     accepted(hasWidths),
	"tree":       accepted(hasTiles),
	"bundles":    accepted(isBundle),
	"no_bundles": refused(isBundle),
}

func isPath(_, r row) error {
	t, err := readPath(r.text("path"))
	if err != nil {
		return err
	}
	expected := tile{entries, r.number("index"), 256}
	if string(r["level"]) != "null" {
		expected.level = int(r.number("level"))
	}
	if string(r["width"]) != "null" {
		expected.width = int(r.number("width"))
	}
	return first(differs("tile", t, expected), differs("path", expected.path(), r.text("path")))
}

func hasWidths(_, r row) error {
	full, partial := widths(r.number("size"), int(r.number("level")))
	return first(
		differs("full", full, r.number("full")), differs("partial", partial, r.number("partial")))
}

// hasTiles makes the tree that the file describes: leaf n is the hash of n in decimal, n below 600.
func hasTiles(_, r row) error {
	leaves := []hash{}
	for n := 0; n < 600; n++ {
		leaves = append(leaves, leaf([]byte(strconv.Itoa(n))))
	}
	made, listed := tilesOf(leaves), map[string]string{}
	r.into("sha256", &listed)
	for path, content := range made {
		sum := sha256.Sum256(content)
		if err := differs(path, hexOf(sum[:]), listed[path]); err != nil {
			return err
		}
	}
	return differs("tiles", len(made), len(listed))
}

func isBundle(_, r row) error {
	data, err := base64.StdEncoding.DecodeString(r.text("data"))
	if err != nil {
		return err
	}
	_, err = readBundle(data, int(r.number("width")))
	return err
}

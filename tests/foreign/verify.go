// Verify checks a served log with nothing but Go's checksum-database libraries:
//
//	verify PREFIX VKEY [OLD-SIZE...]
//
// It opens the checkpoint, hashes every entry bundle up to the signed root, compares every tile
// in every width it has had, proves entries out of tiles alone, and checks the served consistency
// proof from each old size.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height, width = 8, 256

// site reads the log below an address; it is Go's tlog.TileReader.
type site struct{ prefix string }

func must(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func (s site) get(path, kind string) []byte {
	response, err := http.Get(s.prefix + "/" + path)
	must(err, path)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err, path)
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != kind {
		log.Fatalf("%s: %s, %s", path, response.Status, response.Header.Get("Content-Type"))
	}
	return body
}

// tile maps Go's path, which names the height and calls entries data, to that of C2SP.
func (s site) tile(t tlog.Tile) []byte {
	path := strings.Replace(t.Path(), "tile/8/data/", "tile/entries/", 1)
	return s.get(strings.Replace(path, "tile/8/", "tile/", 1), "application/octet-stream")
}

func (s site) Height() int                         { return height }
func (s site) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (s site) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	read := make([][]byte, len(tiles))
	for i, t := range tiles {
		read[i] = s.tile(t)
	}
	return read, nil
}

func (s site) checkpoint(vkey string) (tree tlog.Tree) {
	key, err := note.NewVerifier(vkey)
	must(err, "verifier key")
	opened, err := note.Open(s.get("checkpoint", "text/plain; charset=utf-8"), note.VerifierList(key))
	must(err, "checkpoint")
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		log.Fatalf("checkpoint: not three lines of %s: %q", key.Name(), opened.Text)
	}
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	must(err, "size")
	tree.Hash, err = tlog.ParseHash(lines[2])
	must(err, "root")
	return tree
}

// hashes are all hashes of a tree, in the order of Go's hash storage; they are its HashReader.
type hashes []tlog.Hash

func (h *hashes) ReadHashes(indexes []int64) (found []tlog.Hash, err error) {
	for _, index := range indexes {
		found = append(found, (*h)[index])
	}
	return found, nil
}

// entries gives the hash of every entry, and all stored hashes over them.
func (s site) entries(size int64) (records []tlog.Hash, stored *hashes) {
	stored = new(hashes)
	for first := int64(0); first < size; first += width {
		count := min(width, size-first)
		bundle := s.tile(tlog.Tile{H: height, L: -1, N: first / width, W: int(count)})
		for n := first; n < first+count; n++ {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				log.Fatalf("entry %d: the bundle ends inside it", n)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			hash := tlog.RecordHash(bundle[2:end])
			more, err := tlog.StoredHashesForRecordHash(n, hash, stored)
			must(err, "hashing")
			records, *stored, bundle = append(records, hash), append(*stored, more...), bundle[end:]
		}
		if len(bundle) != 0 {
			log.Fatalf("bundle %d: bytes after the last entry", first/width)
		}
	}
	return records, stored
}

func (s site) consistency(tree tlog.Tree, size int64, root tlog.Hash) {
	query := fmt.Sprintf("consistency?old=%d&new=%d", size, tree.N)
	var proof tlog.TreeProof
	for _, line := range strings.Fields(string(s.get(query, "text/plain; charset=utf-8"))) {
		hash, err := tlog.ParseHash(line)
		must(err, query)
		proof = append(proof, hash)
	}
	must(tlog.CheckTree(proof, tree.N, tree.Hash, size, root), query)
}

func main() {
	log.SetFlags(0)
	s := site{os.Args[1]}
	tree := s.checkpoint(os.Args[2])
	records, all := s.entries(tree.N)
	root, err := tlog.TreeHash(tree.N, all)
	must(err, "root of the entries")
	if root != tree.Hash {
		log.Fatalf("root: the entries hash to %v, signed is %v", root, tree.Hash)
	}
	tiles := tlog.NewTiles(height, 0, tree.N)
	for _, t := range tiles {
		own, err := tlog.ReadTileData(t, all)
		must(err, t.Path())
		if !bytes.Equal(own, s.tile(t)) {
			log.Fatalf("tile %s: not the hashes of the entries", t.Path())
		}
	}
	reader := tlog.TileHashReader(tree, s)
	step := max(1, tree.N/100)
	for n := int64(0); n < tree.N; n += step {
		proof, err := tlog.ProveRecord(tree.N, n, reader)
		must(err, "proof out of tiles")
		must(tlog.CheckRecord(proof, tree.N, tree.Hash, n, records[n]), fmt.Sprint("entry ", n))
	}
	for _, text := range os.Args[3:] {
		size, err := strconv.ParseInt(text, 10, 64)
		must(err, "old size")
		old, err := tlog.TreeHash(size, all)
		must(err, "old root")
		s.consistency(tree, size, old)
	}
	fmt.Printf("verified: %d entries, %d tiles\n", tree.N, len(tiles))
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func max(a, b int64) int64 { return a + b - min(a, b) }

package main

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// entries is the level under which entry bundles stand.
const entries = -1

// tile names a tile or bundle; a full one has the width 256.
type tile struct {
	level int
	index int64
	width int
}

var tilePath = regexp.MustCompile(`\Atile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\z`)

// readPath reads a tile's path; log.md, "Tiles".
func readPath(path string) (tile, error) {
	part := tilePath.FindStringSubmatch(path)
	if part == nil {
		return tile{}, refuse("tiles.path")
	}
	t := tile{level: entries, width: 256}
	if part[1] != "entries" {
		t.level, _ = strconv.Atoi(part[1])
	}
	index, err := strconv.ParseInt(strings.NewReplacer("x", "", "/", "").Replace(part[2]), 10, 64)
	if err != nil {
		return tile{}, refuse("tiles.path")
	}
	t.index = index
	if part[3] != "" {
		t.width, _ = strconv.Atoi(part[3])
		if t.width > 255 {
			return tile{}, refuse("tiles.path")
		}
	}
	if t.path() != path {
		return tile{}, refuse("tiles.path")
	}
	return t, nil
}

// path is the one spelling of a tile's path.
func (t tile) path() string {
	groups := fmt.Sprintf("%03d", t.index%1000)
	for n := t.index / 1000; n > 0; n /= 1000 {
		groups = fmt.Sprintf("x%03d/%s", n%1000, groups)
	}
	level := "entries"
	if t.level != entries {
		level = strconv.Itoa(t.level)
	}
	path := "tile/" + level + "/" + groups
	if t.width < 256 {
		path += ".p/" + strconv.Itoa(t.width)
	}
	return path
}

// widths are the number of full tiles of a level, and the width of its partial one or 0.
func widths(size int64, level int) (full, partial int64) {
	below := size
	for i := 0; i < level; i++ {
		below >>= 8
	}
	return below >> 8, below & 255
}

// tilesOf makes all tiles of a tree, by path.
func tilesOf(leaves []hash) map[string][]byte {
	made := map[string][]byte{}
	row := leaves
	for level := 0; len(row) > 0; level++ {
		above := []hash{}
		for at := 0; at < len(row); at += 256 {
			t := tile{level, int64(at / 256), 256}
			if len(row)-at < 256 {
				t.width = len(row) - at
			} else {
				above = append(above, root(row[at:at+256]))
			}
			content := []byte{}
			for _, h := range row[at : at+t.width] {
				content = append(content, h[:]...)
			}
			made[t.path()] = content
		}
		row = above
	}
	return made
}

// readBundle reads the entries of a bundle of this width.
func readBundle(data []byte, width int) ([]string, error) {
	found := []string{}
	for len(data) > 0 {
		if len(found) == width {
			return nil, refuse("tiles.bundle-width")
		}
		if len(data) < 2 {
			return nil, refuse("tiles.bundle-truncated")
		}
		length := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; len(data) < length {
			return nil, refuse("tiles.bundle-truncated")
		}
		found = append(found, string(data[:length]))
		data = data[length:]
	}
	if len(found) != width {
		return nil, refuse("tiles.bundle-width")
	}
	return found, nil
}

package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"regexp"
	"sort"
)

var isMember = regexp.MustCompile(`\A[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*\z`)

// readContainer gives the members of a bundle by name; bundle.md, "The zip file".
func readContainer(file []byte) (map[string]string, error) {
	refused := refuse("manifest.container")
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil || len(z.File) > 500_000 {
		return nil, refused
	}
	allowed := uint64(50 * len(file))
	if allowed < 64_000_000 {
		allowed = 64_000_000
	}
	found, said := map[string]string{}, uint64(0)
	for _, f := range z.File {
		said += f.UncompressedSize64
		_, twice := found[f.Name]
		if twice || len(f.Name) > 200 || !isMember.MatchString(f.Name) || said > allowed {
			return nil, refused
		}
		r, err := f.Open()
		if err != nil {
			return nil, refused
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, refused
		}
		found[f.Name] = string(content)
	}
	return found, nil
}

// container is the one zip file of these members, where none reaches 2^32 - 1.
func container(members map[string]string) []byte {
	names := []string{}
	for name := range members {
		names = append(names, name)
	}
	sort.Strings(names)
	le, out, directory := binary.LittleEndian, []byte{}, []byte{}
	for _, name := range names {
		offset := uint32(len(out))
		var fields []byte
		fields = le.AppendUint16(fields, 20)
		fields = append(fields, 0, 0, 0, 0, 0, 0, 0x21, 0)
		fields = le.AppendUint32(fields, crc32.ChecksumIEEE([]byte(members[name])))
		fields = le.AppendUint32(fields, uint32(len(members[name])))
		fields = le.AppendUint32(fields, uint32(len(members[name])))
		fields = le.AppendUint16(fields, uint16(len(name)))
		fields = append(fields, 0, 0)
		out = append(append(append(out, "PK\x03\x04"...), fields...), name+members[name]...)
		directory = append(append(directory, "PK\x01\x02\x14\x00"...), fields...)
		directory = append(directory, make([]byte, 10)...)
		directory = append(le.AppendUint32(directory, offset), name...)
	}
	at, count := uint32(len(out)), uint16(len(names))
	out = append(append(out, directory...), "PK\x05\x06\x00\x00\x00\x00"...)
	out = le.AppendUint16(le.AppendUint16(out, count), count)
	out = le.AppendUint32(le.AppendUint32(out, uint32(len(directory))), at)
	return append(out, 0, 0)
}

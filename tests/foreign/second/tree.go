package main

import (
	"crypto/sha256"
	"math/bits"
)

type hash [sha256.Size]byte

// leaf and node are the two hashes of log.md, "Tree".
func leaf(entry []byte) hash { return sha256.Sum256(append([]byte{0}, entry...)) }

func node(left, right hash) hash {
	return sha256.Sum256(append(append([]byte{1}, left[:]...), right[:]...))
}

// split is the largest power of two below n, which is at least 2.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

// root is that of the tree over these leaves.
func root(leaves []hash) hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	default:
		k := split(n)
		return node(root(leaves[:k]), root(leaves[k:]))
	}
}

// inclusionPath is PATH of RFC 9162 section 2.1.3.1.
func inclusionPath(leaves []hash, index int) []hash {
	if len(leaves) == 1 {
		return []hash{}
	}
	k := split(len(leaves))
	if index < k {
		return append(inclusionPath(leaves[:k], index), root(leaves[k:]))
	}
	return append(inclusionPath(leaves[k:], index-k), root(leaves[:k]))
}

// consistencyPath is PROOF of RFC 9162 section 2.1.4.1, empty from size 0 and for equal sizes.
func consistencyPath(leaves []hash, old int) []hash {
	if old == 0 || old == len(leaves) {
		return []hash{}
	}
	return subProof(leaves, old, true)
}

func subProof(leaves []hash, old int, complete bool) []hash {
	if old == len(leaves) {
		if complete {
			return []hash{}
		}
		return []hash{root(leaves)}
	}
	k := split(len(leaves))
	if old <= k {
		return append(subProof(leaves[:k], old, complete), root(leaves[k:]))
	}
	return append(subProof(leaves[k:], old-k, false), root(leaves[:k]))
}

// included checks an inclusion path in the words of log.md.
func included(r hash, index, size int64, path []hash, expected hash) error {
	if index < 0 || index >= size {
		return refuse("inclusion.index-beyond-size")
	}
	fn, sn := index, size-1
	for _, p := range path {
		if sn == 0 {
			return refuse("inclusion.path-too-long")
		}
		if fn%2 == 1 || fn == sn {
			r = node(p, r)
			for fn%2 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = node(r, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 {
		return refuse("inclusion.path-too-short")
	}
	if r != expected {
		return refuse("inclusion.root-mismatch")
	}
	return nil
}

// consistent checks a consistency path in the words of log.md.
func consistent(old, size int64, path []hash, oldRoot, newRoot hash) error {
	if old < 0 || old > size {
		return refuse("consistency.sizes")
	}
	if old == size || old == 0 {
		if len(path) > 0 {
			return refuse("consistency.path-too-long")
		}
		if old == size && oldRoot != newRoot || old == 0 && oldRoot != root(nil) {
			return refuse("consistency.root-mismatch")
		}
		return nil
	}
	if len(path) == 0 {
		return refuse("consistency.path-too-short")
	}
	if old&(old-1) == 0 {
		path = append([]hash{oldRoot}, path...)
	}
	fn, sn := old-1, size-1
	for fn%2 == 1 {
		fn, sn = fn>>1, sn>>1
	}
	fr, sr := path[0], path[0]
	for _, c := range path[1:] {
		if sn == 0 {
			return refuse("consistency.path-too-long")
		}
		if fn%2 == 1 || fn == sn {
			fr, sr = node(c, fr), node(c, sr)
			for fn%2 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			sr = node(sr, c)
		}
		fn, sn = fn>>1, sn>>1
	}
	if sn != 0 {
		return refuse("consistency.path-too-short")
	}
	if fr != oldRoot || sr != newRoot {
		return refuse("consistency.root-mismatch")
	}
	return nil
}

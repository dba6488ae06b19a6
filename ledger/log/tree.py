"""The Merkle tree of RFC 9162 §2.1 (same hashes as RFC 6962): frontier, proofs, verification.

A *node* ``(level, index)`` is the perfect subtree over the leaves
``[index·2^level, (index+1)·2^level)``; proofs are built from such nodes alone, so whoever can
fetch them (from memory, from tiles) can prove anything about the log in O(log n) fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log.lexical import HASH_SIZE, MAX_SIZE

NodeFetcher = Callable[[int, int], bytes]
"""Gives the hash of the perfect subtree ``(level, index)``, 32 bytes."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves (RFC 9162 §2.1.1)."""


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry to its leaf: SHA-256(0x00 ‖ entry) (RFC 9162 §2.1.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children to their parent: SHA-256(0x01 ‖ left ‖ right) (RFC 9162 §2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs to know of a tree: its size and the roots of its perfect subtrees.

    ``peaks`` holds one 32-byte hash for each set bit of ``size``, the largest subtree first. A
    value never changes; appending gives a new one.

    Raises:
        IntegrityFailure: ``tree.frontier-shape`` when size and peaks do not fit one another.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a frontier whose peaks cannot belong to its size."""
        shape_fits = 0 <= self.size <= MAX_SIZE and len(self.peaks) == self.size.bit_count()
        if not shape_fits or any(len(peak) != HASH_SIZE for peak in self.peaks):
            raise IntegrityFailure(
                "tree.frontier-shape",
                f"The frontier does not have one 32-byte hash for each set bit of {self.size}.",
            )

    def append(self, leaf: bytes) -> Frontier:
        """Give the frontier after one more leaf hash (32 bytes)."""
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """Give the frontier after more leaf hashes (32 bytes each), in their order.

        Raises:
            IntegrityFailure: ``tree.hash-length``.
        """
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            _require_hash(leaf, size)
            node, carries = leaf, size
            while carries & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                carries >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """Give the root of the tree (32 bytes), ``EMPTY_ROOT`` without leaves."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """Give the root of the tree over these leaf hashes, using O(log n) memory."""
    return Frontier().extend(leaf_hashes).root()


def frontier_at(size: int, node: NodeFetcher) -> Frontier:
    """Rebuild the frontier of a stored tree of ``size`` leaves from its nodes.

    Raises:
        RejectedInput: ``tree.out-of-range``.
    """
    if not 0 <= size <= MAX_SIZE:
        raise _out_of_range(f"A tree of {size} leaves is not possible.")
    return Frontier(size, tuple(_peaks(0, size, node)))


def inclusion_path(index: int, size: int, node: NodeFetcher) -> list[bytes]:
    """Build the proof that leaf ``index`` is in the tree of ``size`` leaves, leaf's sibling first.

    Follows PATH(m, D[n]) of RFC 9162 §2.1.3.1.

    Raises:
        RejectedInput: ``tree.out-of-range`` unless 0 ≤ index < size.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise _out_of_range(f"Entry {index} is not in a tree of size {size}.")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    path.reverse()
    return path


def consistency_path(old: int, new: int, node: NodeFetcher) -> list[bytes]:
    """Build the proof that the tree of ``new`` leaves extends the one of ``old`` leaves.

    Follows SUBPROOF(m, D[n], b) of RFC 9162 §2.1.4.1; the proof is empty when ``old`` is 0 or
    equals ``new``, since there is then nothing to show.

    Raises:
        RejectedInput: ``tree.out-of-range`` unless 0 ≤ old ≤ new.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise _out_of_range(f"A tree of size {new} does not extend one of {old}.")
    if old in (0, new):
        return []
    path: list[bytes] = []
    start, end = 0, new
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(middle, end, node))
            end = middle
        else:
            path.append(_range_root(start, middle, node))
            start = middle
    if start > 0:
        path.append(_range_root(start, end, node))
    path.reverse()
    return path


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> None:
    """Check an inclusion proof step by step as RFC 9162 §2.1.3.2 writes it.

    Raises:
        IntegrityFailure: ``inclusion.index-beyond-size``, ``inclusion.path-too-long``,
            ``inclusion.path-too-short``, ``inclusion.root-mismatch`` or ``tree.hash-length``.
    """
    if not 0 <= index < size:
        raise IntegrityFailure(
            "inclusion.index-beyond-size", f"Entry {index} cannot be in a tree of size {size}."
        )
    _require_hash(leaf, "leaf")
    fn, sn, computed = index, size - 1, leaf
    for step, sibling in enumerate(path):
        _require_hash(sibling, f"path[{step}]")
        if sn == 0:
            raise IntegrityFailure(
                "inclusion.path-too-long", "The inclusion path has more steps than the tree."
            )
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            fn, sn = _skip_right_edge(fn, sn)
        else:
            computed = node_hash(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise IntegrityFailure(
            "inclusion.path-too-short", "The inclusion path ends before the root."
        )
    if computed != root:
        raise IntegrityFailure(
            "inclusion.root-mismatch", f"Entry {index} does not hash up to the stated root."
        )


def verify_consistency(
    *, old_size: int, new_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Check a consistency proof step by step as RFC 9162 §2.1.4.2 writes it.

    The RFC leaves out two cases: equal sizes need an empty path and equal roots, and an empty
    old tree needs an empty path and ``EMPTY_ROOT`` as the old root.

    Raises:
        IntegrityFailure: ``consistency.sizes``, ``consistency.path-too-long``,
            ``consistency.path-too-short``, ``consistency.root-mismatch`` or ``tree.hash-length``.
    """
    if not 0 <= old_size <= new_size:
        raise IntegrityFailure(
            "consistency.sizes", f"A tree of size {new_size} cannot extend one of {old_size}."
        )
    for step, node in enumerate((*path, old_root, new_root)):
        _require_hash(node, f"path[{step}]")
    if old_size in (0, new_size):
        _verify_trivial_consistency(old_size, path, old_root, new_root, new_size=new_size)
        return
    if not path:
        raise IntegrityFailure("consistency.path-too-short", "The consistency path is empty.")
    nodes = (old_root, *path) if old_size.bit_count() == 1 else tuple(path)
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old_computed = new_computed = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            raise IntegrityFailure(
                "consistency.path-too-long", "The consistency path has more steps than the tree."
            )
        if fn & 1 or fn == sn:
            old_computed, new_computed = (
                node_hash(node, old_computed),
                node_hash(node, new_computed),
            )
            fn, sn = _skip_right_edge(fn, sn)
        else:
            new_computed = node_hash(new_computed, node)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise IntegrityFailure(
            "consistency.path-too-short", "The consistency path ends before the root."
        )
    _require_root("old", old_computed, old_root)
    _require_root("new", new_computed, new_root)


def _skip_right_edge(fn: int, sn: int) -> tuple[int, int]:
    """Shift both until the low bit of ``fn`` is set or ``fn`` is 0, as both RFC algorithms do."""
    while not fn & 1 and fn != 0:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _verify_trivial_consistency(
    old_size: int, path: Sequence[bytes], old_root: bytes, new_root: bytes, *, new_size: int
) -> None:
    if path:
        raise IntegrityFailure(
            "consistency.path-too-long", "Nothing is to be proven here, the path must be empty."
        )
    if old_size == 0:
        _require_root("old", EMPTY_ROOT, old_root)
    if old_size == new_size:
        _require_root("new", old_root, new_root)


def _require_root(name: str, computed: bytes, stated: bytes) -> None:
    if computed != stated:
        raise IntegrityFailure(
            "consistency.root-mismatch", f"The proof does not lead to the {name} root."
        )


def _split(count: int) -> int:
    """Largest power of two smaller than ``count`` (RFC 9162 §2.1.1), for count > 1."""
    return 1 << ((count - 1).bit_length() - 1)


def _peaks(start: int, end: int, node: NodeFetcher) -> list[bytes]:
    """Nodes covering ``[start, end)`` from left to right, ``start`` aligned as in a tree split."""
    peaks: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(node(level, start >> level))
        start += 1 << level
    return peaks


def _fold(peaks: Sequence[bytes]) -> bytes:
    root = peaks[-1]
    for left in reversed(peaks[:-1]):
        root = node_hash(left, root)
    return root


def _range_root(start: int, end: int, node: NodeFetcher) -> bytes:
    return _fold(_peaks(start, end, node))


def _require_hash(value: bytes, where: int | str) -> None:
    if len(value) != HASH_SIZE:
        raise IntegrityFailure(
            "tree.hash-length", f"A hash is 32 bytes long, not {len(value)}.", where=str(where)
        )


def _out_of_range(message: str) -> RejectedInput:
    return RejectedInput("tree.out-of-range", message)

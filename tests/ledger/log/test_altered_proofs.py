"""The alterations of transparency-dev's proof vectors, made to the proofs of the CT test tree.

That project publishes, for each proof of the eight Certificate Transparency entries, the same
proof altered in a fixed list of ways (``testdata/inclusion``, ``testdata/consistency``). The same
alterations are made here, to every proof of that tree; each must be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.errors import IntegrityFailure
from ledger.log.tree import verify_consistency, verify_inclusion
from tests.vectors import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657",
           "606162636465666768696a6b6c6d6e6f")  # fmt: skip
LEAVES = [plain.leaf(bytes.fromhex(entry)) for entry in ENTRIES]
OTHER = plain.sha256(b"some other hash")
Path = list[bytes]
Inclusion = tuple[int, int, bytes, Path, bytes]
Consistency = tuple[int, int, Path, bytes, bytes]


def paths(path: Path, *around: bytes) -> Iterator[tuple[str, Path]]:
    """A path with something put before or behind it, cut, or changed in one bit."""
    for name, extra in (("garbage", b""), ("other", OTHER), *((b.hex()[:6], b) for b in around)):
        yield f"preceding-{name}", [extra, *path]
        yield f"trailing-{name}", [*path, extra]
    if path:
        yield "empty", []
        yield "truncated", path[:-1]
        yield "preceding-first", [path[0], *path]
        yield "trailing-last", [*path, path[-1]]
    for at, step in enumerate(path):
        yield f"modified-{at}", [*path[:at], bytes([step[0] ^ 16]) + step[1:], *path[at + 1 :]]


def altered_inclusion(index: int, size: int) -> Iterator[tuple[str, Inclusion]]:
    """One proof, altered."""
    leaf, root = LEAVES[index], plain.root(LEAVES[:size])
    path = plain.inclusion(index, LEAVES[:size])
    for name, other in (("-1", index - 1), ("+1", index + 1), ("^2", index ^ 2)):
        yield f"index{name}", (other, size, leaf, path, root)
    yield "size*2", (index, size * 2, leaf, path, root)
    yield "size/2", (index, size // 2, leaf, path, root)
    yield "leaf", (index, size, OTHER, path, root)
    yield "empty-leaf", (index, size, b"", path, root)
    yield "root", (index, size, leaf, path, OTHER)
    yield "empty-root", (index, size, leaf, path, b"")
    for name, other_path in paths(path, root, leaf):
        yield name, (index, size, leaf, other_path, root)


def altered_consistency(old: int, new: int) -> Iterator[tuple[str, Consistency]]:
    """One proof, altered."""
    first, second = plain.root(LEAVES[:old]), plain.root(LEAVES[:new])
    path = plain.consistency(old, LEAVES[:new])
    for name, other in (("-1", old - 1), ("+1", old + 1), ("^2", old ^ 2)):
        yield f"old{name}", (other, new, path, first, second)
    yield "new*2", (old, new * 2, path, first, second)
    yield "new/2", (old, new // 2, path, first, second)
    yield "old-root", (old, new, path, OTHER, second)
    yield "new-root", (old, new, path, first, OTHER)
    yield "empty-root", (old, new, path, b"", second)
    yield "swapped-roots", (old, new, path, second, first)
    for name, other_path in paths(path, first, second):
        yield name, (old, new, other_path, first, second)


@pytest.mark.parametrize("size", range(1, 9))
def test_no_altered_inclusion_proof_is_accepted(size: int) -> None:
    """For every entry of every size; the proof itself is."""
    for index in range(size):
        leaf, root = LEAVES[index], plain.root(LEAVES[:size])
        sound = plain.inclusion(index, LEAVES[:size])
        verify_inclusion(index=index, size=size, leaf=leaf, path=sound, root=root)
        for _, (at, of, hashed, path, top) in altered_inclusion(index, size):
            with pytest.raises(IntegrityFailure):
                verify_inclusion(index=at, size=of, leaf=hashed, path=path, root=top)


@pytest.mark.parametrize("new", range(2, 9))
def test_no_altered_consistency_proof_is_accepted(new: int) -> None:
    """For every smaller size; the proof itself is."""
    for old in range(1, new):
        first, second = plain.root(LEAVES[:old]), plain.root(LEAVES[:new])
        sound = plain.consistency(old, LEAVES[:new])
        verify_consistency(old_size=old, new_size=new, path=sound, old_root=first, new_root=second)
        for _, (low, high, path, one, two) in altered_consistency(old, new):
            with pytest.raises(IntegrityFailure):
                verify_consistency(
                    old_size=low, new_size=high, path=path, old_root=one, new_root=two
                )

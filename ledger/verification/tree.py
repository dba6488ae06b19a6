"""Check 4: the tree over the entries, against every signed root and every stored tile.

Three witnesses speak about each leaf: the entry's bytes, the stored tile, and the roots the log
signed. Where bytes and tile differ, the next signed root decides which of them was altered, and
the check goes on from what was signed: so damage is named where it is and only there.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeGuard

from ledger.log.lexical import HASH_SIZE
from ledger.log.tiles import TILE_BYTES, TILE_WIDTH, full_tiles, tile_path
from ledger.log.tree import Frontier, node_hash, root_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.verification.evidence import EvidenceSource, StoredTile
    from ledger.verification.report import Findings

_REMEMBERED: Final = 4 * TILE_WIDTH


class TreeCheck:
    """Takes leaves and signed roots in order; memory is one tile for each level."""

    def __init__(self, source: EvidenceSource, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self.size = 0
        self.proven = 0
        """Size of the last signed root that agrees without a break before it."""
        self._pending: list[bytes | None] = []
        """Leaves of one tile that were not looked at yet: many at once are cheaper."""
        self._frontier: Frontier | None = Frontier()
        self._inner: Frontier | None = None
        """The frontier within a tile that nothing disputes; `_frontier` then ends before it."""
        self._stored: StoredTile | None = None
        self._recorded: Frontier | None = None
        self._disputed: list[int] = []
        self._altered: dict[int, None] = {}
        self._tile: bytes | None = None
        self._leaves: list[bytes | None] = []
        self._kept_leaves: list[bytes | None] = []
        self._levels: list[list[bytes | None]] = []
        self._open_tiles: dict[int, bytes | None] = {}
        self._unproven: tuple[int, int, bytes, bytes] | None = None

    def root(self) -> bytes | None:
        """The root over the entries taken, None when one of them could not be known."""
        frontier = self._settled()
        return None if frontier is None else frontier.root()

    def disputed(self, seq: int) -> bool:
        """Whether the stored tile has another hash for an entry, not yet decided."""
        self._settle()
        return seq in self._disputed

    def confirms(self, seq: int) -> bool:
        """Whether a signed root covers an entry's bytes as they were read."""
        return self.proven > seq and seq not in self._altered

    def take(self, leaf: bytes | None) -> None:
        """Take the next leaf hash, None when the entry is missing or unreadable."""
        self._pending.append(leaf)
        self.size += 1
        if self.size % TILE_WIDTH == 0:
            self._settle()

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Take leaf hashes one behind the other."""
        start = 0
        while start < len(leaves):
            end = min(start + TILE_WIDTH - self.size % TILE_WIDTH, len(leaves))
            self._pending += leaves[start:end]
            self.size += end - start
            start = end
            if self.size % TILE_WIDTH == 0:
                self._settle()

    def signed(self, size: int, root: bytes) -> None:
        """Compare with a root that the log signed for the present size."""
        frontier = self._settled()
        if frontier is None:
            return
        if frontier.root() == root:
            for position in self._disputed:
                tile = position // TILE_WIDTH
                self._findings.add("tree.tile", position, field=tile_path(0, tile))
            self._agreed(frontier, size)
        elif self._recorded is not None and self._recorded.root() == root:
            self._name_disputed()
            self._altered = dict.fromkeys([*self._altered, *self._disputed][-_REMEMBERED:])
            self._leaves = self._kept_leaves[:]
            self._repair_levels()
            self._agreed(self._recorded, size)
        else:
            first, found = size, frontier.root()
            if self._unproven is not None:
                first, _, root, found = self._unproven
            self._unproven = (first, size, root, found)

    def contains(self, root: bytes) -> bool:
        """Whether a root is the present one (True also when it cannot be known)."""
        frontier = self._settled()
        return frontier is None or frontier.root() == root

    def end(self) -> None:
        """All leaves are taken: name what nothing decided, and tiles the tree does not have."""
        self._settle()
        self._name_disputed()
        self._name_unproven()
        for tile in self._source.stray_tiles(self.size, 100):
            where = f"tile/{tile.level}/{tile.index}"
            self._findings.add("tree.tile-extra", None, field=where)

    def _agreed(self, frontier: Frontier, size: int) -> None:
        self._name_unproven()
        if self._inner is None:
            self._frontier, self._recorded = frontier, None
        self._disputed, self._open_tiles = [], {}
        self.proven = size

    def _name_unproven(self) -> None:
        """Roots disagree from some size on: what other checks accuse there narrows it down."""
        if self._unproven is None:
            return
        size, last, root, found = self._unproven
        accused = self._findings.first_altered(self.proven)
        first = self.proven if accused is None or accused >= size else accused
        self._findings.add(
            "tree.root", first, last - 1, expected=root.hex(), found=found.hex(),
            field=f"checkpoint {size}",
        )  # fmt: skip
        self._unproven = None

    def _name_disputed(self) -> None:
        for position in self._disputed:
            self._findings.add("tree.entries", position)

    def _settled(self) -> Frontier | None:
        """The frontier over all leaves taken, None when one of them could not be known."""
        self._settle()
        before, inner = self._frontier, self._inner
        if before is None or inner is None:
            return before
        return Frontier(before.size + inner.size, before.peaks + inner.peaks)

    def _settle(self) -> None:
        """Look at the leaves that wait: together, where no witness disputes any of them."""
        leaves = self._pending
        if not leaves:
            return
        start = (self.size - len(leaves)) % TILE_WIDTH
        if start == 0:
            self._open_tile((self.size - 1) // TILE_WIDTH)
        if self._inner is not None and self._are_undisputed(leaves, start):
            self._inner = _extended(self._inner, leaves)
            self._leaves += leaves
            self._kept_leaves += leaves
        else:
            # The leaves before these are settled, so that nothing is pending while they are taken.
            self._pending = []
            before = self._settled()
            self._frontier, self._inner = before, None
            for offset, leaf in enumerate(leaves, start):
                self._look(leaf, offset)
        self._pending = []
        if self.size % TILE_WIDTH == 0:
            self._complete()

    def _open_tile(self, index: int) -> None:
        self._stored = self._source.tile(0, index)
        self._tile = _hashes(self._stored)
        self._leaves, self._kept_leaves = [], []
        unclear = self._frontier is None or self._recorded is not None or self._disputed
        self._inner = None if unclear else Frontier()

    def _are_undisputed(self, leaves: Sequence[bytes | None], start: int) -> TypeGuard[list[bytes]]:
        known = [leaf for leaf in leaves if leaf is not None]
        if len(known) < len(leaves):
            return False
        end = start + len(leaves)
        return self._tile is None or self._tile[start * HASH_SIZE : end * HASH_SIZE] == b"".join(
            known
        )

    def _look(self, leaf: bytes | None, offset: int) -> None:
        """Look at one leaf beside what the stored tile says of it."""
        kept = (
            leaf
            if self._tile is None
            else self._tile[offset * HASH_SIZE : (offset + 1) * HASH_SIZE]
        )
        believed = kept if leaf is None else leaf
        if believed != kept and len(self._disputed) < _REMEMBERED:
            self._disputed.append((self.size - 1) // TILE_WIDTH * TILE_WIDTH + offset)
        self._append(believed, kept)
        self._leaves.append(believed)
        self._kept_leaves.append(kept)

    def _append(self, believed: bytes | None, kept: bytes | None) -> None:
        before = self._frontier
        if believed is None or before is None:
            self._frontier = self._recorded = None
            return
        self._frontier = before.append(believed)
        if self._recorded is not None or believed != kept:
            recorded = before if self._recorded is None else self._recorded
            self._recorded = recorded.append(believed if kept is None else kept)

    def _complete(self) -> None:
        index, stored = self.size // TILE_WIDTH - 1, self._stored
        first = index * TILE_WIDTH
        root = _root(self._leaves) if self._inner is None else self._inner.root()
        if self._inner is None or self._tile is None or stored is None or stored.root != root:
            self._check_stored(0, index, stored)
        if stored is not None and self._tile is None:
            self._findings.add("tree.tile", first, self.size - 1, field=tile_path(0, index))
        if self._disputed and self._disputed[-1] >= first:
            self._open_tiles[index] = _root(self._kept_leaves)
        if self._inner is not None and self._frontier is not None and root is not None:
            self._frontier, self._inner = _with_tile(self._frontier, root), None
        self._promote(1, index, root)

    def _promote(self, level: int, index: int, root: bytes | None) -> None:
        """Put the root of a full tile into the row above, which may fill up in turn."""
        while len(self._levels) < level:
            self._levels.append([])
        row = self._levels[level - 1]
        row.append(root)
        if len(row) < TILE_WIDTH:
            return
        above = index // TILE_WIDTH
        stored = self._source.tile(level, above)
        self._check_stored(level, above, stored)
        known = [value for value in row if value is not None]
        if stored is not None and len(known) == TILE_WIDTH and stored.hashes != b"".join(known):
            self._findings.add("tree.tile", *_span(level, above), field=tile_path(level, above))
        self._levels[level - 1] = []
        self._promote(level + 1, above, _root(row))

    def _check_stored(self, level: int, index: int, stored: StoredTile | None) -> None:
        where = tile_path(level, index)
        if stored is None:
            self._findings.add("tree.tile-missing", *_span(level, index), field=where)
            return
        hashes = _hashes(stored)
        if hashes is None or stored.root is None:
            return
        expected = root_of_hashes(hashes)
        if stored.root != expected:
            self._findings.add(
                "tree.tile-root", *_span(level, index), expected=expected, found=stored.root,
                field=where,
            )  # fmt: skip

    def _repair_levels(self) -> None:
        """Tiles completed while it was open whom to believe take the roots that were signed."""
        if not self._levels:
            return
        done = full_tiles(0, self.size)
        row = self._levels[0]
        for index, root in self._open_tiles.items():
            place = len(row) - (done - index)
            if 0 <= place < len(row):
                row[place] = root


def root_of_hashes(hashes: bytes) -> bytes:
    """The root over the 256 hashes of a tile."""
    return root_of(hashes[start : start + HASH_SIZE] for start in range(0, len(hashes), HASH_SIZE))


def _extended(frontier: Frontier, leaves: Sequence[bytes]) -> Frontier:
    """The frontier after more leaves, each perfect subtree of them hashed level by level."""
    size, peaks, start = frontier.size, [*frontier.peaks], 0
    while start < len(leaves):
        width = 1 << (len(leaves) - start).bit_length() - 1
        width = min(width, size & -size) if size else width
        node, carries = _perfect(leaves[start : start + width]), size // width
        while carries & 1:
            node = node_hash(peaks.pop(), node)
            carries >>= 1
        peaks.append(node)
        size, start = size + width, start + width
    return Frontier(size, tuple(peaks))


def _perfect(row: Sequence[bytes]) -> bytes:
    """The root over as many leaves as a power of two."""
    while len(row) > 1:
        nodes = iter(row)
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(nodes, nodes)]  # noqa: B905
    return row[0]


def _with_tile(frontier: Frontier, root: bytes) -> Frontier:
    """The frontier over full tiles after one more, by that one's root."""
    peaks, node, carries = [*frontier.peaks], root, frontier.size // TILE_WIDTH
    while carries & 1:
        node = node_hash(peaks.pop(), node)
        carries >>= 1
    return Frontier(frontier.size + TILE_WIDTH, (*peaks, node))


def _root(leaves: list[bytes | None]) -> bytes | None:
    known = [leaf for leaf in leaves if leaf is not None]
    return root_of(known) if len(known) == len(leaves) else None


def _hashes(tile: StoredTile | None) -> bytes | None:
    hashes = None if tile is None else tile.hashes
    return hashes if isinstance(hashes, bytes) and len(hashes) == TILE_BYTES else None


def _span(level: int, index: int) -> tuple[int, int]:
    width = TILE_WIDTH ** (level + 1)
    return index * width, (index + 1) * width - 1

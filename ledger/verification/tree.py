"""Check 4: the tree over the entries, against every signed root and every stored tile.

Three witnesses speak about each leaf: the entry's bytes, the stored tile, and the roots the log
signed. Where bytes and tile differ, the next signed root decides which of them was altered, and
the check goes on from what was signed: so damage is named where it is and only there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.log.lexical import HASH_SIZE
from ledger.log.tiles import TILE_BYTES, TILE_WIDTH, full_tiles, tile_path
from ledger.log.tree import Frontier, root_of

if TYPE_CHECKING:
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
        self._frontier: Frontier | None = Frontier()
        self._waiting: list[bytes] = []
        """Leaves that no witness disputes, not yet in the frontier: appending many is cheaper."""
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
        return seq in self._disputed

    def confirms(self, seq: int) -> bool:
        """Whether a signed root covers an entry's bytes as they were read."""
        return self.proven > seq and seq not in self._altered

    def take(self, leaf: bytes | None) -> None:
        """Take the next leaf hash, None when the entry is missing or unreadable."""
        offset = self.size % TILE_WIDTH
        if offset == 0:
            self._tile = _hashes(self._source.tile(0, self.size // TILE_WIDTH))
            self._leaves, self._kept_leaves = [], []
        kept = (
            leaf
            if self._tile is None
            else self._tile[offset * HASH_SIZE : (offset + 1) * HASH_SIZE]
        )
        believed = kept if leaf is None else leaf
        if believed != kept and len(self._disputed) < _REMEMBERED:
            self._disputed.append(self.size)
        self._extend(believed, kept)
        self._leaves.append(believed)
        self._kept_leaves.append(kept)
        self.size += 1
        if offset == TILE_WIDTH - 1:
            self._complete()

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
        self._name_disputed()
        self._name_unproven()
        for tile in self._source.stray_tiles(self.size, 100):
            where = f"tile/{tile.level}/{tile.index}"
            self._findings.add("tree.tile-extra", None, field=where)

    def _agreed(self, frontier: Frontier, size: int) -> None:
        self._name_unproven()
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

    def _extend(self, believed: bytes | None, kept: bytes | None) -> None:
        if self._recorded is None and believed is not None and believed == kept:
            self._waiting.append(believed)
            return
        before = self._settled()
        if believed is None or before is None:
            self._frontier = self._recorded = None
            return
        self._frontier = before.append(believed)
        if self._recorded is not None or believed != kept:
            recorded = before if self._recorded is None else self._recorded
            self._recorded = recorded.append(believed if kept is None else kept)

    def _settled(self) -> Frontier | None:
        """The frontier over all leaves taken, None when one of them could not be known."""
        if self._waiting:
            if self._frontier is not None:
                self._frontier = self._frontier.extend(self._waiting)
            self._waiting = []
        return self._frontier

    def _complete(self) -> None:
        self._settled()
        index = self.size // TILE_WIDTH - 1
        stored = self._source.tile(0, index)
        first = index * TILE_WIDTH
        self._check_stored(0, index, stored)
        if stored is not None and self._tile is None:
            self._findings.add("tree.tile", first, self.size - 1, field=tile_path(0, index))
        if self._disputed and self._disputed[-1] >= first:
            self._open_tiles[index] = _root(self._kept_leaves)
        self._promote(1, index, _root(self._leaves))

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


def _root(leaves: list[bytes | None]) -> bytes | None:
    known = [leaf for leaf in leaves if leaf is not None]
    return root_of(known) if len(known) == len(leaves) else None


def _hashes(tile: StoredTile | None) -> bytes | None:
    hashes = None if tile is None else tile.hashes
    return hashes if isinstance(hashes, bytes) and len(hashes) == TILE_BYTES else None


def _span(level: int, index: int) -> tuple[int, int]:
    width = TILE_WIDTH ** (level + 1)
    return index * width, (index + 1) * width - 1

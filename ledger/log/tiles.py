"""Tiles and entry bundles of C2SP tlog-tiles: names, widths, contents, and nodes out of tiles.

A tile spans eight tree levels: the tile ``(level, index)`` holds the roots of 256 consecutive
perfect subtrees of ``256^level`` leaves. Only full tiles are stored, once and for ever; the
incomplete right edge of a level is always the roots of the last full tiles one level below, or
the leaf hashes of the last entries, so it needs no store of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log.lexical import HASH_SIZE, MAX_SIZE
from ledger.log.tree import NodeFetcher, node_hash

TILE_HEIGHT = 8
"""Tree levels that one tile spans."""

TILE_WIDTH = 256
"""Hashes in a full tile."""

TILE_BYTES = TILE_WIDTH * HASH_SIZE
"""Length of a full tile, 8,192 bytes."""

MAX_ENTRY_BYTES = 65_535
"""Longest entry a bundle can carry, by its two-byte length."""

MAX_TILE_LEVEL = 63
"""Highest tile level a path may name."""

_PATH = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)

TileFetcher = Callable[[int, int], bytes]
"""Gives the bytes of the tile ``(tile level, tile index)``, as wide as it is in the tree."""


class TileReader(Protocol):
    """What a store must be able to read for tiles of any size up to its own to be served."""

    @property
    def size(self) -> int:
        """Number of leaves stored; all full tiles of this size are present."""

    def full_tile(self, level: int, index: int) -> bytes:
        """Give one full tile, 8,192 bytes."""

    def tile_roots(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """Give the roots (32 bytes each) of ``count`` < 256 consecutive full tiles of a level."""

    def leaf_hashes(self, first: int, count: int) -> Sequence[bytes]:
        """Give the leaf hashes of ``count`` < 256 consecutive entries at the right edge."""


@dataclass(frozen=True, slots=True)
class TileName:
    """A parsed path: the tile ``(level, index)`` or, with ``level`` None, an entry bundle.

    ``width`` is None for a full tile, else 1 to 255.
    """

    level: int | None
    index: int
    width: int | None = None

    def __str__(self) -> str:
        """Write the path below the log's prefix, such as ``tile/0/x001/067.p/112``."""
        if self.level is None:
            return entries_path(self.index, self.width)
        return tile_path(self.level, self.index, self.width)


@dataclass(frozen=True, slots=True)
class FullTile:
    """A tile that has become full: 256 hashes (8,192 bytes) and the root over them (32 bytes)."""

    level: int
    index: int
    hashes: bytes
    root: bytes


def tile_path(level: int, index: int, width: int | None = None) -> str:
    """Write the path of a tile below the log's prefix (C2SP tlog-tiles, "Merkle Tree").

    Raises:
        RejectedInput: ``tiles.path`` for a level beyond 63, an index beyond 2⁶³-1 or a width
            outside 1 to 255.
    """
    if not 0 <= level <= MAX_TILE_LEVEL:
        raise _bad_path(f"Tile level {level} is not between 0 and 63.")
    return f"tile/{level}/{_index_path(index, width)}"


def entries_path(index: int, width: int | None = None) -> str:
    """Write the path of an entry bundle below the log's prefix (C2SP tlog-tiles, "Log entries").

    Raises:
        RejectedInput: ``tiles.path``.
    """
    return f"tile/entries/{_index_path(index, width)}"


def parse_tile_path(path: str) -> TileName:
    """Read a tile or bundle path; only the one canonical spelling of each name is accepted.

    Raises:
        RejectedInput: ``tiles.path``.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise _bad_path("This is not the path of a tile or an entry bundle.")
    level, index, width = match.groups()
    name = TileName(
        level=None if level == "entries" else int(level),
        index=int(index.replace("/", "").replace("x", "")),
        width=None if width is None else int(width),
    )
    if str(name) != path:
        raise _bad_path("The path of a tile has no superfluous zeros.")
    return name


def full_tiles(level: int, size: int) -> int:
    """Count the full tiles of a level in a tree of ``size`` leaves."""
    return size >> (TILE_HEIGHT * (level + 1))


def partial_width(level: int, size: int) -> int:
    """Give the width of the partial tile of a level, 0 when there is none."""
    return (size >> (TILE_HEIGHT * level)) % TILE_WIDTH


def tile_width(level: int, index: int, size: int) -> int:
    """Give how many hashes a tile has at a tree size: 256, its partial width, or 0."""
    full = full_tiles(level, size)
    if index < full:
        return TILE_WIDTH
    return partial_width(level, size) if index == full else 0


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Write an entry bundle: each entry after its length as two big-endian bytes.

    Raises:
        RejectedInput: ``tiles.bundle-width`` unless 1 to 256 entries, ``tiles.entry-too-long``.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise RejectedInput("tiles.bundle-width", "A bundle holds 1 to 256 entries.")
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise RejectedInput("tiles.entry-too-long", "An entry is at most 65,535 bytes long.")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_entries(bundle: bytes, *, width: int) -> list[bytes]:
    """Read an entry bundle that must hold exactly ``width`` entries and nothing after them.

    Raises:
        IntegrityFailure: ``tiles.bundle-truncated`` or ``tiles.bundle-width``.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(bundle) and len(entries) < width:
        start = position + 2
        end = start + int.from_bytes(bundle[position:start], "big")
        if start > len(bundle) or end > len(bundle):
            raise IntegrityFailure(
                "tiles.bundle-truncated", "The bundle ends inside an entry.", where=str(position)
            )
        entries.append(bundle[start:end])
        position = end
    if len(entries) != width or position != len(bundle):
        raise IntegrityFailure(
            "tiles.bundle-width", f"The bundle does not hold exactly {width} entries."
        )
    return entries


def node_from_tiles(level: int, index: int, tile: TileFetcher) -> bytes:
    """Give the node ``(level, index)`` of the tree by hashing up within the one tile it is in.

    Raises:
        IntegrityFailure: ``tiles.too-narrow`` when the tile lacks hashes the node is made of.
    """
    tile_level, height = divmod(level, TILE_HEIGHT)
    tile_index, offset = divmod(index << height, TILE_WIDTH)
    count = 1 << height
    data = tile(tile_level, tile_index)[offset * HASH_SIZE : (offset + count) * HASH_SIZE]
    if len(data) != count * HASH_SIZE:
        raise IntegrityFailure(
            "tiles.too-narrow",
            f"The tile does not reach hash {offset + count - 1}.",
            where=tile_path(tile_level, tile_index),
        )
    return _perfect_root(data)


def tile_hashes(level: int, index: int, size: int, source: TileReader) -> bytes:
    """Give a tile as it is in the tree of ``size`` leaves: 1 to 256 hashes of 32 bytes.

    ``size`` may be any size up to the store's own; an old partial tile is cut from the full one.

    Raises:
        RejectedInput: ``tiles.not-in-tree`` when the tile does not exist at that size.
        IntegrityFailure: ``tiles.store-damaged`` when the store gives hashes of a wrong length.
    """
    width = tile_width(level, index, size) if level >= 0 and index >= 0 else 0
    if width == 0 or size > source.size:
        raise RejectedInput(
            "tiles.not-in-tree",
            f"Tile {index} of level {level} does not exist in a tree of size {size}.",
        )
    if index < full_tiles(level, source.size):
        data, expected = source.full_tile(level, index), TILE_BYTES
    else:
        first = index * TILE_WIDTH
        edge = (
            source.leaf_hashes(first, width)
            if level == 0
            else source.tile_roots(level - 1, first, width)
        )
        data, expected = b"".join(edge), width * HASH_SIZE
    if len(data) != expected:
        raise IntegrityFailure(
            "tiles.store-damaged",
            f"The store gave {len(data)} bytes of hashes instead of {expected}.",
            where=tile_path(level, index),
        )
    return data[: width * HASH_SIZE]


def subtree_hash(level: int, index: int, source: TileReader) -> bytes:
    """Give the node ``(level, index)`` of a stored tree by reading one tile.

    Raises:
        RejectedInput: ``tiles.not-in-tree`` when the subtree is not complete in the store.
        IntegrityFailure: ``tiles.store-damaged``.
    """
    return node_fetcher(source)(level, index)


def node_fetcher(source: TileReader) -> NodeFetcher:
    """Give a node fetcher that reads each tile once; make a new one for each proof.

    A fetcher keeps the tiles it has read and the size the store had at its making.
    """
    size = source.size
    tiles: dict[tuple[int, int], bytes] = {}

    def tile(level: int, index: int) -> bytes:
        if (level, index) not in tiles:
            tiles[level, index] = tile_hashes(level, index, size, source)
        return tiles[level, index]

    def node(level: int, index: int) -> bytes:
        if not 0 <= index < size >> level:
            raise RejectedInput(
                "tiles.not-in-tree",
                f"Subtree {index} of height {level} is not complete in a tree of size {size}.",
            )
        return node_from_tiles(level, index, tile)

    return node


def completed_tiles(
    old_size: int, leaf_hashes: Sequence[bytes], source: TileReader
) -> list[FullTile]:
    """Give the tiles of all levels that become full when leaves are appended, lower levels first.

    ``source`` is the store before the append; of it at most the right edge of each level that
    fills up is read.

    Raises:
        IntegrityFailure: ``tiles.store-damaged`` or ``tiles.too-narrow``.
    """
    completed: list[FullTile] = []
    level, arriving = 0, leaf_hashes
    while arriving:
        width = partial_width(level, old_size)
        if width + len(arriving) < TILE_WIDTH:
            break
        index = full_tiles(level, old_size)
        edge = tile_hashes(level, index, old_size, source) if width else b""
        row = edge + b"".join(arriving)
        if len(row) != (width + len(arriving)) * HASH_SIZE:
            raise IntegrityFailure("tiles.too-narrow", "Not every hash is 32 bytes long.")
        filled = [
            _full_tile(level, index + number, row[start : start + TILE_BYTES])
            for number, start in enumerate(range(0, len(row) - TILE_BYTES + 1, TILE_BYTES))
        ]
        completed += filled
        level, arriving = level + 1, [tile.root for tile in filled]
    return completed


def _full_tile(level: int, index: int, hashes: bytes) -> FullTile:
    return FullTile(level, index, hashes, _perfect_root(hashes))


def _perfect_root(hashes: bytes) -> bytes:
    row = [hashes[start : start + HASH_SIZE] for start in range(0, len(hashes), HASH_SIZE)]
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def _index_path(index: int, width: int | None) -> str:
    if not 0 <= index <= MAX_SIZE:
        raise _bad_path(f"Tile index {index} is not possible.")
    if width is not None and not 1 <= width < TILE_WIDTH:
        raise _bad_path("The width of a partial tile is between 1 and 255.")
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width is None else f"{path}.p/{width}"


def _bad_path(message: str) -> RejectedInput:
    return RejectedInput("tiles.path", message)

"""Tiles: names, widths and bundles of C2SP tlog-tiles, and proofs built out of stored tiles."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log.tiles import (
    FullTile,
    completed_tiles,
    decode_entries,
    encode_entries,
    entries_path,
    full_tiles,
    node_fetcher,
    node_from_tiles,
    parse_tile_path,
    partial_width,
    subtree_hash,
    tile_hashes,
    tile_path,
)
from ledger.log.tree import (
    consistency_path,
    frontier_at,
    inclusion_path,
    root_of,
    verify_consistency,
    verify_inclusion,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAVES = [sha256(b"entry %d" % number).digest() for number in range(70_000)]


class Store:
    """A store as a database keeps it: full tiles only, and the leaves of the entries."""

    def __init__(self) -> None:
        """Begin empty."""
        self.leaves: list[bytes] = []
        self.tiles: dict[tuple[int, int], FullTile] = {}
        self.tile_reads = 0

    @property
    def size(self) -> int:
        """Number of leaves."""
        return len(self.leaves)

    def append(self, leaves: Sequence[bytes]) -> None:
        """Append as one transaction would."""
        for tile in completed_tiles(self.size, leaves, self):
            assert (tile.level, tile.index) not in self.tiles
            self.tiles[tile.level, tile.index] = tile
        self.leaves += leaves

    def full_tile(self, level: int, index: int) -> bytes:
        """Read one row."""
        self.tile_reads += 1
        return self.tiles[level, index].hashes

    def tile_roots(self, level: int, first: int, count: int) -> list[bytes]:
        """Read the root column of a range of rows."""
        assert count < 256
        self.tile_reads += 1
        return [self.tiles[level, first + number].root for number in range(count)]

    def leaf_hashes(self, first: int, count: int) -> list[bytes]:
        """Hash a range of entries."""
        assert count < 256
        self.tile_reads += 1
        return self.leaves[first : first + count]


@pytest.fixture(scope="module")
def store() -> Store:
    """Build the specification's example of 70,000 entries, in two uneven appends."""
    built = Store()
    built.append(LEAVES[:33_333])
    built.append(LEAVES[33_333:])
    return built


def test_seventy_thousand_entries_make_the_tiles_the_specification_counts(store: Store) -> None:
    """C2SP tlog-tiles: 273 full and one of 112, one full and one of 17, one of 1."""
    assert [full_tiles(level, 70_000) for level in range(3)] == [273, 1, 0]
    assert [partial_width(level, 70_000) for level in range(4)] == [112, 17, 1, 0]
    assert sorted(store.tiles) == [*((0, index) for index in range(273)), (1, 0)]


@pytest.mark.parametrize(
    ("level", "index", "start", "step", "width"),
    [
        (0, 273, 69_888, 1, 112),
        (0, 5, 1280, 1, 256),
        (1, 0, 0, 256, 256),
        (1, 1, 65_536, 256, 17),
        (2, 0, 0, 65_536, 1),
    ],
)
def test_tile_hashes_are_the_merkle_tree_hashes_of_the_specification(
    store: Store, level: int, index: int, start: int, step: int, width: int
) -> None:
    """Item i of tile n at level l is MTH(D[(256n+i)·256^l : (256n+i+1)·256^l])."""
    expected = b"".join(
        root_of(LEAVES[start + i * step : start + (i + 1) * step]) for i in range(width)
    )
    assert tile_hashes(level, index, 70_000, store) == expected


@pytest.mark.parametrize(("level", "index"), [(0, 274), (1, 2), (2, 1), (3, 0), (-1, 0), (0, -1)])
def test_tiles_that_are_not_in_the_tree_are_not_served(
    store: Store, level: int, index: int
) -> None:
    """Empty and missing tiles are refused, never made up."""
    with pytest.raises(RejectedInput) as caught:
        tile_hashes(level, index, 70_000, store)
    assert caught.value.code == "tiles.not-in-tree"


@given(st.integers(1, 70_000), st.integers(0, 2))
def test_an_old_partial_tile_is_the_beginning_of_todays_tile(
    store: Store, size: int, level: int
) -> None:
    """Tiles of earlier tree sizes can be served for ever."""
    width, index = partial_width(level, size), full_tiles(level, size)
    assume(width)
    today = tile_hashes(level, index, 70_000, store)
    assert tile_hashes(level, index, size, store) == today[: 32 * width]


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), max_size=6))
def test_completed_tiles_are_the_same_however_the_leaves_arrive(batches: list[int]) -> None:
    """Many appends leave the same tiles as one."""
    total = sum(batches)
    piecewise, at_once = Store(), Store()
    for count in batches:
        piecewise.append(LEAVES[piecewise.size : piecewise.size + count])
    at_once.append(LEAVES[:total])
    assert piecewise.tiles == at_once.tiles
    assert len(at_once.tiles) == sum(full_tiles(level, total) for level in range(3))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 70_000), st.integers(0, 69_999))
@example(65_536, 65_535)
@example(65_537, 65_536)
@example(70_000, 0)
def test_proofs_out_of_tiles_verify_against_the_root_of_the_leaves(
    store: Store, size: int, position: int
) -> None:
    """Inclusion and consistency at any size of the log are proven from stored tiles alone."""
    index = position % size
    node = node_fetcher(store)
    root = root_of(LEAVES[:size])
    assert frontier_at(size, node).root() == root
    path = inclusion_path(index, size, node)
    verify_inclusion(index=index, size=size, leaf=LEAVES[index], path=path, root=root)
    proof = consistency_path(index + 1, size, node)
    old_root = root_of(LEAVES[: index + 1])
    verify_consistency(
        old_size=index + 1, new_size=size, path=proof, old_root=old_root, new_root=root
    )


@given(st.integers(0, 69_999))
def test_an_inclusion_path_reads_few_tiles(store: Store, index: int) -> None:
    """A proof in a tree of 70,000 reads at most the two tiles of each of three levels."""
    before = store.tile_reads
    inclusion_path(index, 70_000, node_fetcher(store))
    assert store.tile_reads - before <= 6


@settings(deadline=None)
@given(st.integers(0, 16), st.data())
def test_any_complete_subtree_has_the_root_of_its_leaves(
    store: Store, level: int, data: st.DataObject
) -> None:
    """Nodes of all levels agree with hashing the leaves they span."""
    index = data.draw(st.integers(0, (70_000 >> level) - 1))
    leaves = LEAVES[index << level : (index + 1) << level]
    assert subtree_hash(level, index, store) == root_of(leaves)


@pytest.mark.parametrize(("level", "index"), [(0, 70_000), (4, 4375), (17, 0), (63, 0), (0, -1)])
def test_an_incomplete_subtree_has_no_hash(store: Store, level: int, index: int) -> None:
    """A subtree reaching beyond the log is refused."""
    with pytest.raises(RejectedInput):
        subtree_hash(level, index, store)


def test_a_damaged_row_is_named() -> None:
    """A row cut short is reported with the tile it was found in."""
    store = Store()
    store.append(LEAVES[:300])
    tile = store.tiles[0, 0]
    store.tiles[0, 0] = FullTile(0, 0, tile.hashes[:-1], tile.root)
    with pytest.raises(IntegrityFailure) as caught:
        subtree_hash(0, 3, store)
    assert (caught.value.code, caught.value.where) == ("tiles.store-damaged", "tile/0/000")


def test_a_tile_too_narrow_for_a_node_is_refused() -> None:
    """A client given a shorter tile than it needs does not hash what is missing."""
    with pytest.raises(IntegrityFailure) as caught:
        node_from_tiles(1, 1, lambda level, index: b"x" * 96)
    assert caught.value.code == "tiles.too-narrow"


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, None, "tile/0/000"),
        (0, 1000, None, "tile/0/x001/000"),
        (1, 1_234_067, None, "tile/1/x001/x234/067"),
        (63, 999, 255, "tile/63/999.p/255"),
        (0, 273, 112, "tile/0/273.p/112"),
    ],
)
def test_tile_paths_are_spelt_as_the_specification_shows(
    level: int, index: int, width: int | None, path: str
) -> None:
    """Examples of C2SP tlog-tiles and its limits."""
    assert tile_path(level, index, width) == path


@given(
    st.none() | st.integers(0, 63),
    st.integers(0, 2**63 - 1),
    st.none() | st.integers(1, 255),
)
def test_paths_survive_reading_and_writing(
    level: int | None, index: int, width: int | None
) -> None:
    """Parsing gives back what was written, for tiles and bundles."""
    path = entries_path(index, width) if level is None else tile_path(level, index, width)
    name = parse_tile_path(path)
    assert (name.level, name.index, name.width) == (level, index, width)
    assert str(name) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/1000",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/x001/x000",
        "tile/0/001/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000/",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/../../000",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/" + "x001/" * 1000 + "001",
    ],
)
def test_any_other_spelling_of_a_path_is_refused(path: str) -> None:
    """One tile has one name."""
    with pytest.raises(RejectedInput) as caught:
        parse_tile_path(path)
    assert caught.value.code == "tiles.path"


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_survive_writing_and_reading(entries: list[bytes]) -> None:
    """Decoding gives the entries back."""
    assert decode_entries(encode_entries(entries), width=len(entries)) == entries


def test_a_bundle_has_two_byte_big_endian_lengths() -> None:
    """The layout is that of C2SP tlog-tiles, up to its longest entry."""
    longest = b"e" * 65_535
    assert encode_entries([b"abc", longest]) == b"\x00\x03abc\xff\xff" + longest


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=8), st.data())
def test_a_bundle_cut_or_continued_anywhere_is_refused(
    entries: list[bytes], data: st.DataObject
) -> None:
    """Every missing or additional byte shows."""
    bundle = encode_entries(entries)
    cut = bundle[: data.draw(st.integers(0, len(bundle) - 1))]
    longer = bundle + data.draw(st.binary(min_size=1, max_size=5))
    for wrong in (cut, longer):
        with pytest.raises(IntegrityFailure):
            decode_entries(wrong, width=len(entries))


@pytest.mark.parametrize("entries", [[], [b""] * 257, [b"e" * 65_536]])
def test_what_no_bundle_can_hold_is_refused(entries: list[bytes]) -> None:
    """A bundle has 1 to 256 entries of at most 65,535 bytes."""
    with pytest.raises(RejectedInput):
        encode_entries(entries)


def test_tiles_of_sizes_the_store_has_not_reached_are_not_served(store: Store) -> None:
    """A tile is never cut to a size nobody has recorded yet."""
    for index in (0, 273):
        with pytest.raises(RejectedInput) as caught:
            tile_hashes(0, index, 70_001, store)
        assert caught.value.code == "tiles.not-in-tree"

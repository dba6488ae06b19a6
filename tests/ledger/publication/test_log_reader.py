"""The published log out of a real database, against the tree's own definition and the vectors."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.errors import IntegrityFailure, RejectedInput, Unavailable
from ledger.log.chain import ChainHead
from ledger.log.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner, open_note, sign_note
from ledger.log.proof import verify_receipt
from ledger.log.tiles import (
    TileName,
    completed_tiles,
    decode_entries,
    full_tiles,
    node_fetcher,
    node_from_tiles,
    parse_tile_path,
    partial_width,
)
from ledger.log.tree import (
    frontier_at,
    inclusion_path,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from ledger.publication.log_reader import LogReader
from ledger.storage.commit import Commit
from ledger.storage.sqlite import SQLiteLedgerFactory, SQLiteLedgerRecorder
from ledger.storage.tree_reader import StoredTree
from tests.ledger.build_service import without_triggers
from tests.ledger.log.test_tree import CT_ENTRIES, CT_INCLUSION, CT_ROOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIGNER = NoteSigner.from_seed("log.example/trial", bytes(range(32)))
ENTRIES = [b"entry %d" % number for number in range(70_000)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def extend(store: SQLiteLedgerRecorder, entries: Sequence[bytes]) -> None:
    """Record entries in one transaction, as the writer does, under one checkpoint."""
    before = store.head()
    size = before.size + len(entries)
    leaves, tree = [leaf_hash(entry) for entry in entries], StoredTree(before.size, store)
    frontier = frontier_at(before.size, node_fetcher(tree)).extend(leaves)
    store.insert_events(
        [
            StoredEvent("trial", before.size + number, "x.y.v1", entry)
            for number, entry in enumerate(entries)
        ],
        event_ids=[(before.size + number).to_bytes(16, "big") for number in range(len(entries))],
        commit=Commit(
            before=before,
            after=ChainHead(size, f"{size:064x}", "2024-02-01T01:00:00.000000Z"),
            checkpoint=sign_checkpoint(Checkpoint(SIGNER.name, size, frontier.root()), SIGNER),
            tiles=completed_tiles(before.size, leaves, tree),
            openings=(),
        ),
    )


@contextmanager
def opened(path: Path) -> Iterator[SQLiteLedgerRecorder]:
    """A new database of our own recorder."""
    factory = SQLiteLedgerFactory(str(path))
    store = factory.application_recorder()
    assert isinstance(store, SQLiteLedgerRecorder)
    try:
        yield store
    finally:
        factory.close()


@contextmanager
def grown(*steps: int) -> Iterator[SQLiteLedgerRecorder]:
    """A database whose log grew step by step."""
    with tempfile.TemporaryDirectory() as directory, opened(Path(directory) / "log") as store:
        for step in steps:
            size = store.head().size
            extend(store, ENTRIES[size : size + step])
        yield store


@pytest.fixture(scope="module")
def big() -> Iterator[SQLiteLedgerRecorder]:
    """The specification's example of 70,000 entries, in two uneven steps."""
    with grown(33_333, 36_667) as store:
        yield store


def served(store: SQLiteLedgerRecorder) -> dict[str, bytes]:
    """Every tile and bundle, full and of every width, that the reader gives."""
    reader = LogReader(store)
    found = {}
    for level in (None, 0, 1, 2):
        for index in range(full_tiles(level or 0, reader.size) + 1):
            for width in (None, *range(1, 256)):
                name = TileName(level, index, width)
                with suppress(RejectedInput):
                    found[str(name)] = reader.tile(name)
    return found


def defined(size: int) -> dict[str, bytes]:
    """The same by the definition: hash i of tile N at level L is MTH of 256^L entries."""
    found = {}
    for level in (None, 0, 1, 2):
        step = 256 ** (level or 0)
        items = (
            [len(entry).to_bytes(2, "big") + entry for entry in ENTRIES[:size]]
            if level is None
            else [root_of(LEAVES[i * step : (i + 1) * step]) for i in range(size // step)]
        )
        for start in range(0, len(items), 256):
            row = items[start : start + 256]
            for width in range(1, len(row) + 1):
                name = TileName(level, start // 256, None if width == 256 else width)
                found[str(name)] = b"".join(row[:width])
    return found


@settings(max_examples=12)
@given(st.lists(st.integers(1, 600), min_size=1, max_size=3))
@example([255])
@example([256])
@example([256, 256])
@example([1, 512])
def test_every_tile_and_bundle_is_what_the_definition_gives(steps: list[int]) -> None:
    """At any size, however it was reached: these bytes, and no other tile."""
    with grown(*steps) as store:
        assert served(store) == defined(sum(steps))


@settings(max_examples=8)
@given(st.integers(1, 600), st.lists(st.integers(1, 400), min_size=1, max_size=2))
@example(255, [1])
@example(256, [256])
def test_nothing_that_was_served_changes_when_the_log_grows(size: int, steps: list[int]) -> None:
    """Partial tiles of earlier checkpoints stay, also beside the full tile."""
    with grown(size) as store:
        before = served(store)
        for step in steps:
            first = store.head().size
            extend(store, ENTRIES[first : first + step])
        assert before.items() <= served(store).items()


def test_seventy_thousand_entries_have_the_tiles_of_the_specification(
    big: SQLiteLedgerRecorder,
) -> None:
    """C2SP tlog-tiles: 273 full tiles and one of 112, one full and one of 17, one of 1."""
    reader = LogReader(big)
    widths = {"tile/0/273.p/112": 112, "tile/1/001.p/17": 17, "tile/2/000.p/1": 1}
    for path, width in {"tile/0/272": 256, "tile/1/000": 256, **widths}.items():
        assert len(reader.tile(parse_tile_path(path))) == 32 * width
    bundle = reader.tile(parse_tile_path("tile/entries/273.p/112"))
    assert decode_entries(bundle, width=112) == ENTRIES[69_888:]
    for path in (
        "tile/0/273", "tile/0/273.p/113", "tile/0/274.p/1", "tile/1/001", "tile/1/001.p/18",
        "tile/2/000", "tile/2/000.p/2", "tile/3/000.p/1", "tile/63/000.p/1", "tile/entries/273",
        "tile/entries/273.p/113", "tile/0/x001/000", "tile/0/x999/x999/x999/999",
    ):  # fmt: skip
        with pytest.raises(RejectedInput, match="does not exist in the log of 70000 entries"):
            reader.tile(parse_tile_path(path))


@settings(max_examples=30)
@given(st.integers(0, 69_999), st.integers(1, 70_000))
@example(0, 70_000)
@example(65_535, 65_536)
@example(65_536, 65_537)
def test_a_client_proves_any_entry_from_tiles_alone(
    big: SQLiteLedgerRecorder, position: int, size: int
) -> None:
    """It asks for the tiles as wide as its checkpoint's size gives, and needs nothing else."""
    reader, index = LogReader(big), position % size

    def tile(level: int, number: int) -> bytes:
        full = number < full_tiles(level, size)
        return reader.tile(TileName(level, number, None if full else partial_width(level, size)))

    def node(level: int, number: int) -> bytes:
        return node_from_tiles(level, number, tile)

    path = inclusion_path(index, size, node)
    leaf, root = LEAVES[index], frontier_at(size, node).root()
    verify_inclusion(index=index, size=size, leaf=leaf, path=path, root=root)
    assert root == root_of(LEAVES[:size])


@settings(max_examples=20)
@given(st.integers(0, 70_000), st.integers(0, 70_000))
@example(0, 70_000)
@example(65_536, 70_000)
def test_any_two_sizes_are_joined_by_the_consistency_proof(
    big: SQLiteLedgerRecorder, one: int, other: int
) -> None:
    """Verified as RFC 9162 section 2.1.4.2 writes it, against roots over the entries."""
    old, new = sorted((one, other))
    verify_consistency(
        old_size=old,
        new_size=new,
        path=LogReader(big).consistency(old, new),
        old_root=root_of(LEAVES[:old]),
        new_root=root_of(LEAVES[:new]),
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [(1, 70_001, "log.beyond-newest"), (2, 1, "tree.out-of-range"), (0, 10**18, None)],
)
def test_sizes_the_log_does_not_have_are_refused(
    big: SQLiteLedgerRecorder, old: int, new: int, code: str | None
) -> None:
    """The proof speaks of two trees that exist."""
    with pytest.raises(RejectedInput) as caught:
        LogReader(big).consistency(old, new)
    assert caught.value.code == (code or "log.beyond-newest")


def test_the_vectors_of_certificate_transparency_are_served(tmp_path: Path) -> None:
    """Its eight entries, first of them empty: roots, inclusion paths, one bundle, one tile."""
    with opened(tmp_path / "log") as store:
        for entry in CT_ENTRIES:
            extend(store, [entry])
            note = LogReader(store).note
            checkpoint = open_checkpoint(note, SIGNER.verifier)
            assert checkpoint.root.hex() == CT_ROOTS[checkpoint.size]
        reader = LogReader(store)
        bundle = reader.tile(parse_tile_path("tile/entries/000.p/8"))
        assert decode_entries(bundle, width=8) == CT_ENTRIES
        for index, size, path in CT_INCLUSION:
            receipt = reader.receipt(index, size=size)
            assert [step.hex() for step in receipt.path] == path
            verify_receipt(receipt, CT_ENTRIES[index], SIGNER.verifier)
        consistency = [step.hex() for step in reader.consistency(4, 8)]
        assert consistency == [CT_INCLUSION[1][2][-1]]


def test_a_receipt_is_given_under_any_checkpoint_that_covers_the_entry() -> None:
    """The newest where no size is named; only sizes that were signed."""
    with grown(3, 300, 1) as store:
        reader = LogReader(store)
        for size in (3, 303, 304, None):
            receipt = reader.receipt(2, size=size)
            proved = verify_receipt(receipt, ENTRIES[2], SIGNER.verifier)
            assert proved.size == (size or 304)
        for seq, size, code in (
            (2, 4, "receipt.no-such-checkpoint"),
            (2, 0, "receipt.no-such-checkpoint"),
            (2, 305, "receipt.no-such-checkpoint"),
            (3, 3, "receipt.not-covered"),
        ):
            with pytest.raises(RejectedInput) as caught:
                reader.receipt(seq, size=size)
            assert caught.value.code == code


def test_a_later_receipt_carries_the_signatures_gathered_since() -> None:
    """Whoever knows the witness checks both; whoever does not, the log's alone."""
    witness = NoteSigner.from_seed("witness.example/w", bytes(32))
    with grown(3, 4) as store:
        reader = LogReader(store)

        def signed(size: int, note: str) -> str:
            text = open_note(note, [SIGNER.verifier]).text
            assert text.split("\n")[1] == str(size)
            return note + sign_note(text, [witness]).rpartition("\n\n")[2]

        receipt = reader.receipt(1, size=7, signed=signed)
        assert verify_receipt(receipt, ENTRIES[1], SIGNER.verifier).size == 7
        open_note(receipt.checkpoint_note, [witness.verifier])


def test_a_reader_stays_at_the_checkpoint_it_found() -> None:
    """What is recorded meanwhile does not mix into an answer."""
    with grown(200) as store:
        reader = LogReader(store)
        extend(store, ENTRIES[200:600])
        assert reader.size == 200
        assert reader.tile(TileName(0, 0, 200)) == b"".join(LEAVES[:200])
        with pytest.raises(RejectedInput):
            reader.tile(TileName(0, 0))


def test_a_log_without_checkpoint_has_nothing_to_read(tmp_path: Path) -> None:
    """It is asked again later."""
    with opened(tmp_path / "log") as store, pytest.raises(Unavailable, match="no checkpoint yet"):
        LogReader(store)


def test_a_missing_entry_is_named_and_never_skipped(tmp_path: Path) -> None:
    """A bundle with fewer entries than its name says would shift all that follow."""
    with opened(tmp_path / "log") as store:
        extend(store, ENTRIES[:300])
        without_triggers(tmp_path / "log", "DELETE FROM stored_events WHERE seq = 7")
        with pytest.raises(IntegrityFailure) as caught:
            LogReader(store).tile(TileName(None, 0))
        assert (caught.value.code, caught.value.where) == (
            "tiles.store-damaged",
            "tile/entries/000",
        )

"""The port to the database, on each engine: the same statements give the same log."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from eventsourcing.persistence import IntegrityError, ProgrammingError, StoredEvent

from ledger.log.chain import ChainHead
from ledger.log.tiles import FullTile
from ledger.log.tree import leaf_hash
from ledger.storage.commit import Commit, HeadMoved, Opening
from ledger.storage.postgres import PostgresLedgerRecorder
from ledger.storage.schema import REGISTERED_TYPES
from tests.build_ledger import each, identify
from tests.ledger.build_service import (
    SUBJECT,
    answer,
    bag,
    bilirubin,
    code_of,
    look,
    require_receipt,
    require_sound,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.build_ledger import BuiltLedger

WIDE = 300
"""Entries enough for a full tile, in groups on both sides of the recorder's limit for COPY."""


def grown(built: BuiltLedger) -> BuiltLedger:
    """The ledger after single, few and many entries at a time, some with openings."""
    built.record_all(each(built, range(2, 60), identify))
    for number in range(1, 4):
        answer(built, bag(built, number))
    built.record_all([bilirubin(built, f"{number}.5") for number in range(12)])
    built.record_all([bag(built, 100 + number) for number in range(WIDE)])
    return built


def seen(built: BuiltLedger) -> dict[str, Any]:
    """Everything that the port can be asked about a ledger."""
    store = built.ledger.application.store
    size = store.head().size
    ids = [built.ledger.application.record(seq).id for seq in range(0, size, 17)]
    last = store.last_checkpoint()
    assert last is not None
    return {
        "head": store.head(),
        "entries": store.entries(0, size),
        "one": (store.entry(5), store.entry(size)),
        "positions": [store.position_of(one) for one in ids],
        "types": store.positions_of_types(["subject.identified.v1", "lot.received.v1"], start=40),
        "unindexed": store.positions_of_types(["key.registered.v1"]),
        "heads": [store.stream_head(name) for name in ("access", f"subject/{SUBJECT}", "no/one")],
        "streams": store.streams("subject/"),
        "covering": (store.checkpoint_covering(7), store.checkpoint_covering(size + 1)),
        "checkpoints": (store.checkpoints(after=3, limit=5), last),
        # Encrypted under nonces of their own; what they open must agree.
        "openings": {seq: len(rows) for seq, rows in store.openings(0, size).items()},
        "opened": [record.data for record in built.ledger.application.records(0, size)],
        "tiles": (store.full_tile(0, 0), store.full_tile(0, 1), store.tile_roots(0, 0, 9)),
        "leaves": store.leaf_hashes(3, 4) == [leaf_hash(d) for _, d in store.entries(3, 7)],
        "events": [
            store.select_events("access", gt=1, lte=8, desc=True, limit=3),
            store.select_events("access", limit=2),
            store.select_events("no/one"),
        ],
        "receipt": built.ledger.receipt(9).text(),
        "quarantine": built.ledger.quarantine.listing(),
    }


def test_both_engines_keep_the_same_log(built: BuiltLedger, postgres_built: BuiltLedger) -> None:
    """Byte for byte, whatever is asked; keys, ids and salts of tests depend on nothing else."""
    one, other = (seen(grown(each)) for each in (built, postgres_built))
    assert one == other
    assert sum(one["openings"].values()) > 10
    require_sound(built)
    require_sound(postgres_built)


def test_every_receipt_holds_and_a_restart_changes_nothing(each_built: BuiltLedger) -> None:
    """Groups of one and of many."""
    signed = [bag(each_built, number) for number in range(60)]
    for one, given in zip(signed, each_built.record_all(signed), strict=True):
        assert not isinstance(given, Exception)
        require_receipt(each_built, given, one)
    before = seen_small(each_built)
    each_built.reopen()
    assert seen_small(each_built) == before
    assert answer(each_built, signed[3]).repeated


def seen_small(built: BuiltLedger) -> tuple[object, ...]:
    """Head, checkpoint and a stream."""
    application = built.ledger.application
    return application.store.head(), built.ledger.checkpoint(), application.stream("access")


def test_a_stale_head_writes_nothing(each_built: BuiltLedger) -> None:
    """Compare-and-swap: whoever decided against another head is told so, few rows or many."""
    store = each_built.ledger.application.store
    head = store.head()
    for count in (1, 50):
        stale = ChainHead(head.size - 1, head.hash, head.recorded_at)
        commit = Commit(stale, ChainHead(head.size - 1 + count, "1" * 64, ""), "note", (), ())
        with pytest.raises(HeadMoved):
            store.insert_events(
                [StoredEvent("x", n, "a.b.v1", b"state") for n in range(count)],
                commit=commit,
                event_ids=[bytes([n]) for n in range(count)],
            )
    assert store.head() == head
    require_sound(each_built)


@pytest.mark.parametrize("count", [1, 20, 21, 300])
@pytest.mark.parametrize("fault", ["event_id", "stream_position", "opening", "tile"])
def test_a_group_enters_whole_or_not_at_all(
    each_built: BuiltLedger, count: int, fault: str
) -> None:
    """A key that is taken, in the last row or beside the rows, takes all of it back."""
    store = each_built.ledger.application.store
    head = store.head()
    events = [StoredEvent("x", n, "a.b.v1", b"state") for n in range(count)]
    ids = [n.to_bytes(16, "big") for n in range(count)]
    openings = [Opening(head.size, 0, "a")]
    if fault == "event_id":
        ids[-1] = bytes(look(each_built, "SELECT event_id FROM stored_events WHERE seq = 3")[0][0])
    elif fault == "stream_position":
        events[-1] = StoredEvent("access", 0, "a.b.v1", b"state")
    elif fault == "opening":
        openings.append(openings[0])
    after = ChainHead(head.size + count, "1" * 64, head.recorded_at)
    checkpoints = each_built.ledger.application.store.checkpoints(after=0, limit=1000)
    tile = FullTile(level=0, index=0, hashes=b"h", root=b"r")
    commit = Commit(head, after, "note", [tile, tile] if fault == "tile" else (), openings)
    with pytest.raises(IntegrityError):
        store.insert_events(events, commit=commit, event_ids=ids)
    assert store.head() == head
    assert store.checkpoints(after=0, limit=1000) == checkpoints
    require_sound(each_built)
    assert code_of(each_built, bag(each_built, 1)) == ""


@pytest.mark.parametrize("wanted", [1, 2])
def test_registered_types_are_found_by_their_index(each_built: BuiltLedger, wanted: int) -> None:
    """In a log of many other entries; types that are not in the index are still found."""
    store: Any = each_built.ledger.application.store
    first, count = store.head().size, 5_000
    topics = ["a.b.v1"] * count
    topics[count // 2] = REGISTERED_TYPES[0]
    events = [StoredEvent("x", n, topic, b"state") for n, topic in enumerate(topics)]
    commit = Commit(store.head(), ChainHead(first + count, "1" * 64, ""), "note", (), ())
    ids = [n.to_bytes(16, "big") for n in range(count)]
    store.insert_events(events, commit=commit, event_ids=ids)
    assert "registered_types" in plan(store, REGISTERED_TYPES[:wanted])
    assert store.positions_of_types(REGISTERED_TYPES[:wanted]) == [first + count // 2]
    others = store.positions_of_types(["a.b.v1", REGISTERED_TYPES[0]], start=first + 3)
    assert others == list(range(first + 3, first + count))


def plan(store: Any, types: Sequence[str]) -> str:
    """How the engine looks for the entries of some types."""
    asked: list[Any] = []

    def hear(*query: object) -> list[Any]:
        asked.extend(query)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_all", hear)
        store.positions_of_types(types)
    statement, params = asked
    explain = "EXPLAIN" if isinstance(store, PostgresLedgerRecorder) else "EXPLAIN QUERY PLAN"
    rows = store._all(f"{explain} {statement}", params)
    return " ".join(str(row[-1]) for row in rows)


def test_nothing_is_recorded_without_a_commit(each_built: BuiltLedger) -> None:
    """The library's own way in is closed."""
    with pytest.raises(ProgrammingError):
        each_built.ledger.application.store.insert_events([StoredEvent("x", 0, "a.b.v1", b"")])


def test_an_empty_group_is_nothing(each_built: BuiltLedger) -> None:
    """No head moves for it."""
    store = each_built.ledger.application.store
    head = store.head()
    commit = Commit(head, head, "", (), ())
    assert store.insert_events([], commit=commit, event_ids=[]) == []
    assert store.head() == head


def test_the_quarantine_keeps_first_numbers(each_built: BuiltLedger) -> None:
    """The same statement again changes nothing; pages join without gap."""
    kept = each_built.ledger.quarantine
    texts = [f"statement {number}" for number in range(5)]
    choice = random.Random(1)
    for text in [*texts, *choice.sample(texts, 3)]:
        number = kept.keep(
            text, received_at="2024-02-01T00:00:00.000000Z", code="event.x", reason="a\0b"
        )
        assert number == texts.index(text) + 1
    assert [one.number for one in kept.listing(after=1, limit=3)] == [2, 3, 4]
    assert [one.statement for one in kept.listing()] == texts

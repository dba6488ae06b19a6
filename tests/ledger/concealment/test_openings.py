"""What is stored of recorded events, and that an erasure takes what stands before it in the log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger.concealment.key_file import FileKey
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.openings import Openings, ordered
from ledger.concealment.restricted import Restrictions
from ledger.concealment.serving import merged
from ledger.concealment.sqlite_store import SQLiteKeyStore
from ledger.concealment.vault import Erased, Vault
from ledger.errors import IntegrityFailure
from ledger.record import read_record
from ledger.signing.sealing import parse_disclosure
from tests.build_ledger import COORDINATOR, TRIAL, build_ledger, identify
from tests.ledger.build_service import STREAM, refusals
from tests.ledger.concealment.orders import erasure, said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.record import Record
    from ledger.signing.sealing import Disclosure


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Record], dict[int, list[str]]]:
    """Give the end of a log: subject, words, erasure of both purposes, further words."""
    built = build_ledger(tmp_path_factory.mktemp("history"))
    events = [
        identify(built, 1),
        said(built, "Took prednisone until May."),
        erasure(built, "identity", "text"),
        said(built, "Said so again."),
    ]
    positions = [built.record(event).seq for event in events]
    sent = [[disclosure.text for disclosure in event.disclosures] for event in events]
    first = positions[0]
    store = built.ledger.application.store
    records = [read_record(data) for _, data in store.entries(first, store.head().size)]
    built.close()
    kept = {seq: texts for seq, texts in zip(positions, sent, strict=True) if texts}
    return records, kept


@pytest.fixture
def openings(tmp_path: Path) -> Iterator[Openings]:
    """Give the openings of a vault of its own."""
    store = SQLiteKeyStore(tmp_path / "keys")
    with Vault(TRIAL, store, KeyRing.of(FileKey(bytes(32)))) as vault:
        yield Openings(vault)


def parsed(kept: dict[int, list[str]]) -> dict[int, list[Disclosure]]:
    """Disclosures as a submission carries them."""
    return {seq: [parse_disclosure(text) for text in texts] for seq, texts in kept.items()}


def test_what_was_stored_is_read_back_and_tells_nothing(
    openings: Openings, history: tuple[list[Record], dict[int, list[str]]]
) -> None:
    """Row by row, by the entry it stands beside."""
    records, kept = history
    by_seq = {record.seq: record for record in records}
    rows, _ = openings.conceal(records[:2], parsed(kept))
    for seq, number, text in rows:
        record = by_seq[seq]
        assert text.startswith("c1.")
        assert kept[seq][number] not in text
        assert openings.reveal([(record.stream, record.id, text)]) == [kept[seq][number]]


def test_an_erasure_takes_what_stands_before_it_and_nothing_behind_it(
    openings: Openings, history: tuple[list[Record], dict[int, list[str]]]
) -> None:
    """Also within one group, and when the group is decided again because another was first."""
    records, kept = history
    by_seq = {record.seq: record for record in records}
    openings.conceal(records, parsed(kept))
    rows, acts = openings.conceal(records, parsed(kept))
    assert acts == [record.id for record in records if record.type == "personal-data.erased.v1"]
    for act in acts:
        openings.vault.destroy(act)
    at = next(record.seq for record in records if record.id == acts[0])
    outcomes = openings.reveal([(by_seq[s].stream, by_seq[s].id, text) for s, _, text in rows])
    assert [isinstance(outcome, Erased) for outcome in outcomes] == [seq < at for seq, _, _ in rows]
    assert {seq < at for seq, _, _ in rows} == {True, False}
    assert [e.act for e in ordered(records)] == acts


def test_what_was_erased_is_withheld_and_the_record_stays_readable(
    openings: Openings, history: tuple[list[Record], dict[int, list[str]]]
) -> None:
    """Its digests are still there: nothing of the entry has changed."""
    records, kept = history
    identified = records[0]
    rows, acts = openings.conceal(records, parsed(kept))
    openings.vault.destroy(acts[0])
    stored = {identified.seq: [text for seq, _, text in rows if seq == identified.seq]}
    bare = read_record(identified.entry.to_bytes())
    (again,) = merged([bare], stored, openings=openings, restrictions=Restrictions())
    assert (again.withheld, again.erased) == (len(stored[identified.seq]), tuple(acts))


def test_rows_of_an_earlier_version_are_read_in_clear(openings: Openings) -> None:
    """Until they are concealed too."""
    assert openings.reveal([(STREAM, "any", "WyJh")]) == ["WyJh"]


def test_a_damaged_row_is_a_finding_beside_sound_ones(openings: Openings) -> None:
    """It never hides its neighbours."""
    outcomes = openings.reveal([(STREAM, "a", "c1.!"), (STREAM, "b", "WyJh"), (STREAM, "c", "c1.")])
    assert [isinstance(outcome, IntegrityFailure) for outcome in outcomes] == [True, False, True]


def test_without_keys_a_concealed_member_is_withheld_by_nobodys_act(
    openings: Openings, history: tuple[list[Record], dict[int, list[str]]]
) -> None:
    """Not at hand is not erased."""
    records, kept = history
    rows, _ = openings.conceal(records[:1], parsed(kept))
    stored = {records[0].seq: [text for _, _, text in rows]}
    bare = read_record(records[0].entry.to_bytes())
    (again,) = merged([bare], stored, openings=None, restrictions=Restrictions())
    assert (again.withheld, again.erased) == (len(rows), ())


def test_a_refused_order_erases_nothing(
    openings: Openings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Only what the ledger accepted is carried out."""
    built = build_ledger(tmp_path_factory.mktemp("refused"))
    built.record(identify(built, 1))
    signed = built.sign(
        "personal-data.erased.v1", STREAM, dict(erasure(built, "text").event.data), by=COORDINATOR
    )
    assert refusals(built, signed)
    store = built.ledger.application.store
    records = [read_record(data) for _, data in store.entries(0, store.head().size)]
    built.close()
    assert list(ordered(records)) == []
    assert openings.conceal(records, {})[1] == []


def test_who_was_overtaken_looks_whether_the_others_seal_under_the_same_keys(
    openings: Openings, history: tuple[list[Record], dict[int, list[str]]]
) -> None:
    """Also when the other recorded just as many: only what was stored counts as one's own."""
    first = history[0][0]
    looked: list[int] = []
    mine = Openings(openings.vault, others_recorded=lambda: looked.append(len(looked)))

    def at(ahead: int) -> list[Record]:
        return [replace(first, entry=replace(first.entry, seq=first.seq + ahead))]

    mine.conceal(at(0), {})
    assert looked == [0]
    mine.conceal(at(1), {})  # the first was not stored: another's entry has its place
    assert looked == [0, 1]
    mine.recorded(at(1))
    mine.conceal(at(2), {})
    assert looked == [0, 1]

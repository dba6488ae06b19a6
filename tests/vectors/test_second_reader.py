"""A reader written from the pages alone finds in a log what the ledger finds in it."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.history import put
from ledger.record import Record, read_record
from ledger.signing.authority import day_of_authority, shortfalls, verify_statement
from ledger.signing.register import Register
from ledger.vocabulary import Kind, vocabulary
from tests.vectors import second_reader
from tests.vectors.second_reader import Read, Reader, read
from tests.vectors.test_recorded_log import ENTRIES, LOG, STANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

ZONE = "Asia/Shanghai"
ACTIVATED = 27
DISCLOSURES: dict[int, list[str]] = defaultdict(list)
for _line in (LOG / "openings.jsonl").read_text("utf-8").splitlines():
    _row = json.loads(_line)
    DISCLOSURES[_row["seq"]].append(_row["disclosure"])


def reads() -> list[Read]:
    """Every entry, as the second reader takes it apart."""
    return [read(line, DISCLOSURES[seq]) for seq, line in enumerate(ENTRIES)]


def after(number: int) -> Reader:
    """The second reader after so many entries."""
    reader = Reader()
    for one in reads()[:number]:
        reader.take(one)
    return reader


def test_it_finds_nothing_lacking_in_a_sound_log() -> None:
    """Every signature, key, source, role and task."""
    lacks = after(len(ENTRIES)).lacks
    assert len(lacks) == len(ENTRIES) - 1
    assert not any(lacks.values())


def test_it_reads_each_record_as_it_stood() -> None:
    """Corrections, voiding, signatures, keys: what the vector states."""
    ids = [one.event["id"] for one in reads()]
    for row in STANDS["values"]:
        standing = after(row["after"] + 1).standing[ids[row["record"]]]
        assert second_reader.value_at(standing, row["pointer"]) == row["value"]
    for row in STANDS["voided"]:
        assert not after(row["after"]).standing[ids[row["record"]]]["void"]
        assert after(row["after"] + 1).standing[ids[row["record"]]]["void"]
    for row in STANDS["signed"]:
        standing = after(row["after"] + 1).standing[ids[row["record"]]]
        assert standing["signed_by"] == [ids[row["by"]]]
    for row in STANDS["keys"]:
        for number in (*row["in_force_after"], *row["revoked_after"]):
            keys = after(number + 1).keys.values()
            (key,) = (one for one in keys if one["owner"] == row["owner"])
            assert key["revoked"] is (number in row["revoked_after"])


def lacks_of_the_ledger(records: Iterable[Record]) -> dict[int, list[str]]:
    """The rules lacking at each position, as the ledger judges."""
    register, found = Register(), dict[int, list[str]]()
    for record in records:
        signers = verify_statement(record.statement, record.event, register)
        rule = vocabulary()[record.type]
        if record.seq:
            zone = ZONE if record.seq > ACTIVATED and "SY01" in record.stream + str(
                record.event.data.get("site")
            ) else None  # fmt: skip
            day = day_of_authority(rule, record.event, recorded_at=record.recorded_at, zone=zone)
            lacking = shortfalls(rule, record.event, signers, register, day=day)
            found[record.seq] = [item.rule for item in lacking]
        if record.stream in ("trial", "access"):
            register.apply(record)
    return found


@pytest.mark.parametrize(
    "result", [seq for seq in STANDS["accepted"] if 15 <= seq <= 30 and seq != 26]
)
def test_both_judge_alike_when_a_role_or_delegation_was_not_granted(result: int) -> None:
    """Without the acceptance of one grant or delegation, both miss the same at the same places."""
    missing = result + 1
    reader = Reader()
    for one in reads():
        if one.entry["seq"] != missing:
            reader.take(one)
    records = [
        read_record(data, DISCLOSURES[seq]) for seq, data in enumerate(ENTRIES) if seq != missing
    ]
    judged = lacks_of_the_ledger(records)
    assert reader.lacks == judged
    assert set(map(tuple, judged.values())) >= {()}


def test_some_grant_is_needed_by_what_follows() -> None:
    """Without his role the investigator delegates nothing, so the comparison compares something."""
    reader = Reader()
    for one in reads():
        if one.entry["seq"] != 18:
            reader.take(one)
    assert reader.lacks[28] == ["AU-04"]


DOCUMENTS = st.fixed_dictionaries(
    {
        "data": st.dictionaries(
            st.sampled_from(["a", "b", "0", "~", "x/y"]),
            st.one_of(
                st.integers(0, 9),
                st.text("ab", max_size=2),
                st.lists(st.integers(0, 9), max_size=3),
                st.dictionaries(st.sampled_from(["a", "0"]), st.integers(0, 9), max_size=2),
            ),
            max_size=4,
        ),
        "time": st.just("2024-03-01T09:30:00Z"),
    }
)
POINTERS = st.lists(st.sampled_from(["a", "b", "0", "1", "~0", "x~1y"]), min_size=1, max_size=2)


@given(DOCUMENTS, POINTERS, st.one_of(st.none(), st.integers(0, 9)))
def test_both_change_a_record_alike(
    document: dict[str, Any], way: list[str], value: int | None
) -> None:
    """A member, an element, a place that is not there."""
    pointer = "/data/" + "/".join(way)
    mine, theirs = json.loads(json.dumps(document)), json.loads(json.dumps(document))
    put(theirs, pointer, value)
    second_reader.put(mine, pointer, value)
    assert mine == theirs


def test_the_kinds_of_the_vocabulary_are_the_four_of_the_page() -> None:
    """A fifth would need a sentence there."""
    assert {rule["kind"] for rule in second_reader.RULES.values()} == set(Kind)

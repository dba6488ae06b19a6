"""A reader written from the pages alone finds in a log what the ledger finds in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.history import put
from ledger.record import read_record
from ledger.vocabulary import Kind
from tests.vectors import second_reader
from tests.vectors.make import VECTORS
from tests.vectors.second_reader import Read, Reader, read
from tests.vectors.test_recorded_log import LOG, TRIAL, Whole, lacks_of_the_ledger

FOLDS: list[dict[str, Any]] = json.loads((VECTORS / "effects.json").read_text("utf-8"))["folds"]
ONE_CORRECTION = ["data.corrected.v1", "command.accepted.v1"]


@pytest.fixture(params=[LOG, TRIAL], ids=["log", "trial"])
def whole(request: pytest.FixtureRequest) -> Whole:
    """The one or the other log."""
    found: Whole = request.param
    return found


def reads(whole: Whole) -> list[Read]:
    """Every entry, as the second reader takes it apart."""
    return [read(line, whole.disclosures[seq]) for seq, line in enumerate(whole.entries)]


def after(whole: Whole, number: int) -> Reader:
    """The second reader after so many entries."""
    reader = Reader()
    for one in reads(whole)[:number]:
        reader.take(one)
    return reader


def test_it_finds_lacking_what_the_vector_says(whole: Whole) -> None:
    """Every signature, key, source, role and task; what a stolen key signed."""
    reader = after(whole, len(whole.entries))
    assert len(reader.lacks) == len(whole.entries) - 1
    lacking = [{"entry": at, "rules": rules} for at, rules in reader.lacks.items() if rules]
    assert lacking == whole.stands["lacks"]
    assert reader.doubtful(reads(whole)) == whole.stands["doubtful"]


def test_it_reads_each_record_as_it_stood(whole: Whole) -> None:
    """Corrections, voiding, signatures, keys: what the vector states."""
    ids, stands = [one.event["id"] for one in reads(whole)], whole.stands
    for row in stands["values"]:
        standing = after(whole, row["after"] + 1).standing[ids[row["record"]]]
        assert second_reader.value_at(standing, row["pointer"]) == row["value"]
    for row in stands["voided"]:
        assert not after(whole, row["after"]).standing[ids[row["record"]]]["void"]
        assert after(whole, row["after"] + 1).standing[ids[row["record"]]]["void"]
    for row in stands["signed"]:
        standing = after(whole, row["after"] + 1).standing[ids[row["record"]]]
        assert standing["signed_by"] == [ids[row["by"]]]
    for row in stands["keys"]:
        for number in (*row["in_force_after"], *row["revoked_after"]):
            keys = after(whole, number + 1).keys.values()
            (key,) = (one for one in keys if one["owner"] == row["owner"])
            assert key["revoked"] is (number in row["revoked_after"])


@pytest.mark.parametrize(
    "row",
    [row for row in FOLDS if [one["type"] for one in row["events"][1:]] == ONE_CORRECTION],
    ids=lambda row: row["name"],
)
def test_it_corrects_what_the_vectors_correct(row: dict[str, Any]) -> None:
    """Changes and times, where a history is one correction of one record."""
    first, fix, _ = row["events"]
    record = json.loads(json.dumps({"data": first["data"], "time": first["time"]}))
    for name in ("changes", "identity_changes", "text_changes"):
        for change in fix["data"].get(name, ()):
            second_reader.correct(record, change)
    if not second_reader.is_time(record.get("time")):
        record["time"] = first["time"]
    (stands,) = (one for one in row["in_effect"] if one["event"] == 0)
    assert (record["data"], record["time"]) == (stands["data"], stands["time"])


@pytest.mark.parametrize(
    "result", [seq for seq in LOG.stands["accepted"] if 15 <= seq <= 30 and seq != 26]
)
def test_both_judge_alike_when_a_role_or_delegation_was_not_granted(result: int) -> None:
    """Without the acceptance of one grant or delegation, both miss the same at the same places."""
    missing = result + 1
    reader = Reader()
    for one in reads(LOG):
        if one.entry["seq"] != missing:
            reader.take(one)
    records = [
        read_record(data, LOG.disclosures[seq])
        for seq, data in enumerate(LOG.entries)
        if seq != missing
    ]
    judged = lacks_of_the_ledger(records)
    assert reader.lacks == judged
    assert set(map(tuple, judged.values())) >= {()}


def test_some_grant_is_needed_by_what_follows() -> None:
    """Without his role the investigator delegates nothing, so the comparison compares something."""
    reader = Reader()
    for one in reads(LOG):
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

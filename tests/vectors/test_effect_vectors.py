"""The ledger folds records as the published vectors say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ledger.history import History, kind_of
from ledger.record import read_record
from ledger.rules.guards.data import UNCORRECTABLE
from tests.vectors.make import VECTORS
from tests.vectors.make_entries import ZEROS
from tests.vectors.plain import SYSTEM, canonical, compact

FOLDS: list[dict[str, Any]] = json.loads((VECTORS / "effects.json").read_text("utf-8"))["folds"]
AUTHORITY = (VECTORS.parent / "authority.md").read_text("utf-8")


def folded(events: list[dict[str, Any]]) -> History:
    """The fold of a vector's events, each in an entry of its own."""
    history = History()
    for seq, event in enumerate(events):
        assert kind_of(event["type"]) == event["kind"]
        members = {
            "specversion": "1.0", "source": "/ledger", "subject": "subject/SY01-0001",
            "trialid": "X", **{name: event[name] for name in ("id", "type", "time", "data")},
        }  # fmt: skip
        entry = {
            "prev": ZEROS, "recorded_at": "2024-03-02T00:00:00.000000Z", "seq": seq,
            "statement": compact(SYSTEM, canonical(members)), "stream": "subject/SY01-0001",
            "stream_prev": ZEROS, "stream_seq": seq,
        }  # fmt: skip
        history.apply(read_record(canonical(entry)))
    return history


@pytest.mark.parametrize("row", FOLDS, ids=lambda row: row["name"])
def test_a_history_says_what_its_vector_says(row: dict[str, Any]) -> None:
    """Records in effect in their order, as changed, voided and signed; commands decided."""
    history = folded(row["events"])
    places = {event["id"]: place for place, event in enumerate(row["events"])}
    found = [
        {
            "event": places[fact.id], "data": fact.data, "time": fact.time,
            "void": fact.voided_by is not None,
            "signed_by": [places[one.id] for one in fact.signed_by],
        }
        for fact in sorted(history.facts.values(), key=lambda fact: fact.order)
    ]  # fmt: skip
    assert [canonical(one) for one in found] == [canonical(one) for one in row["in_effect"]]
    decided = [fact for fact in history.facts.values() if fact.result is not None]
    assert sorted(places[fact.id] for fact in decided) == sorted(row["accepted"])
    assert [places[command.id] for command, _ in history.refused] == row["refused"]


def test_the_page_names_what_is_never_corrected() -> None:
    """The list of the page is the guard's."""
    listed = re.search(r"Uncorrectable are (.*?), and\s+every record of the", AUTHORITY, re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`([a-z.-]+\.v[0-9]+)`", listed[1])) == UNCORRECTABLE

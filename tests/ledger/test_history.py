"""Records as they now stand: JSON pointers into them, and commands that wait for their result."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ledger.history import History, put, same, tokens, value_at
from ledger.signing import strict_json
from tests.build_ledger import COORDINATOR, identify
from tests.ledger.build_service import STREAM, SUBJECT, answer, bilirubin, correction

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject, JsonValue
    from tests.build_ledger import BuiltLedger

NAMES = st.text("ab/~01", min_size=1, max_size=4)
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.text("ab", max_size=2)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=4)


def places(value: JsonValue, path: str = "") -> list[tuple[str, JsonValue]]:
    """Every place in a document with its value, pointers written as RFC 6901 says."""
    found = [(path, value)] if path else []
    if isinstance(value, dict):
        for name, inner in value.items():
            escaped = name.replace("~", "~0").replace("/", "~1")
            found += places(inner, f"{path}/{escaped}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, f"{path}/{index}")
    return found


@given(DOCUMENTS)
def test_every_value_is_found_at_its_pointer(document: JsonObject) -> None:
    """Escaped names included (RFC 6901 sections 3 and 4)."""
    for pointer, value in places(document):
        assert same(value_at(document, pointer), value)


def test_the_pointers_of_the_rfc_read_as_printed_there() -> None:
    """RFC 6901 section 5, those that are not the whole document."""
    document: JsonObject = {
        "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5,
        'k"l': 6, " ": 7, "m~n": 8,
    }  # fmt: skip
    printed = {
        "/foo": ["bar", "baz"], "/foo/0": "bar", "/": 0, "/a~1b": 1, "/c%d": 2, "/e^f": 3,
        "/g|h": 4, "/i\\j": 5, '/k"l': 6, "/ ": 7, "/m~0n": 8,
    }  # fmt: skip
    assert {pointer: value_at(document, pointer) for pointer in printed} == printed
    assert tokens("/~01") == ["~1"]


@given(DOCUMENTS, st.data(), VALUES)
def test_what_is_put_at_a_place_stands_there_and_nowhere_else(
    document: JsonObject, data: st.DataObject, value: JsonValue
) -> None:
    """Other places that do not lie below or above it keep their values."""
    known = places(document)
    if not known:
        return
    pointer, _ = data.draw(st.sampled_from(known))
    changed = copy.deepcopy(document)
    put(changed, pointer, value)
    assert same(value_at(changed, pointer), value)
    for other, before in known:
        if not (other + "/").startswith(pointer + "/") and not pointer.startswith(other + "/"):
            assert same(value_at(changed, other), before)


@given(DOCUMENTS, st.lists(NAMES, min_size=1, max_size=4), VALUES)
def test_a_pointer_to_nowhere_changes_nothing_or_holds_afterwards(
    document: JsonObject, path: list[str], value: JsonValue
) -> None:
    """Never an error, never a change somewhere else than stated."""
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)
    changed = copy.deepcopy(document)
    put(changed, pointer, value)
    if not same(value_at(changed, pointer), value):
        assert strict_json.canonical(changed) == strict_json.canonical(document)


def test_a_command_has_no_effect_before_its_result(built: BuiltLedger) -> None:
    """In a prefix of the log that ends between the two, nothing has happened yet."""
    answer(built, identify(built, 5))
    records = built.ledger.application.merged("subject/SY01-0005", "treatment/SY01-0005")
    asked, decided = History(records[:1]), History(records)
    assert asked.last("subject.identified.v1") is None
    assert list(asked.pending) == [records[0].id]
    fact = decided.last("subject.identified.v1")
    assert fact is not None
    assert fact.result is not None
    assert fact.result.id == records[1].id
    assert not decided.pending


def test_a_refused_command_is_listed_and_never_takes_effect(built: BuiltLedger) -> None:
    """With the refusal beside it."""
    target = built.record(bilirubin(built, "1"))
    stale = correction(built, target, ("/data/value/value", "9", "2"), by=COORDINATOR)
    answer(built, stale)
    history = History(built.ledger.application.merged(STREAM, f"treatment/{SUBJECT}"))
    assert [(asked.id, refusal.type) for asked, refusal in history.refused] == [
        (stale.event.id, "command.refused.v1")
    ]
    assert stale.event.id not in history.facts


def test_facts_come_in_order_of_occurrence(built: BuiltLedger) -> None:
    """Whatever the order in which they were recorded."""
    times = ["2024-01-20T09:30:00+08:00", "2024-01-05T09:30:00+08:00", "2024-01-20T01:00:00Z"]
    built.record_all([bilirubin(built, "1", time=time) for time in times])
    history = History(built.ledger.application.stream(STREAM))
    assert [fact.time for fact in history.of("lab-result.recorded.v1")] == [
        times[1],
        times[2],
        times[0],
    ]


def test_a_correction_stays_as_it_was_stated_whatever_follows(built: BuiltLedger) -> None:
    """A value it has set is the target's own: changing that does not reach into the correction."""
    first = built.record(bilirubin(built, "40"))
    members: JsonObject = {"value": "41", "unit": "umol/L"}
    before: JsonObject = {"value": "40", "unit": "umol/L"}
    built.record(correction(built, first, ("/data/value", before, members), by=COORDINATOR))
    built.record(correction(built, first, ("/data/value/value", "41", "42"), by=COORDINATOR))
    state = built.ledger.application.records(0, first.seq + 5)
    history = History(state)
    fix = next(fact for fact in history.facts.values() if fact.type == "data.corrected.v1")
    changes = fix.data["changes"]
    assert isinstance(changes, list)
    assert isinstance(changes[0], dict)
    assert changes[0]["new"] == members
    assert value_at(history.facts[first.id].data, "/value/value") == "42"

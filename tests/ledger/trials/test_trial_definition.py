"""Reading trial definitions: what is accepted, what is refused, and where the flaw lies."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.trials import Source, load_trial, parse_trial

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT: dict[str, Any] = load_trial("xhnkky-dfsc").to_json()


def nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Give the path of every value inside ``value``, itself included."""
    found = [path]
    items: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else []
    items += enumerate(value) if isinstance(value, list) else ()
    for key, member in items:
        found += nodes(member, (*path, key))
    return found


def at(document: Any, path: tuple[Any, ...]) -> Any:
    """Follow a path."""
    for key in path:
        document = document[key]
    return document


STATED = [path for path in nodes(DOCUMENT) if path and path[0] in {"registry", "protocol"}]
MEMBERS = [path for path in STATED if isinstance(path[-1], str)]
OBJECTS = [path for path in STATED if isinstance(at(DOCUMENT, path), dict)]


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Give the shipped definition with one value replaced."""
    document = copy.deepcopy(DOCUMENT)
    at(document, path[:-1])[path[-1]] = value
    return document


@given(st.sampled_from(MEMBERS))
def test_a_definition_without_one_of_its_members_is_refused(path: tuple[Any, ...]) -> None:
    """Nothing has a default: what a trial does not say must not be guessed."""
    document = copy.deepcopy(DOCUMENT)
    del at(document, path[:-1])[path[-1]]
    with pytest.raises(RejectedInput) as refusal:
        parse_trial(document)
    assert refusal.value.where


@given(st.sampled_from(OBJECTS))
def test_a_definition_with_an_unknown_member_is_refused(path: tuple[Any, ...]) -> None:
    """A misspelt member would otherwise be a rule that is silently not applied."""
    document = copy.deepcopy(DOCUMENT)
    at(document, path)["unheard-of"] = 1
    with pytest.raises(RejectedInput):
        parse_trial(document)


@given(st.sampled_from(STATED), st.sampled_from([None, 1.5, [[]], {"a": 1}, "", -1_000_000]))
def test_a_value_of_another_type_is_refused_wherever_it_stands(
    path: tuple[Any, ...], value: Any
) -> None:
    """Every value has one type, and no value is empty, a float or below all bounds."""
    with pytest.raises(RejectedInput):
        parse_trial(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "code", "where"),
    [
        (("protocol", "planned_number"), "92", "wrong-type", "/protocol/planned_number"),
        (("protocol", "planned_number"), True, "wrong-type", "/protocol/planned_number"),
        (("protocol", "planned_number"), 93, "source-differs", None),
        (("registry", "start_date"), "2024-02-30", "out-of-range", "/registry/start_date"),
        (("registry", "start_date"), "2024-2-1", "wrong-type", "/registry/start_date"),
        (
            ("protocol", "infusion", "minimum_viability_percent"),
            "8e1",
            "wrong-type",
            "/protocol/infusion/minimum_viability_percent",
        ),
        (
            ("protocol", "infusion", "minimum_viability_percent"),
            "100.1",
            "out-of-range",
            "/protocol/infusion/minimum_viability_percent",
        ),
        (
            ("protocol", "allocation", "block_sizes"),
            [4, 6],
            "out-of-range",
            "/protocol/allocation/block_sizes",
        ),
        (
            ("protocol", "allocation", "ratio"),
            {"single": 1},
            "inconsistent",
            "/protocol/allocation/ratio",
        ),
        (("protocol", "endpoint", "visit"), "W25", "inconsistent", "/protocol/endpoint/visit"),
        (
            ("protocol", "sites", 0, "time_zone"),
            "Asia/Shenyang",
            "inconsistent",
            "/protocol/sites/0/time_zone",
        ),
        (("protocol", "arms", 1, "id"), "single", "duplicate-id", "/protocol/arms"),
        (
            ("protocol", "criteria", 1, "parameters", "rule"),
            "age",
            "out-of-range",
            "/protocol/criteria/1/parameters/rule",
        ),
        (
            ("protocol", "child_pugh", "cut_offs", 0, "two_points_to"),
            "33",
            "inconsistent",
            "/protocol/child_pugh/cut_offs/0/two_points_to",
        ),
        (
            ("protocol", "masking", "masked_roles", 0),
            "janitor",
            "out-of-range",
            "/protocol/masking/masked_roles/0",
        ),
    ],
)
def test_a_flaw_is_named_with_its_code_and_pointer(
    path: tuple[Any, ...], value: Any, code: str, where: str | None
) -> None:
    """Who writes the next trial's file must find the place at once."""
    with pytest.raises(RejectedInput) as refusal:
        parse_trial(changed(path, value))
    assert refusal.value.code == f"trial.{code}"
    if where is not None:
        assert refusal.value.where == where


def test_a_protocol_value_without_a_source_is_refused() -> None:
    """What the register does not state must be listed as assumed."""
    document = copy.deepcopy(DOCUMENT)
    document["assumed"] = [
        row for row in document["assumed"] if row["pointer"] != "/protocol/late_entry_limit_hours"
    ]
    with pytest.raises(RejectedInput) as refusal:
        parse_trial(document)
    assert refusal.value.code == "trial.unsourced"
    assert refusal.value.where == "/protocol/late_entry_limit_hours"


def test_a_criterion_text_that_the_register_does_not_hold_is_refused() -> None:
    """Criteria are quoted word for word."""
    with pytest.raises(RejectedInput) as refusal:
        parse_trial(changed(("protocol", "criteria", 1, "text"), "End stage liver disease"))
    assert refusal.value.code == "trial.source-differs"


def test_an_assumption_about_nothing_is_refused() -> None:
    """A stale assumption would make the report claim what is no longer so."""
    document = copy.deepcopy(DOCUMENT)
    document["assumed"].append({"pointer": "/protocol/visit", "reason": "Misspelt."})
    with pytest.raises(RejectedInput) as refusal:
        parse_trial(document)
    assert refusal.value.where == f"/assumed/{len(document['assumed']) - 1}/pointer"


def test_a_definition_too_large_for_entry_zero_is_refused() -> None:
    """The definition travels inside the first entry."""
    with pytest.raises(RejectedInput) as refusal:
        parse_trial(changed(("registry", "description"), "x" * 30_720))
    assert refusal.value.code == "trial.size"


def test_the_digest_is_that_of_the_rfc_8785_bytes_whatever_the_order_of_members() -> None:
    """Two spellings of one definition are one definition."""
    reordered = dict(reversed(DOCUMENT.items()))
    trial = parse_trial(reordered)
    assert trial == parse_trial(DOCUMENT)
    assert trial.canonical_bytes() == rfc8785.dumps(DOCUMENT)
    assert trial.sha256 == hashlib.sha256(rfc8785.dumps(DOCUMENT)).hexdigest()


def test_a_definition_is_loaded_from_a_file_as_well_as_by_name(tmp_path: Path) -> None:
    """The next trial is another file."""
    file = tmp_path / "next.json"
    file.write_text(json.dumps(DOCUMENT, indent=1), encoding="utf-8")
    assert load_trial(file) == load_trial("xhnkky-dfsc")


@pytest.mark.parametrize("name", ["../../pyproject", "XHNKKY-DFSC", "", "absent", "xhnkky-dfsc\n"])
def test_a_name_that_is_no_shipped_trial_is_refused(name: str) -> None:
    """A name never becomes a path."""
    with pytest.raises(RejectedInput) as refusal:
        load_trial(name)
    assert refusal.value.code == "trial.not-found"


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    """The path is named in the message."""
    with pytest.raises(RejectedInput, match=r"absent\.json"):
        load_trial(tmp_path / "absent.json")


def test_a_float_in_the_file_is_refused(tmp_path: Path) -> None:
    """Decimals are strings, so that every reader sees the same value."""
    file = tmp_path / "float.json"
    text = json.dumps(DOCUMENT).replace('"planned_number": 92', '"planned_number": 92.0')
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RejectedInput) as refusal:
        load_trial(file)
    assert refusal.value.code == "strict-json.float"


@pytest.mark.parametrize(
    ("pointer", "source"),
    [
        ("/protocol/planned_number", Source.REGISTRY),
        ("/protocol/criteria/0/text", Source.REGISTRY),
        ("/protocol/visits/4/days_after", Source.ASSUMED),
        ("/protocol/visitsx", None),
        ("/registry/title", None),
    ],
)
def test_the_source_of_a_value_is_told(pointer: str, source: Source | None) -> None:
    """The report marks each configured value as registered or assumed."""
    trial = load_trial("xhnkky-dfsc")
    assert trial.source_of(pointer) is source
    assert (trial.assumption_for(pointer) is not None) == (source is Source.ASSUMED)


def test_trial_definitions_load_without_web_schema_or_event_libraries() -> None:
    """Rules and guards use definitions wherever the kernel runs."""
    probe = (
        "import sys, ledger.trials, ledger.rules.child_pugh, ledger.rules.calendar;"
        "print({'flask', 'marshmallow', 'eventsourcing'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"

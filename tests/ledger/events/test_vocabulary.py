"""The table as a whole: every type, its payload, its stream and its signers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import RejectedInput
from ledger.events.catalogue import example
from ledger.events.registry import DOMAINS, EVENT_TYPES
from ledger.signing.envelope import TYPE
from ledger.vocabulary import Kind, Purpose, Role, SigningRule, StreamFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.events.event_type import EventType
from marshmallow import fields

ALL = list(EVENT_TYPES.values())
MEANINGS = frozenset(
    {
        "authorship",
        "review",
        "approval",
        "responsibility",
        "consent-given",
        "consent-explained",
        "witness",
    }
)
every_type = pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of every scalar, and of the containers themselves, below a payload."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, member in value.items():
            if (*path, name)[-1] not in ("protocol", "old", "new"):
                yield from leaves(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from leaves(member, (*path, index))


def replaced(payload: Any, path: Path, value: Any) -> Any:
    """A copy of a payload with another value at a path."""
    changed = copy.deepcopy(payload)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def at(payload: Any, path: Path) -> Any:
    """The value at a path."""
    for step in path:
        payload = payload[step]
    return payload


def full(row: EventType) -> dict[str, Any]:
    """The smallest payload with a full record block."""
    record = {
        "captured_at": "2024-03-01T09:30:00+08:00",
        "mode": "transcribed",
        "originator": {"person": "/sites/SY01/persons/crc-01", "device": "analyser-2"},
        "source_ref": "Ward book, page 17",
        "reason": {"code": "paper", "text": "Written on the ward first."},
    }
    return {**example(row.schema), "record": record}


@every_type
def test_its_smallest_example_is_valid_with_and_without_a_record_block(row: EventType) -> None:
    """The examples on the page are true, and ``record`` may stand in every type."""
    row.check(example(row.schema))
    row.check(full(row))


@every_type
def test_an_unknown_member_is_refused_in_every_object(row: EventType) -> None:
    """Nothing is dropped in silence, at any depth."""
    payload = full(row)
    objects = [(), *(path for path in leaves(payload) if isinstance(at(payload, path), dict))]
    for path in objects:
        grown = copy.deepcopy(payload)
        at(grown, path)["unheard-of"] = "x"
        if "protocol" in path:
            continue
        with pytest.raises(RejectedInput) as refused:
            row.check(grown)
        assert refused.value.where == "/".join(("/data", *map(str, path), "unheard-of"))


@every_type
def test_no_value_survives_in_another_json_type(row: EventType) -> None:
    """Neither "5" for 5 nor 1 for true nor 1.0 for 1: nothing is coerced."""
    payload = full(row)
    foreign: list[Any] = ["5", 5, 5.0, True, [], {}, ["5"], {"a": 1}]
    for path in leaves(payload):
        for other in foreign:
            if type(other) is type(at(payload, path)):
                continue
            with pytest.raises(RejectedInput):
                row.check(replaced(payload, path, other))


@every_type
def test_a_required_member_may_be_neither_absent_nor_null(row: EventType) -> None:
    """What makes it a record must be there."""
    payload = example(row.schema)
    for name, field in row.schema.fields.items():
        key = field.data_key or name
        if not field.required:
            continue
        with pytest.raises(RejectedInput):
            row.check({member: payload[member] for member in payload if member != key})
        with pytest.raises(RejectedInput):
            row.check({**payload, key: None})


@every_type
def test_an_optional_member_may_be_null(row: EventType) -> None:
    """Null says that it was not stated, and lets a correction take a value away."""
    payload = example(row.schema)
    for name, field in row.schema.fields.items():
        if not field.required and name not in payload:
            row.check({**payload, field.data_key or name: None})


@every_type
def test_every_member_says_what_it_means(row: EventType) -> None:
    """Page, forms and OpenAPI have a sentence for each member and for the type."""
    assert row.rule.meaning.endswith(".")
    assert all(field.metadata.get("description") for field in row.schema.fields.values())


@every_type
def test_its_name_has_the_grammar_of_types(row: EventType) -> None:
    """``domain.past-participle.vN``, as the envelope demands."""
    assert TYPE.fullmatch(row.name)


@every_type
def test_its_signers_fit_its_kind(row: EventType) -> None:
    """The ledger signs results, persons sign judgements, and somebody can sign each type."""
    kind, signing = row.rule.kind, row.rule.signing
    assert signing.meanings <= MEANINGS
    if row.name == "trial.opened.v1":
        assert signing.ledger
        assert signing.roles == {Role.SPONSOR}
        return
    assert signing.ledger == (kind is Kind.RESULT)
    if kind is Kind.RESULT:
        assert signing == SigningRule(ledger=True)
        return
    assert signing.roles
    assert signing.meanings
    assert signing.person or kind is not Kind.JUDGEMENT
    assert signing.person or not signing.physician


@every_type
def test_a_system_signs_alone_only_facts_and_the_start_of_screening(row: EventType) -> None:
    """A machine's signature is never a person's decision (R-30)."""
    if Role.SITE_SYSTEM in row.rule.signing.roles and row.rule.kind is not Kind.FACT:
        assert row.name in {
            "subject.identified.v1",
            "screening.started.v1",
            "rescreening.started.v1",
        }


@every_type
def test_a_read_only_role_signs_nothing(row: EventType) -> None:
    """Monitors, auditors and inspectors read everything and write nothing (R-38)."""
    readers = {Role.MONITOR, Role.AUDITOR, Role.INSPECTOR}
    assert not row.rule.signing.roles & readers


@pytest.mark.parametrize("name", ["data.corrected.v1", "data.voided.v1"])
def test_neither_sponsor_nor_system_corrects_data(name: str) -> None:
    """The investigator's data are the site's (R-36)."""
    signing = EVENT_TYPES[name].rule.signing
    assert signing.person
    assert not signing.roles & {
        Role.SPONSOR,
        Role.REGISTRAR,
        Role.STATISTICIAN,
        Role.ETHICS_COMMITTEE,
        Role.SITE_SYSTEM,
    }


@pytest.mark.parametrize(
    "name",
    [
        "criterion.assessed.v1",
        "eligibility.confirmed.v1",
        "eligibility.revoked.v1",
        "blind.broken.v1",
    ],
)
def test_a_physician_signs_what_only_a_physician_may_judge(name: str) -> None:
    """Eligibility and unblinding are medical decisions (R-51, R-56)."""
    assert EVENT_TYPES[name].rule.signing.physician


@every_type
def test_what_tells_the_arm_stays_out_of_the_arm_neutral_stream(row: EventType) -> None:
    """A masked reader of ``subject/…`` learns nothing of infusions, bags, slots or arms."""
    telling = {"arm", "slot", "slot_salt", "infusion_number", "infusions_given", "lot", "bag_id"}
    if row.rule.stream is StreamFamily.SUBJECT:
        assert not telling & set(row.schema.fields)


@every_type
def test_the_arm_is_sealed_for_allocation_and_nothing_else_is(row: EventType) -> None:
    """Erasure destroys identity and text, never allocation: the purposes must be right."""
    allocation = {
        name for name, purpose in row.rule.sealed.items() if purpose is Purpose.ALLOCATION
    }
    assert allocation == {"arm", "slot_salt"} & set(row.schema.fields)


@every_type
def test_names_and_birth_dates_are_sealed_as_identity(row: EventType) -> None:
    """Direct identifiers never stand in clear."""
    personal = {
        name
        for name in row.schema.fields
        if name in {"birth_date", "identity_check"}
        or (name.endswith("_name") and row.rule.stream is StreamFamily.SUBJECT)
    }
    assert all(row.rule.sealed.get(name) is Purpose.IDENTITY for name in personal)


@every_type
def test_free_words_about_a_subject_are_sealed(row: EventType) -> None:
    """Comments, findings, narratives and reasons in words open only under the text key."""
    words = {"comment", "findings", "narrative", "reason_text", "cause_text"}
    for name in words & set(row.schema.fields):
        assert row.rule.sealed[name] is Purpose.TEXT


@every_type
def test_a_type_in_the_stream_of_its_target_names_it(row: EventType) -> None:
    """``TARGET`` can be resolved: ``target``, or ``anchor`` for deviations."""
    if row.rule.stream is StreamFamily.TARGET:
        named = {"target", "anchor"} & set(row.schema.fields)
        assert len(named) == 1
        assert isinstance(row.schema.fields[named.pop()], fields.String)


@every_type
def test_a_result_names_its_request(row: EventType) -> None:
    """Every answer of the ledger points back at the command, a dossier at a stream's head."""
    if row.rule.kind is Kind.RESULT:
        assert {"request"} <= set(row.schema.fields) or row.name == "dossier.issued.v1"


def test_there_is_no_way_to_waive_a_criterion() -> None:
    """No type lets anybody waive (R-52)."""
    assert not [name for name in EVENT_TYPES if "waive" in name]


def test_every_domain_holds_its_types_once() -> None:
    """The registry loses and doubles none."""
    assert len(EVENT_TYPES) == sum(len(rows) for rows in DOMAINS.values())

"""Rules over several members of a payload, and what a fact may leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RejectedInput
from ledger.events import names
from ledger.events.catalogue import example
from ledger.events.consent import SCOPES
from ledger.events.payload import PartialDate, PublicKey, Reason
from ledger.events.registry import EVENT_TYPES
from ledger.trials.criteria import ConsentScope

if TYPE_CHECKING:
    from marshmallow import Schema

    from ledger.signing.strict_json import JsonObject, JsonValue


def payload(name: str) -> JsonObject:
    """The smallest valid payload of a type."""
    return example(EVENT_TYPES[name].schema)


def accepts(name: str, data: JsonObject) -> bool:
    """Whether a type takes a payload."""
    try:
        EVENT_TYPES[name].check(data)
    except RejectedInput:
        return False
    return True


def valid(schema: type[Schema], data: JsonObject) -> bool:
    """Whether a shape takes an object."""
    return not schema().validate(data)


@given(
    code=st.from_regex(r"[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,6}){0,2}", fullmatch=True),
    dress=st.sampled_from(["{}", "{}.", " {} ", "({})", "«{}»"]),
    shout=st.booleans(),
)
def test_a_reason_in_other_clothes_than_its_code_is_no_reason(
    *, code: str, dress: str, shout: bool
) -> None:
    """The words must say more than the code (R-06)."""
    words = dress.format(code.replace("-", " "))
    assert not valid(Reason, {"code": code, "text": words.upper() if shout else words})


@pytest.mark.parametrize("text", ["", " ", ".", "…", "\n"])
def test_a_blank_reason_is_refused(text: str) -> None:
    """Neither empty nor a dot (R-06)."""
    assert not valid(Reason, {"code": "other", "text": text})


@pytest.mark.parametrize(
    ("value", "precision", "expected"),
    [
        ("1968", "year", True),
        ("1968-05", "month", True),
        ("1968-02-29", "day", True),
        ("1968-05", "day", False),
        ("1968-05-02", "year", False),
        ("1968-13", "month", False),
        ("1969-02-29", "day", False),
        ("0000", "year", False),
    ],
)
def test_a_partial_date_is_written_as_precisely_as_it_is_known(
    value: str, precision: str, *, expected: bool
) -> None:
    """No invented day, no day the calendar lacks."""
    assert valid(PartialDate, {"value": value, "precision": precision}) is expected


def test_a_private_key_is_refused() -> None:
    """Nobody ever posts a ``d``."""
    assert not valid(PublicKey, {**example(PublicKey()), "d": "x"})


@pytest.mark.parametrize(
    ("kty", "crv", "y"), [("OKP", "P-256", True), ("EC", "P-256", False), ("OKP", "Ed25519", True)]
)
def test_a_key_has_the_members_of_its_curve(kty: str, crv: str, *, y: bool) -> None:
    """Ed25519 has x, P-256 has x and y."""
    coordinate = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    key: JsonObject = {"kty": kty, "crv": crv, "x": coordinate}
    assert not valid(PublicKey, {**key, "y": coordinate} if y else key)


def test_a_systems_key_needs_a_source_prefix_and_a_persons_has_none() -> None:
    """A person signs for himself; what a system may sign for is fixed."""
    data = payload("key.registered.v1")
    system: JsonObject = {"kind": "system", "id": "/sites/SY01/systems/edc", "name": "EDC"}
    prefix = "/sites/SY01/systems/edc"
    assert not accepts("key.registered.v1", {**data, "source_prefix": prefix})
    assert not accepts("key.registered.v1", {**data, "owner": system})
    assert accepts("key.registered.v1", {**data, "owner": system, "source_prefix": prefix})


def test_an_owners_kind_agrees_with_its_source() -> None:
    """A system does not register as a person."""
    owner: JsonObject = {"kind": "person", "id": "/sites/SY01/systems/edc", "name": "EDC"}
    assert not accepts("key.registered.v1", {**payload("key.registered.v1"), "owner": owner})


@pytest.mark.parametrize(
    "name", ["consent.withdrawn.v1", "consent.declined.v1", "death.recorded.v1", "blind.broken.v1"]
)
def test_withdrawal_refusal_death_and_unblinding_need_no_member_at_all(name: str) -> None:
    """They are accepted at once, with whatever is known."""
    assert accepts(name, {})


def test_a_consent_that_lacks_signatures_is_still_a_record() -> None:
    """The deviation is derived; the fact is never lost."""
    data = payload("consent.obtained.v1")
    unsigned = {"participant_signed_at": None, "leader_signed_at": None}
    lacking: JsonObject = {**data, **unsigned, "can_read": False, "copy_given": False, "scopes": []}
    assert accepts("consent.obtained.v1", lacking)


def test_the_scopes_of_consent_are_those_a_protocol_can_ask_for() -> None:
    """Vocabulary and trial definition name the same five."""
    assert set(SCOPES) == set(get_args(ConsentScope))


def test_a_laboratory_result_is_a_number_or_a_word() -> None:
    """Exactly one of the two."""
    data = payload("lab-result.recorded.v1")
    assert not accepts("lab-result.recorded.v1", {**data, "result": "reactive"})
    assert not accepts("lab-result.recorded.v1", {**data, "value": None})
    assert accepts("lab-result.recorded.v1", {**data, "value": None, "result": "reactive"})


def test_the_strata_of_a_sealed_list_sum_to_its_slots() -> None:
    """A list that does not add up is not committed to."""
    name = "randomization-list.sealed.v1"
    strata: list[JsonObject] = [
        {"stratum": "sex=female", "slots": 60},
        {"stratum": "sex=male", "slots": 40},
    ]
    assert accepts(name, {**payload(name), "strata": [*strata], "total_slots": 100})
    assert not accepts(name, {**payload(name), "strata": [*strata], "total_slots": 92})


def test_a_correction_changes_something() -> None:
    """No empty correction, no value that stays, nothing of the envelope but its time."""
    name = "data.corrected.v1"
    data = payload(name)
    change: JsonObject = {"pointer": "/data/sex", "old": "male", "new": "female"}
    assert not accepts(name, {**data, "changes": []})
    assert not accepts(name, {**data, "changes": [{**change, "new": "male"}]})
    assert not accepts(name, {**data, "changes": [{**change, "pointer": "/subject"}]})
    assert accepts(name, {**data, "changes": [{**change, "old": True, "new": 1}]})
    assert accepts(name, {**data, "changes": [{**change, "old": None}]})
    assert accepts(name, {**data, "changes": [], "identity_changes": [change]})


@pytest.mark.parametrize(
    ("data", "where", "meant"),
    [
        ({"test_cod": "inr", "result": "x"}, "/data/test_cod", "test_code"),
        ({"test_code": "inr", "value": {"value": "1", "unti": "1"}}, "/data/value/unti", "unit"),
        ({"test_code": "inr", "result": "x", "zzz": 1}, "/data/zzz", None),
    ],
)
def test_a_misspelt_member_is_told_with_what_may_be_meant(
    data: JsonObject, where: str, meant: str | None
) -> None:
    """Before the member that is missing by it."""
    with pytest.raises(RejectedInput) as refused:
        EVENT_TYPES["lab-result.recorded.v1"].check(data)
    assert (refused.value.code, refused.value.where) == ("schema.invalid-member", where)
    assert ("Did you mean" in refused.value.message) == (meant is not None)
    assert f"Did you mean {meant}?" in refused.value.message or meant is None


def test_a_misspelt_member_in_a_list_is_told_with_its_place() -> None:
    """The index stands in the pointer."""
    changes: list[JsonValue] = [
        {"pointer": "/data/x", "old": "1", "new": "2"},
        {"poiner": "/data/x", "old": "1", "new": "2"},
    ]
    data: JsonObject = {
        "target": names.EXAMPLE_EVENT,
        "changes": changes,
        "reason": {"code": "transcription", "text": "Misread from the print-out."},
        "source_ref": "Page 17",
    }
    with pytest.raises(RejectedInput) as refused:
        EVENT_TYPES["data.corrected.v1"].check(data)
    assert refused.value.where == "/data/changes/1/poiner"
    assert "Did you mean pointer?" in refused.value.message

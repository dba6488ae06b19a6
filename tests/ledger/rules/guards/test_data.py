"""Corrections and voiding: nothing is overwritten, nobody corrects what he did not see."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger.errors import LedgerError
from ledger.history import CORRECTED, VOIDED, Fact, History
from ledger.signing.envelope import event_bytes
from ledger.signing.sealing import seal
from ledger.signing.statement import sign_statement
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    INVESTIGATOR,
    PHARMACIST,
    REGISTRAR,
    SITE,
    SPONSOR,
    STATISTICIAN,
    identify,
    salt_of,
)
from tests.ledger.build_service import (
    LOT,
    STREAM,
    answer,
    bag,
    bilirubin,
    code_of,
    correction,
    refusals,
)

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue
    from tests.build_ledger import BuiltLedger, Signed

REASON: JsonObject = {"code": "wrong-subject", "text": "It was the neighbour's print-out."}
VALUE = "/data/value/value"


def voiding(built: BuiltLedger, target: Record, *, by: str = COORDINATOR) -> Signed:
    """A record ended."""
    data: JsonObject = {"target": target.id, "reason": REASON, "source_ref": "Ward book, p. 17"}
    return built.sign(VOIDED, target.stream, data, by=by, meaning="authorship")


def correct(
    built: BuiltLedger, target: Record, *changes: tuple[str, JsonValue, JsonValue]
) -> list[str]:
    """The rules that refuse a correction by the coordinator."""
    return refusals(built, correction(built, target, *changes, by=COORDINATOR))


def fact_of(built: BuiltLedger, record: Record) -> Fact:
    """The record as it now stands, folded from the file anew."""
    return History(built.ledger.application.stream(record.stream) if "/" not in record.stream
                   else built.ledger.application.merged(
                       record.stream, record.stream.replace("subject/", "treatment/"))
                   ).facts[record.id]  # fmt: skip


def test_a_correction_changes_what_is_read_and_not_what_was_written(built: BuiltLedger) -> None:
    """The entry stays byte for byte; the fact reads as corrected and names its correction."""
    target = built.record(bilirubin(built, "34.2"))
    before = built.ledger.application.store.entry(target.seq)
    signed = correction(built, target, (VALUE, "34.2", "43.2"), by=COORDINATOR)
    assert refusals(built, signed) == []
    fact = fact_of(built, target)
    assert fact.data["value"] == {"value": "43.2", "unit": "umol/L"}
    assert [record.id for record in fact.corrections] == [signed.event.id]
    assert built.ledger.application.store.entry(target.seq) == before
    assert built.ledger.application.record(target.seq).data["value"] == {
        "value": "34.2",
        "unit": "umol/L",
    }


def test_corrections_form_a_chain_of_old_and_new_values(built: BuiltLedger) -> None:
    """Each starts from what the one before left; a stale one is refused."""
    target = built.record(bilirubin(built, "1"))
    assert correct(built, target, (VALUE, "1", "2")) == []
    assert correct(built, target, (VALUE, "1", "3")) == ["GD-02"]
    assert correct(built, target, (VALUE, "2", "3")) == []
    assert correct(built, target, (VALUE, "3", "1")) == []
    fact = fact_of(built, target)
    assert fact.data == target.data
    assert len(fact.corrections) == 3


def test_of_two_corrections_of_one_value_in_a_group_the_first_holds(built: BuiltLedger) -> None:
    """The second was made from a value that no longer stands."""
    target = built.record(bilirubin(built, "1"))
    both = [correction(built, target, (VALUE, "1", new), by=COORDINATOR) for new in ("2", "3")]
    outcomes = [given for given in built.record_all(both) if not isinstance(given, LedgerError)]
    assert [given.outcome.refused for given in outcomes] == [False, True]
    value = fact_of(built, target).data["value"]
    assert isinstance(value, dict)
    assert value["value"] == "2"


def test_a_refused_correction_changes_nothing(built: BuiltLedger) -> None:
    """It stands in the log with its refusal, without effect in folds."""
    target = built.record(bilirubin(built, "1"))
    assert correct(built, target, (VALUE, "9", "2")) == ["GD-02"]
    assert fact_of(built, target).data == target.data
    assert fact_of(built, target).corrections == []


def test_the_time_can_be_corrected_in_the_same_way(built: BuiltLedger) -> None:
    """By its text as sent; afterwards the fact occurs at the new instant."""
    target = built.record(bilirubin(built, "1", time="2024-02-01T09:30:00+08:00"))
    other = ("/time", "2024-02-01T01:30:00Z", "2024-02-01T08:30:00+08:00")
    assert correct(built, target, other) == ["GD-02"]
    change = ("/time", "2024-02-01T09:30:00+08:00", "2024-02-01T08:30:00+08:00")
    assert correct(built, target, change) == []
    fact = fact_of(built, target)
    assert fact.time == "2024-02-01T08:30:00+08:00"
    assert target.occurred_at - fact.occurred_at == timedelta(hours=1)


@pytest.mark.parametrize(
    "new", ["2024-02-01T08:30:00", "yesterday", "", None, 5, "2024-02-30T00:00:00Z",
            "2031-01-01T00:00:00Z"]
)  # fmt: skip
def test_a_corrected_time_must_be_a_time_that_has_come(built: BuiltLedger, new: JsonValue) -> None:
    """No naive time, no nonsense, none in the future."""
    target = built.record(bilirubin(built, "1"))
    assert set(correct(built, target, ("/time", target.event.time, new))) == {"GD-03"}


@pytest.mark.parametrize("pointer", ["/id", "/type", "/subject", "/source", "/trialid", "/data"])
def test_the_rest_of_the_envelope_is_never_corrected(built: BuiltLedger, pointer: str) -> None:
    """The schema itself has no place for it; a record in the wrong place is voided."""
    target = built.record(bilirubin(built, "1"))
    signed = correction(built, target, (pointer, "a", "b"), by=COORDINATOR)
    with pytest.raises(LedgerError) as refused:
        built.receive(signed)
    assert refused.value.code == "schema.invalid-member"


def test_members_that_name_the_stream_are_never_corrected(built: BuiltLedger) -> None:
    """Else a record would stand in one subject's stream and speak of another."""
    subject = built.record(identify(built, 2))
    renamed = ("/data/subject_id", f"{SITE}-0002", f"{SITE}-0003")
    assert correct(built, subject, renamed) == ["GD-03"]
    lot = built.record(bag(built, 1))
    signed = correction(built, lot, ("/data/lot", LOT, "L-9"), by=PHARMACIST)
    assert refusals(built, signed) == ["GD-03"]


@pytest.mark.parametrize(
    "change",
    [
        (VALUE, "34.2", "high"),
        (VALUE, "34.2", None),
        ("/data/value", {"value": "34.2", "unit": "umol/L"}, None),
        ("/data/colour", None, "yellow"),
        ("/data/value/value/deeper", None, "1"),
        ("/data/value/0", None, "1"),
        ("/data/comparator", None, "=>"),
        ("/data/test_code", "bilirubin", 7),
    ],
)
def test_what_results_must_be_a_valid_record_of_its_type(
    built: BuiltLedger, change: tuple[str, JsonValue, JsonValue]
) -> None:
    """A correction is no way round the schema."""
    target = built.record(bilirubin(built, "34.2"))
    assert set(correct(built, target, change)) == {"GD-03"}


def test_every_change_stated_takes_effect_or_none_does(built: BuiltLedger) -> None:
    """One that points nowhere, or contradicts another, spoils the whole correction."""
    target = built.record(bilirubin(built, "34.2"))
    good = (VALUE, "34.2", "43.2")
    assert correct(built, target, good, ("/data/test_code/x", None, "y")) == ["GD-03"]
    assert correct(built, target, good, (VALUE, "34.2", "44.2")) == ["GD-03"]
    assert fact_of(built, target).data == target.data
    assert correct(built, target, good, ("/data/comparator", None, ">")) == []
    assert fact_of(built, target).data["comparator"] == ">"


def test_a_correction_without_change_is_refused(built: BuiltLedger) -> None:
    """Old and new alike, or no change at all."""
    target = built.record(bilirubin(built, "34.2"))
    for signed in (correction(built, target, (VALUE, "34.2", "34.2"), by=COORDINATOR),
                   correction(built, target, by=COORDINATOR)):  # fmt: skip
        with pytest.raises(LedgerError):
            built.receive(signed)


def test_true_is_not_one(built: BuiltLedger) -> None:
    """JSON values are compared as JSON: the old value must be the very value."""
    lot = built.record(bag(built, 1))
    assert refusals(built, correction(built, lot, ("/data/passage", "5", 6), by=PHARMACIST)) == [
        "GD-02"
    ]
    assert refusals(built, correction(built, lot, ("/data/passage", True, 6), by=PHARMACIST)) == [
        "GD-02"
    ]
    assert refusals(built, correction(built, lot, ("/data/passage", 5, 6), by=PHARMACIST)) == []


def test_a_voided_record_is_over(built: BuiltLedger) -> None:
    """It is in no list of facts any more, and neither corrected nor voided again."""
    target = built.record(bilirubin(built, "34.2"))
    assert refusals(built, voiding(built, target)) == []
    assert fact_of(built, target).voided_by is not None
    assert "GD-01" in correct(built, target, (VALUE, "34.2", "43.2"))
    assert refusals(built, voiding(built, target)) == ["GD-01"]
    records = built.ledger.application.merged(STREAM, STREAM.replace("subject/", "treatment/"))
    assert History(records).of("lab-result.recorded.v1") == []


def test_what_does_not_stand_in_the_stream_is_no_target(built: BuiltLedger) -> None:
    """Another subject's record, a result of the ledger, nothing at all."""
    target = built.record(bilirubin(built, "34.2"))
    built.record(identify(built, 2))
    data: JsonObject = {"target": target.id, "reason": REASON, "source_ref": "p. 1"}
    elsewhere = built.sign(VOIDED, f"subject/{SITE}-0002", data, by=COORDINATOR,
                           meaning="authorship")  # fmt: skip
    assert refusals(built, elsewhere) == ["GD-01"]
    unknown = built.sign(VOIDED, STREAM, {**data, "target": elsewhere.event.id[:-4] + "abcd"},
                         by=COORDINATOR, meaning="authorship")  # fmt: skip
    assert refusals(built, unknown) == ["GD-01"]


def test_corrections_and_signatures_are_themselves_final(built: BuiltLedger) -> None:
    """A wrong correction is corrected by another one of the same target."""
    target = built.record(bilirubin(built, "34.2"))
    first = built.record(correction(built, target, (VALUE, "34.2", "43.2"), by=COORDINATOR))
    assert first.type == CORRECTED
    assert refusals(built, voiding(built, first)) == ["GD-01"]
    assert "GD-01" in correct(built, first, ("/data/source_ref", "Laboratory print-out 17", "x"))


@pytest.mark.parametrize("role", ["laboratory", "principal-investigator"])
def test_authority_is_not_granted_by_correcting(built: BuiltLedger, role: str) -> None:
    """A grant corrected to one's own advantage would be a grant to oneself."""
    grant = built.state("role.granted.v1", "access",
                        {"holder": COORDINATOR, "role": role, "scope": "trial"},
                        by=REGISTRAR)  # fmt: skip
    signed = correction(built, grant, ("/data/role", role, "sponsor"), by=COORDINATOR)
    assert code_of(built, signed) or answer(built, signed).outcome.refused
    assert built.ledger.writer is not None
    assert "sponsor" not in built.ledger.writer.state.register.roles(COORDINATOR, SITE)
    assert refusals(built, voiding(built, grant)) == ["GD-01"]


def test_the_commitment_to_the_allocation_list_is_never_changed(built: BuiltLedger) -> None:
    """Not even by its author with a role that may correct."""
    sealed = built.ledger.application.stream("allocation/main")[0]
    built.state("role.granted.v1", "access",
                {"holder": STATISTICIAN, "role": "laboratory", "scope": "trial"},
                by=REGISTRAR)  # fmt: skip
    root = sealed.data["list_root"]
    changed = correction(built, sealed, ("/data/list_root", root, "0" * 64), by=STATISTICIAN)
    assert "GD-01" in refusals(built, changed)


def test_sealed_members_are_changed_in_the_list_of_their_purpose(built: BuiltLedger) -> None:
    """In the open list the new value would show what the record conceals."""
    target = built.record(identify(built, 2))
    old: JsonValue = {"value": "1968-05-02", "precision": "day"}
    new: JsonValue = {"value": "1969-05-02", "precision": "day"}
    assert correct(built, target, ("/data/birth_date", old, new)) == ["GD-02"]
    change: JsonObject = {"pointer": "/data/birth_date", "old": old, "new": new}
    data: JsonObject = {
        "target": target.id,
        "changes": [],
        "reason": REASON,
        "source_ref": "Identity card",
    }
    for name, rules in (("text_changes", ["GD-02"]), ("identity_changes", [])):
        signed = built.sign(CORRECTED, target.stream, {**data, name: [change]},
                            by=COORDINATOR, meaning="authorship")  # fmt: skip
        assert "1969" not in signed.statement.payload.decode()
        assert refusals(built, signed) == rules
    assert fact_of(built, target).data["birth_date"] == new
    text = b"".join(data for _, data in built.ledger.application.store.entries(0, 1000)).decode()
    assert "1969-05-02" not in text


def test_open_members_are_not_changed_in_a_sealed_list(built: BuiltLedger) -> None:
    """What the record shows, its correction shows."""
    target = built.record(bilirubin(built, "34.2"))
    data: JsonObject = {
        "target": target.id,
        "changes": [],
        "identity_changes": [{"pointer": VALUE, "old": "34.2", "new": "43.2"}],
        "reason": REASON,
        "source_ref": "Print-out",
    }
    signed = built.sign(CORRECTED, STREAM, data, by=COORDINATOR, meaning="authorship")
    assert refusals(built, signed) == ["GD-02"]


def test_sealed_changes_do_not_pass_in_clear(built: BuiltLedger) -> None:
    """A sender who forgets to seal is told, and nothing is recorded."""
    target = built.record(identify(built, 2))
    change: JsonObject = {"pointer": "/data/birth_date", "old": None, "new": None}
    clear: JsonObject = {
        "target": target.id,
        "changes": [],
        "identity_changes": [change],
        "reason": REASON,
        "source_ref": "p. 1",
    }
    sealed, disclosures = seal(clear, ["identity_changes"], salt_of)
    assert disclosures
    assert "identity_changes" not in sealed
    signed = built.sign("data.voided.v1", target.stream, {}, by=COORDINATOR)
    event = replace(signed.event, type=CORRECTED, data=clear)
    text = sign_statement(
        event_bytes(event), [built.parties[COORDINATOR].signer("authorship", built.now)]
    ).text
    with pytest.raises(LedgerError) as refused:
        built.ledger.receive(text, ())
    assert refused.value.code == "sealed.in-clear"


def test_who_may_not_record_may_not_correct(built: BuiltLedger) -> None:
    """Neither the sponsor nor a system (ICH E6(R3) 3.16.1(i))."""
    target = built.record(bilirubin(built, "34.2"))
    change = (VALUE, "34.2", "43.2")
    by_sponsor = correction(built, target, change, by=SPONSOR)
    assert refusals(built, by_sponsor) == ["AU-04"]
    by_system = correction(built, target, change, by=EDC)
    assert "AU-02" in refusals(built, by_system)
    assert refusals(built, correction(built, target, change, by=INVESTIGATOR)) == []

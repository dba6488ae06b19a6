"""What people with a valid key and a role still cannot do to the record."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger.errors import RejectedInput
from ledger.recording.writer import Writer
from ledger.signing.statement import Signer
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    INVESTIGATOR,
    REGISTRAR,
    SITE,
    SPONSOR,
    BuiltLedger,
    Signed,
    party,
)
from tests.ledger.build_service import (
    STREAM,
    SUBJECT,
    bag,
    bilirubin,
    code_of,
    correction,
    refusals,
)

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject

REASON: JsonObject = {"code": "wrong-record", "text": "It should not stand here at all."}


def last_of(built: BuiltLedger, type_name: str) -> Record:
    """The last record of a type."""
    application = built.ledger.application
    records = (application.record(seq) for seq in range(application.store.head().size))
    return [record for record in records if record.type == type_name][-1]


def voiding(built: BuiltLedger, target: Record, *, by: str) -> Signed:
    """A statement that voids a record; a command."""
    data: JsonObject = {"target": target.id, "reason": REASON, "source_ref": "Ward book, p. 17"}
    return built.sign("data.voided.v1", target.stream, data, by=by, meaning="authorship")


def assessment(built: BuiltLedger, result: str) -> Signed:
    """The physician's opinion on the first exclusion criterion; a judgement."""
    criterion = next(row for row in built.definition.protocol.criteria if row.kind == "exclusion")
    data: JsonObject = {
        "criterion_id": criterion.id,
        "result": result,
        "basis": "judgement",
        "evidence": [],
    }
    return built.sign("criterion.assessed.v1", STREAM, data, by=INVESTIGATOR)


def test_a_death_is_recorded_after_the_identification_was_voided(built: BuiltLedger) -> None:
    """Withdrawal, death and unblinding are accepted from any state, at once."""
    identified = last_of(built, "subject.identified.v1")
    assert refusals(built, voiding(built, identified, by=COORDINATOR)) == []
    assert code_of(built, built.sign("death.recorded.v1", STREAM, {}, by=EDC)) == ""


def test_a_site_does_not_undo_the_sponsors_decisions_about_it(built: BuiltLedger) -> None:
    """Neither by voiding its activation, which would turn away its facts, nor by its zone."""
    activated = last_of(built, "site.activated.v1")
    zone = ("/data/timezone", "Asia/Shanghai", "Nowhere/Atlantis")
    assert refusals(built, voiding(built, activated, by=COORDINATOR)) == ["GD-01"]
    assert refusals(built, correction(built, activated, zone, by=COORDINATOR)) == ["GD-01"]
    assert code_of(built, bag(built, 1)) == ""


def test_a_clerk_does_not_turn_a_physicians_opinion_round(built: BuiltLedger) -> None:
    """Who might not have judged may not correct or void the judgement."""
    target = built.record(assessment(built, "PRESENT"))
    change = ("/data/result", "PRESENT", "ABSENT")
    assert refusals(built, correction(built, target, change, by=COORDINATOR)) == ["GD-04"]
    assert refusals(built, voiding(built, target, by=COORDINATOR)) == ["GD-04"]


def test_a_physician_corrects_his_own_opinion(built: BuiltLedger) -> None:
    """Who might have made the judgement may correct and void it."""
    target = built.record(assessment(built, "PRESENT"))
    change = ("/data/result", "PRESENT", "ABSENT")
    assert refusals(built, correction(built, target, change, by=INVESTIGATOR)) == []
    assert refusals(built, voiding(built, target, by=INVESTIGATOR)) == []


@pytest.mark.parametrize("reopened", [False, True])
def test_a_slot_named_by_correcting_an_envelope_is_not_given_again(
    built: BuiltLedger, *, reopened: bool
) -> None:
    """Two subjects never share a slot, however one of them came to it."""
    sealed = last_of(built, "randomization-list.sealed.v1").data["strata"]
    assert isinstance(sealed, list)
    assert isinstance(sealed[0], dict)
    stratum = str(sealed[0]["stratum"])
    data: JsonObject = {
        "envelope_id": "ENV-5",
        "slot": 5,
        "stratum": stratum,
        "arm": "single",
        "opened_at": "2024-02-01T02:00:00Z",
    }
    opened = built.sign(
        "randomization.recorded.v1", f"treatment/{SUBJECT}", data, by=INVESTIGATOR,
        meaning="authorship",
    )  # fmt: skip
    target = built.record(opened)
    assert next_slot(built, stratum) == 1
    assert refusals(built, correction(built, target, ("/data/slot", 5, 1), by=INVESTIGATOR)) == []
    if reopened:
        built.reopen()
    assert next_slot(built, stratum) == 2
    built.record(voiding(built, target, by=INVESTIGATOR))
    if reopened:
        built.reopen()
    assert next_slot(built, stratum) == 2


def next_slot(built: BuiltLedger, stratum: str) -> int | None:
    """The slot the next subject of a stratum would be given."""
    assert isinstance(built.ledger.writer, Writer)
    return built.ledger.writer.state.allocation.next_slot(stratum)


@pytest.mark.parametrize(
    "prefix", ["/sites/SY02", "/sites/SY01/persons", "/sites/SY01", "/sponsor/systems/irt"]
)
def test_a_system_does_not_speak_as_a_person_or_for_another_site(
    built: BuiltLedger, prefix: str
) -> None:
    """Its sources lie among the systems of its own place."""
    system = party("/sites/SY01/systems/lis", "Laboratory system")
    data: JsonObject = {
        "jwk": system.key.public.as_object(),
        "owner": {"kind": "system", "id": system.id, "name": system.name},
        "source_prefix": prefix,
    }
    signed = built.sign(
        "key.registered.v1", "access", data, by=REGISTRAR, also=[Signer(key=system.key)]
    )
    with pytest.raises(RejectedInput, match="source_prefix"):
        built.receive(signed)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "1849-12-31T23:59:59Z"])
def test_an_absurd_time_is_not_a_record(built: BuiltLedger, time: str) -> None:
    """It would make every rule that reckons with the subject's days fail, and so say nothing."""
    with pytest.raises(RejectedInput, match="outside the years"):
        bilirubin(built, "34.2", time=time)


def test_an_absurd_time_does_not_come_in_by_correction(built: BuiltLedger) -> None:
    """The same holds for what a record is corrected to."""
    target = built.record(bilirubin(built, "34.2"))
    change = ("/time", target.event.time, "0001-01-01T00:00:00Z")
    assert refusals(built, correction(built, target, change, by=COORDINATOR)) == ["GD-03"]


def test_a_sponsor_activates_a_site_anew(built: BuiltLedger) -> None:
    """A mistake in an activation is mended by deciding again."""
    built.tick(timedelta(days=1))
    before = last_of(built, "site.activated.v1")
    again = built.sign("site.activated.v1", f"site/{SITE}", before.event.data, by=SPONSOR)
    assert refusals(built, again) == []


@pytest.mark.parametrize(
    ("type_name", "data", "code"),
    [
        ("treatment.completed.v1", {"infusions_given": 1}, "authority.masked"),
        ("accidental-unblinding.reported.v1", {"told_to": ["outcome-assessor"]}, ""),
    ],
)
def test_a_masked_assessor_learns_no_length_of_a_treatment_stream(
    built: BuiltLedger, type_name: str, data: JsonObject, code: str
) -> None:
    """A receipt would count the infusions; that he knows the arm he may always report."""
    assessor = party("/sites/SY01/persons/oa-01", "Assessor Wu")
    built.parties[assessor.id] = assessor
    built.register(assessor.id)
    built.grant(assessor.id, "outcome-assessor", f"site/{SITE}")
    signed = built.sign(
        type_name, f"treatment/{SUBJECT}", data, by=assessor.id, meaning="authorship"
    )
    assert code_of(built, signed) == code

"""What the ledger itself should never have signed: consistent in every hash, and still named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.recording.results import own_statement, refused
from ledger.rules.guards.request import Refusal
from ledger.signing.statement import Signer
from ledger.storage.evidence import verify_ledger
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    INVESTIGATOR,
    PHARMACIST,
    REGISTRAR,
    SPONSOR,
    STATISTICIAN,
    TRIAL,
    Signed,
    party,
)
from tests.ledger.verification.conftest import STRATUM, randomize, revoke
from tests.ledger.verification.damage import codes, of

if TYPE_CHECKING:
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from ledger.verification.report import VerificationReport
    from tests.ledger.verification.forge import Forger


def verified(forger: Forger) -> VerificationReport:
    """The report on what was written."""
    forger.close()
    files = forger.built.files
    return verify_ledger(forger.application.path, head_file=files.head)


def visit(forger: Forger, *, by: str, subject: str = "SY01-0001", **changes: str) -> Signed:
    """A visit reported by somebody."""
    return forger.built.sign(
        "visit.completed.v1", f"subject/{subject}", {"visit": "V1"}, by=by,
        meaning="authorship", **changes,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_fact_without_entitlement_is_no_finding(forger: Forger) -> None:
    """It is recorded and the deviation shows; only commands and judgements are refused."""
    forger.write(visit(forger, by=PHARMACIST))
    assert verified(forger).findings == ()


def test_a_statement_under_a_revoked_key_is_named(forger: Forger) -> None:
    """Its standing is judged at its position."""
    seq = forger.write(visit(forger, by=EDC)).seq
    assert of(verified(forger), "statements.revoked-key") == [(seq, seq)]


def test_a_statement_under_an_unknown_key_is_named(forger: Forger) -> None:
    """A key is in the register or it is nobody's."""
    stranger = "/sites/SY01/persons/nobody"
    forger.built.parties[stranger] = party(stranger, "Nobody")
    seq = forger.write(visit(forger, by=stranger)).seq
    assert of(verified(forger), "statements.unknown-key") == [(seq, seq)]


def test_many_statements_under_one_unknown_key_are_one_finding(forger: Forger) -> None:
    """The finding tells how many there are, wherever they stand."""
    stranger = "/sites/SY01/persons/nobody"
    forger.built.parties[stranger] = party(stranger, "Nobody")
    first = forger.write(visit(forger, by=stranger)).seq
    forger.write(visit(forger, by=COORDINATOR))
    last = forger.write(visit(forger, by=stranger)).seq
    (finding,) = verified(forger).findings
    assert (finding.first, finding.last, finding.places) == (first, last, 2)


def test_a_foreign_source_is_named(forger: Forger) -> None:
    """A source belongs to one of the signers."""
    seq = forger.write(visit(forger, by=COORDINATOR, source=INVESTIGATOR)).seq
    assert of(verified(forger), "statements.manner") == [(seq, seq)]


def test_a_person_of_another_site_is_named(forger: Forger) -> None:
    """Nothing of it may stand in the log at all."""
    seq = forger.write(visit(forger, by=COORDINATOR, subject="SY02-0001")).seq
    assert of(verified(forger), "authority.stranger") == [(seq, seq)]


def test_another_trial_is_named(forger: Forger) -> None:
    """A statement of another trial is none of this one's."""
    seq = forger.write(visit(forger, by=COORDINATOR, trial="OTHER-TRIAL")).seq
    assert of(verified(forger), "statements.trial") == [(seq, seq)]


def test_an_event_in_a_foreign_stream_is_named(forger: Forger) -> None:
    """Each type fixes its stream."""
    signed = forger.built.sign(
        "visit.completed.v1", "lot/L-1", {"visit": "V1"}, by=COORDINATOR, meaning="authorship"
    )
    seq = forger.write(signed).seq
    assert of(verified(forger), "authority.stream") == [(seq, seq)]


def void(forger: Forger, target: Record, *, stream: str) -> Signed:
    """The coordinator voids a record, in some stream."""
    data: JsonObject = {"target": target.id, "reason": {"code": "wrong-subject"}}
    return forger.built.sign("data.voided.v1", stream, data, by=COORDINATOR, meaning="authorship")


def test_an_accepted_change_beside_its_target_is_sound(forger: Forger) -> None:
    """A record is changed where it stands."""
    target = forger.write(visit(forger, by=COORDINATOR))
    forger.accept(void(forger, target, stream=target.stream))
    assert verified(forger).findings == ()


def test_an_accepted_change_in_another_stream_is_named(forger: Forger) -> None:
    """Who reads the target's stream would not see it."""
    target = forger.write(visit(forger, by=COORDINATOR))
    seq = forger.accept(void(forger, target, stream="subject/SY01-0002")).seq
    assert of(verified(forger), "authority.stream") == [(seq, seq)]


def test_a_refused_change_in_another_stream_is_sound(forger: Forger) -> None:
    """It changed nothing, and the refusal says why."""
    target = forger.write(visit(forger, by=COORDINATOR))
    request = forger.write(void(forger, target, stream="subject/SY01-0002"))
    forger.write(refused(forger.built.keys, request, [Refusal("GD-01", "It is not here.")]))
    assert verified(forger).findings == ()


@pytest.mark.parametrize(
    ("stream", "named"),
    [("subject/SY01-0001", 0), ("treatment/SY01-0001", 0), ("subject/SY01-0002", 1)],
)
def test_a_signature_stands_with_the_subject_of_its_target(
    forger: Forger, stream: str, named: int
) -> None:
    """A subject's two streams are read together, another subject's are not."""
    target = forger.write(visit(forger, by=COORDINATOR))
    signed = forger.built.sign(
        "record.signed.v1", stream, {"target": target.id}, by=COORDINATOR, meaning="authorship"
    )
    seq = forger.write(signed).seq
    assert of(verified(forger), "authority.stream") == [(seq, seq)] * named


def test_an_accepted_command_without_entitlement_is_named(forger: Forger) -> None:
    """A pharmacist grants no roles."""
    data = {"holder": COORDINATOR, "role": "sponsor", "scope": "trial"}
    signed = forger.built.sign("role.granted.v1", "access", data, by=PHARMACIST)
    seq = forger.accept(signed).seq
    assert (seq, seq) in of(verified(forger), "authority.not-entitled")


def test_a_refused_command_without_entitlement_is_sound(forger: Forger) -> None:
    """That is what refusals are for."""
    data = {"holder": COORDINATOR, "role": "auditor", "scope": "trial"}
    request = forger.write(forger.built.sign("role.granted.v1", "access", data, by=PHARMACIST))
    forger.write(refused(forger.built.keys, request, [Refusal("AU-04", "No role covers it.")]))
    assert verified(forger).findings == ()


def test_a_command_without_a_result_is_named(forger: Forger) -> None:
    """Its result is the next entry, always."""
    data = {"holder": COORDINATOR, "role": "monitor", "scope": "trial"}
    seq = forger.write(forger.built.sign("role.granted.v1", "access", data, by=REGISTRAR)).seq
    forger.write(visit(forger, by=COORDINATOR))
    assert of(verified(forger), "statements.unanswered") == [(seq, seq)]


def test_a_second_result_is_named(forger: Forger) -> None:
    """A result stands right behind the command it answers, once."""
    data = {"holder": COORDINATOR, "role": "monitor", "scope": "trial"}
    request = forger.accept(forger.built.sign("role.granted.v1", "access", data, by=REGISTRAR))
    second = refused(forger.built.keys, request, [Refusal("AU-04", "On second thoughts.")])
    seq = forger.write(second).seq
    assert of(verified(forger), "statements.result") == [(seq, seq)]


def test_a_result_signed_by_a_person_is_named(forger: Forger) -> None:
    """Results are the ledger's alone."""
    data = {"holder": COORDINATOR, "role": "monitor", "scope": "trial"}
    request = forger.write(forger.built.sign("role.granted.v1", "access", data, by=REGISTRAR))
    answer: JsonObject = {"id": request.id, "seq": request.seq, "sha256": request.sha256}
    members: JsonObject = {"request": answer, "rules": []}
    signed = forger.built.sign("command.accepted.v1", "access", members, by=REGISTRAR)
    seq = forger.write(signed).seq
    assert of(verified(forger), "authority.stranger") == [(seq, seq)]


def test_a_second_opening_of_the_trial_is_named(forger: Forger) -> None:
    """A trial is opened once."""
    also = [Signer(key=forger.built.keys.statement_key)]
    signed = forger.built.sign("trial.opened.v1", "trial", {}, by=STATISTICIAN, also=also)
    seq = forger.write(signed).seq
    assert (seq, seq) in of(verified(forger), "statements.genesis")


def test_what_a_stolen_key_signed_is_doubtful_not_damaged(forger: Forger) -> None:
    """Each entry between the theft and the revocation is listed; earlier and later ones not."""
    forger.write(visit(forger, by=COORDINATOR))
    since = forger.built.now.isoformat()
    first = forger.write(visit(forger, by=COORDINATOR)).seq
    forger.write(visit(forger, by=INVESTIGATOR))
    second = forger.write(visit(forger, by=COORDINATOR)).seq
    revoke(forger, COORDINATOR, since)
    report = verified(forger)
    assert report.findings == ()
    assert [(f.first, f.last) for f in report.doubtful[-2:]] == [(first, first), (second, second)]


def test_the_next_slot_is_sound(forger: Forger) -> None:
    """Slots 1 to 3 were given before."""
    randomize(forger, 4, 4)
    assert verified(forger).findings == ()


@pytest.mark.parametrize("slot", [2, 6])
def test_a_slot_out_of_order_is_named(forger: Forger, slot: int) -> None:
    """Neither a used slot nor one ahead may be opened."""
    seq = randomize(forger, 4, slot)
    assert [(f.code, f.first) for f in verified(forger).findings] == [("allocation.slot", seq)]


def test_a_subject_allocated_twice_is_named(forger: Forger) -> None:
    """The slot itself is the next one."""
    seq = randomize(forger, 1, 4)
    assert [(f.code, f.first) for f in verified(forger).findings] == [("allocation.subject", seq)]


@pytest.mark.parametrize(
    "changes",
    [{"arm": "double"}, {"arm": "single"}, {"path": []}, {"list_root": "0" * 64}],
    ids=["double", "single", "path", "root"],
)
def test_an_opening_that_does_not_prove_itself_is_named(
    forger: Forger, changes: dict[str, object]
) -> None:
    """An arm other than the sealed one does not lead to the sealed root."""
    from ledger.allocation.sealed_list import SealedList

    drawn = SealedList.load(forger.built.files.allocation)
    sealed = drawn.opening(STRATUM, 4).slot.arm
    seq = randomize(forger, 4, 4, **changes)
    found = [(f.code, f.first) for f in verified(forger).findings]
    assert found == ([] if changes.get("arm") == sealed else [("allocation.opening", seq)])


def test_a_list_sealed_after_an_allocation_is_named(forger: Forger) -> None:
    """Whoever could seal again could choose."""
    from ledger.allocation.sealed_list import SealedList

    drawn = SealedList.load(forger.built.files.allocation)
    data = drawn.commitment(generator=STATISTICIAN, protocol_version="1.0")
    signed = forger.built.sign(
        "randomization-list.sealed.v1", "allocation/main", data, by=STATISTICIAN
    )
    seq = forger.accept(signed).seq
    assert [f.code for f in verified(forger).findings] == ["allocation.list"]
    assert seq


def test_one_subject_beyond_the_planned_number_is_named(forger: Forger) -> None:
    """The strata have room for more than the protocol plans."""
    for number in range(4, 93):
        randomize(forger, number, number)
    other = "baseline-child-pugh-class=C"
    seq = randomize(forger, 93, 1, stratum=other)
    report = verified(forger)
    assert "allocation.number" in codes(report.findings)
    assert of(report, "allocation.number") == [(seq, seq)]


def amend(forger: Forger, number: int, effective_from: str) -> Signed:
    """The sponsor plans another number of subjects from an instant on."""
    data: JsonObject = {
        "version": "2.0",
        "protocol": {"planned_number": number},
        "protocol_sha256": "0" * 64,
        "effective_from": effective_from,
        "reason": {"code": "sample-size"},
    }
    return forger.built.sign("protocol.amended.v1", "trial", data, by=SPONSOR)


def test_an_amendment_in_force_changes_the_planned_number(forger: Forger) -> None:
    """Three were allocated before; a fourth is planned no more."""
    forger.accept(amend(forger, 3, "2024-01-01T00:00:00Z"))
    seq = randomize(forger, 4, 4)
    assert [(f.code, f.first) for f in verified(forger).findings] == [("allocation.number", seq)]


def test_an_amendment_not_yet_in_force_changes_nothing(forger: Forger) -> None:
    """It holds from its own day on."""
    forger.accept(amend(forger, 3, "2030-01-01T00:00:00Z"))
    randomize(forger, 4, 4)
    assert verified(forger).findings == ()


def test_a_refused_amendment_changes_nothing(forger: Forger) -> None:
    """Only what was accepted is in force."""
    request = forger.write(amend(forger, 3, "2024-01-01T00:00:00Z"))
    forger.write(refused(forger.built.keys, request, [Refusal("GL-06", "It is not whole.")]))
    randomize(forger, 4, 4)
    assert verified(forger).findings == ()


def test_a_voided_amendment_leaves_the_number_before(forger: Forger) -> None:
    """As for the guard that decides on requests."""
    amendment = forger.accept(amend(forger, 3, "2024-01-01T00:00:00Z"))
    data: JsonObject = {"target": amendment.id, "reason": {"code": "by-mistake"}}
    forger.accept(forger.built.sign("data.voided.v1", "trial", data, by=SPONSOR))
    seq = randomize(forger, 4, 4)
    assert seq not in [place for place, _ in of(verified(forger), "allocation.number")]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({}, None),
        ({"stream_seq": 0}, "/data/stream_seq"),
        ({"link": "0" * 64}, "/data/link"),
        ({"stream": "subject/SY01-0002"}, "/data/stream"),
        ({"stream_seq": "1"}, "/data/stream_seq"),
    ],
)
def test_a_dossier_must_name_the_end_of_the_stream_before_it(
    forger: Forger, changes: JsonObject, field: str | None
) -> None:
    """A commitment to another place would let a tail be left out of a dossier."""
    stream = "subject/SY01-0001"
    head = forger.application.store.stream_head(stream)
    data: JsonObject = {
        "stream": stream, "stream_seq": head.size - 1, "link": head.link, "purpose": "inspection",
        **changes,
    }  # fmt: skip
    statement, event = own_statement(
        forger.built.keys, type_name="dossier.issued.v1", stream=stream, trial=TRIAL, data=data,
        at=forger.built.tick(), about="/1",
    )  # fmt: skip
    seq = forger.write(Signed(event, statement, ())).seq
    found = [(f.code, f.first, f.field) for f in verified(forger).findings]
    assert found == ([] if field is None else [("streams.commitment", seq, field)])

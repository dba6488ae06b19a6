"""What is taken in, what is turned away, and what no state can keep out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger.errors import LedgerError
from ledger.events.catalogue import example
from ledger.events.registry import EVENT_TYPES
from ledger.history import result_stream
from ledger.signing.rfc3339 import format_recorded_at
from tests.build_ledger import COORDINATOR, EDC, INVESTIGATOR, SITE, identify
from tests.ledger.build_service import (
    STREAM,
    SUBJECT,
    answer,
    bag,
    bilirubin,
    code_of,
    require_sound,
)

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger


def from_any_state(built: BuiltLedger) -> None:
    """Withdrawal of everything, death and unblinding, each accepted at once."""
    for name, stream in (
        ("consent.withdrawn.v1", STREAM),
        ("death.recorded.v1", STREAM),
        ("blind.broken.v1", f"treatment/{SUBJECT}"),
    ):
        data = dict(example(EVENT_TYPES[name].schema))
        if name == "consent.withdrawn.v1":
            data = {}
        assert code_of(built, built.sign(name, stream, data, by=EDC)) == "", name


def test_withdrawal_death_and_unblinding_are_accepted_from_any_state(built: BuiltLedger) -> None:
    """Just identified; withdrawn already; dead already; site suspended; enrolment closed."""
    from_any_state(built)
    from_any_state(built)
    reason: JsonObject = {"code": "audit", "text": "Findings of the audit in March."}
    built.state("site.suspended.v1", f"site/{SITE}", {"site": SITE, "reason": reason},
                by="/sponsor/persons/root")  # fmt: skip
    built.state("enrolment.closed.v1", "trial", {"reason": reason}, by="/sponsor/persons/root")
    from_any_state(built)
    require_sound(built)


def test_a_withdrawal_needs_no_more_than_that_it_happened(built: BuiltLedger) -> None:
    """``{}`` is enough, from a person or a system."""
    for by in (EDC, COORDINATOR, INVESTIGATOR):
        signed = built.sign("consent.withdrawn.v1", STREAM, {}, by=by, meaning="authorship")
        assert code_of(built, signed) == ""


@pytest.mark.parametrize(
    ("ahead", "code"),
    [
        (timedelta(minutes=5), ""),
        (timedelta(minutes=5, seconds=1), "event.in-the-future"),
        (timedelta(days=300), "event.in-the-future"),
        (timedelta(0), ""),
        (-timedelta(days=300), ""),
    ],
)
def test_an_event_from_the_future_is_no_record(
    built: BuiltLedger, ahead: timedelta, code: str
) -> None:
    """More than five minutes past the recorded time; the past is always a record."""
    at = built.now + timedelta(minutes=10)
    signed = bilirubin(built, "34.2", time=format_recorded_at(at + ahead))
    built.now = at - timedelta(minutes=1)
    assert code_of(built, signed) == code


def test_the_future_begins_after_the_recorded_time_not_after_a_clock_behind_it(
    built: BuiltLedger,
) -> None:
    """With the clock held at the head, an event at the head's time is no future event."""
    signed = bilirubin(built, "34.2")
    built.now -= timedelta(days=2)
    assert code_of(built, signed) == ""


def test_order_of_occurrence_need_not_be_order_of_the_log(built: BuiltLedger) -> None:
    """Late and out of order is how sites send."""
    times = ["2024-02-01T09:30:00+08:00", "2024-01-05T09:30:00+08:00", "2024-01-20T09:30:00+08:00"]
    answers = built.record_all([bilirubin(built, "34.2", time=time) for time in times])
    assert not any(isinstance(given, LedgerError) for given in answers)
    require_sound(built)


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("lab-result.recorded.v1", f"treatment/{SUBJECT}"),
        ("lab-result.recorded.v1", "trial"),
        ("key.registered.v1", "trial"),
        ("role.granted.v1", STREAM),
        ("site.activated.v1", "site/SY02"),
        ("subject.identified.v1", f"subject/{SITE}-0044"),
        ("lot.received.v1", "lot/L-9"),
        ("bag.release-requested.v1", STREAM),
    ],
)
def test_each_type_stands_in_its_stream_alone(built: BuiltLedger, name: str, stream: str) -> None:
    """The family and, where the payload repeats it, the name."""
    data = dict(example(EVENT_TYPES[name].schema))
    data.pop("birth_date", None)
    size = built.ledger.application.store.head().size
    with pytest.raises(LedgerError) as refused:
        answer(built, built.sign(name, stream, data, by=INVESTIGATOR, meaning="authorship"))
    assert refused.value.code in ("event.wrong-stream", "authority.no-proof-of-possession")
    assert built.ledger.application.store.head().size == size


def test_another_trials_event_is_not_taken(built: BuiltLedger) -> None:
    """The trial is part of what was signed."""
    signed = built.sign("consent.withdrawn.v1", STREAM, {}, by=EDC, trial="OTHER-1")
    assert code_of(built, signed) == "envelope.foreign-trial"


def test_an_unknown_type_is_not_taken(built: BuiltLedger) -> None:
    """The vocabulary is closed."""
    signed = built.sign("consent.whispered.v1", STREAM, {}, by=EDC)
    assert code_of(built, signed) == "schema.unknown-type"


def test_a_command_and_its_result_stand_side_by_side(built: BuiltLedger) -> None:
    """Request, then result naming it by id, position and hash, at the same recorded time."""
    given = answer(built, signed := identify(built, 8)).outcome
    assert given.result_seq == given.seq + 1
    request, result = (
        built.ledger.application.record(seq) for seq in (given.seq, given.result_seq)
    )
    assert result.data["request"] == {
        "id": signed.event.id,
        "seq": request.seq,
        "sha256": request.sha256,
    }
    assert result.entry.recorded_at == request.entry.recorded_at
    assert [s.kid for s in result.statement.signatures] == [built.keys.statement_key.kid]


def test_an_arm_neutral_stream_names_no_position_of_the_log(built: BuiltLedger) -> None:
    """Results of commands on a subject stand in the treatment stream (decision 0002)."""
    answer(built, identify(built, 8))
    answer(built, identify(built, 8))
    built.record_all([bilirubin(built, "34.2"), bag(built, 1)])
    records = built.ledger.application.stream(f"subject/{SITE}-0008")
    assert len(records) == 2
    assert all("request" not in record.data for record in records)
    assert len(built.ledger.application.stream(f"treatment/{SITE}-0008")) == 2


@pytest.mark.parametrize("stream", ["trial", "access", "site/SY01", "lot/L-1", "allocation/main"])
def test_other_results_stand_beside_their_request(stream: str) -> None:
    """In the request's own stream."""
    assert result_stream(stream) == stream


def test_a_fact_of_an_unknown_subject_is_no_record_yet(built: BuiltLedger) -> None:
    """And is one as soon as the subject is identified, under the same id."""
    signed = built.sign("consent.withdrawn.v1", f"subject/{SITE}-0030", {}, by=EDC)
    assert code_of(built, signed) == "event.unknown-subject"
    built.record(identify(built, 30))
    assert code_of(built, signed) == ""


def test_a_subject_id_is_given_once(built: BuiltLedger) -> None:
    """Taken is taken, whoever asks."""
    assert not answer(built, identify(built, 31)).outcome.refused
    assert answer(built, identify(built, 31, by=INVESTIGATOR)).outcome.refused


def test_a_signature_of_a_record_that_is_not_there_is_turned_away(built: BuiltLedger) -> None:
    """``record.signed`` names a record of its stream."""
    target = built.record(bilirubin(built, "34.2"))
    data = {"target": target.id, "statement": "I have reviewed this record."}
    sign = built.sign("record.signed.v1", STREAM, data, by=INVESTIGATOR, meaning="review")
    assert code_of(built, sign) == ""
    other = built.sign("record.signed.v1", STREAM, {**data, "target": sign.event.id[:-4] + "0000"},
                       by=INVESTIGATOR, meaning="review")  # fmt: skip
    assert code_of(built, other) == "event.unknown-record"

"""The primary endpoint, traced to its five inputs."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules.child_pugh import ChildPughIndeterminate, ChildPughScore
from ledger.rules.endpoint import EndpointStatus, primary_endpoint, score_visit
from ledger.signing.rfc3339 import parse_rfc3339
from tests.ledger.rules.treated import LEADER, SUBJECT, Treated

VISIT = "2024-08-16T09:00:00+08:00"
OPEN, CLOSED = "2024-08-30T23:59:59+08:00", "2024-08-31T00:00:00+08:00"
LABS = {"bilirubin": ("20", "umol/L"), "albumin": ("40", "g/L"), "inr": ("1.1", "{INR}")}


def lab(told: Treated, code: str, value: str, unit: str, at: str = VISIT, **more: Any) -> str:
    """A laboratory result of the visit."""
    data = {"test_code": code, "value": {"value": value, "unit": unit}, "visit": "W24"} | more
    return told.subject_event("lab-result.recorded.v1", at, **data)


def examine(told: Treated, at: str = VISIT, **changes: Any) -> str:
    """The clinical assessment of the visit."""
    data = {
        "visit": "W24", "ascites": "none", "encephalopathy_grade": 0, "assessor": LEADER,
        "assessor_masked": True,
    } | changes  # fmt: skip
    data = {name: value for name, value in data.items() if value is not None}
    return told.subject_event("clinical-assessment.recorded.v1", at, **data)


def followed(**changes: tuple[str, str] | None) -> Treated:
    """A subject with all five inputs at week 24, but for the changes."""
    told = Treated().treated("single")
    told.infuse()
    for code, measured in (LABS | changes).items():
        if measured is not None:
            lab(told, code, *measured)
    examine(told)
    return told


def outcome(told: Treated, at: str = CLOSED) -> EndpointStatus:
    """The endpoint at a moment."""
    return primary_endpoint(told.case(), parse_rfc3339(at)).status


def test_class_a_reaches_the_endpoint_from_five_named_records() -> None:
    """The score names each of its sources."""
    told = followed()
    found = primary_endpoint(told.case(), parse_rfc3339(CLOSED))
    assert found.status is found.counts_as is EndpointStatus.ACHIEVED
    assert found.score is not None
    assert set(found.score.sources) == {row.id for row in told.records[-4:]}
    assert set(found.score.inputs) == {
        "bilirubin", "albumin", "inr", "ascites", "encephalopathy"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bilirubin", "albumin", "expected"),
    [
        (("34", "umol/L"), ("40", "g/L"), EndpointStatus.ACHIEVED),
        (("34", "umol/L"), ("35", "g/L"), EndpointStatus.NOT_ACHIEVED),
    ],
)
def test_class_a_ends_at_six_points(
    bilirubin: tuple[str, str], albumin: tuple[str, str], expected: EndpointStatus
) -> None:
    """Six points are class A, seven are B."""
    assert outcome(followed(bilirubin=bilirubin, albumin=albumin)) is expected


@pytest.mark.parametrize(
    ("at", "expected"), [(OPEN, EndpointStatus.NOT_YET), (CLOSED, EndpointStatus.MISSING)]
)
def test_a_missing_input_is_awaited_until_the_window_closes(
    at: str, expected: EndpointStatus
) -> None:
    """Missing is never imputed; the protocol says how it counts."""
    told = followed(albumin=None)
    assert outcome(told, at) is expected
    assert primary_endpoint(told.case(), parse_rfc3339(CLOSED)).counts_as is (
        EndpointStatus.NOT_ACHIEVED
    )


def test_a_score_is_not_known_before_it_was_taken() -> None:
    """As of the day before, the endpoint is still to come."""
    assert outcome(followed(), "2024-08-15T09:00:00+08:00") is EndpointStatus.NOT_YET


def test_results_of_other_visits_are_no_inputs() -> None:
    """Only what names the visit counts for it."""
    told = followed(albumin=None)
    lab(told, "albumin", "40", "g/L", visit="W12")
    told.subject_event(
        "lab-result.recorded.v1", VISIT, test_code="albumin", value={"value": "40", "unit": "g/L"}
    )
    assert isinstance(score_visit(told.case(), "W24").outcome, ChildPughIndeterminate)


def test_of_repeated_results_the_last_specimen_counts() -> None:
    """Whichever was recorded first; the other one is named beside it."""
    told = followed(bilirubin=None)
    last = lab(told, "bilirubin", "60", "umol/L", specimen_time="2024-08-17T09:00:00+08:00")
    first = lab(told, "bilirubin", "20", "umol/L", specimen_time="2024-08-16T09:00:00+08:00")
    found = score_visit(told.case(), "W24").inputs["bilirubin"]
    assert (found.fact.id, found.others) == (last, (first,))


def test_a_corrected_input_is_scored_again_and_both_are_shown() -> None:
    """R-74: the score as recorded stands beside the score as corrected."""
    told = followed(bilirubin=("60", "umol/L"), albumin=("30", "g/L"))
    wrong = next(row for row in told.records if row.data.get("test_code") == "bilirubin")
    told.correct(wrong.id, f"subject/{SUBJECT}", "/data/value/value", "60", "20")
    found = score_visit(told.case(), "W24")
    assert isinstance(found.outcome, ChildPughScore)
    assert isinstance(found.as_recorded, ChildPughScore)
    assert (found.as_recorded.total, found.outcome.total) == (8, 6)


def test_an_uncorrected_score_has_no_second_one() -> None:
    """Nothing is shown twice."""
    assert score_visit(followed().case(), "W24").as_recorded is None


def test_a_voided_input_is_missing() -> None:
    """A record on the wrong subject scores nobody."""
    told = followed()
    wrong = next(row for row in told.records if row.data.get("test_code") == "inr")
    told.void(wrong.id, f"subject/{SUBJECT}")
    assert outcome(told) is EndpointStatus.MISSING


def test_who_died_before_the_visit_is_missing_at_once() -> None:
    """The window need not be waited for."""
    told = Treated().treated("single")
    told.infuse()
    told.subject_event("death.recorded.v1", "2024-05-01T09:00:00+08:00")
    assert outcome(told, "2024-04-30T09:00:00+08:00") is EndpointStatus.NOT_YET
    assert outcome(told, "2024-05-01T09:00:00+08:00") is EndpointStatus.MISSING


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2024-08-16", EndpointStatus.MISSING), ("2024-08-17", EndpointStatus.ACHIEVED)],
)
def test_a_transplant_ends_the_endpoint(day: str, expected: EndpointStatus) -> None:
    """A new liver's class A is not the trial's."""
    told = followed()
    told.subject_event(
        "transplant.recorded.v1", CLOSED, organ="liver",
        transplanted_on={"value": day, "precision": "day"},
    )  # fmt: skip
    assert outcome(told) is expected


def test_days_apart_are_local_days() -> None:
    """From the first to the last input."""
    told = followed(inr=None)
    lab(told, "inr", "1.1", "{INR}", at="2024-08-24T00:00:00+08:00")
    assert score_visit(told.case(), "W24").days_apart == 8


def test_what_was_collected_after_withdrawal_is_not_analysed() -> None:
    """It is kept and flagged (DV-40), and reaches no endpoint; another scope does not matter."""
    told = followed()
    told.withdraw("2024-07-01T09:00:00+08:00", "intervention")
    assert outcome(told) is EndpointStatus.ACHIEVED
    told.withdraw("2024-07-01T09:00:00+08:00", "visits")
    assert outcome(told) is EndpointStatus.MISSING
    assert score_visit(told.case(), "W24").inputs == {}

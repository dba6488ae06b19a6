"""Visit windows in local days, and how each visit stands at an instant."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.visits import PlannedVisit, VisitStatus, schedule, visits_due
from ledger.signing.rfc3339 import parse_rfc3339
from tests.ledger.rules.treated import GIVEN, Treated, later

LAST = "2024-08-30"
REASON = {"code": "travel", "text": "Away from the city."}


def week_24(told: Treated) -> PlannedVisit:
    """The endpoint's visit."""
    return {row.visit.id: row for row in schedule(told.case())}["W24"]


def infused() -> Treated:
    """A subject infused on 1 March."""
    told = Treated().treated("single")
    told.infuse()
    return told


def status(told: Treated, moment: str) -> VisitStatus:
    """How the endpoint's visit stands at a moment."""
    return week_24(told).status(parse_rfc3339(moment))


def test_week_24_is_day_168_after_the_first_infusion() -> None:
    """168 days after 1 March 2024 is 16 August, two weeks to either side."""
    window = week_24(infused()).window
    assert window is not None
    assert (window.first, window.target, window.last) == (
        date(2024, 8, 2),
        date(2024, 8, 16),
        date(2024, 8, 30),
    )


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2024-08-01T23:59:59+08:00", VisitStatus.UPCOMING),
        ("2024-08-02T00:00:00+08:00", VisitStatus.DUE),
        ("2024-08-30T23:59:59+08:00", VisitStatus.DUE),
        ("2024-08-31T00:00:00+08:00", VisitStatus.OVERDUE),
    ],
)
def test_a_window_opens_and_closes_at_local_midnight(moment: str, expected: VisitStatus) -> None:
    """Days are the site's."""
    assert status(infused(), moment) is expected


def test_nothing_is_scheduled_before_the_anchor() -> None:
    """Without an infusion there is no day to count from."""
    assert status(Treated().treated(), GIVEN) is VisitStatus.UNSCHEDULED


def test_a_visit_counts_from_when_it_took_place() -> None:
    """As of the day before, a visit is still due."""
    told = infused()
    told.subject_event("visit.completed.v1", "2024-08-16T09:00:00+08:00", visit="W24")
    assert status(told, "2024-08-15T09:00:00+08:00") is VisitStatus.DUE
    assert status(told, "2024-08-16T09:00:00+08:00") is VisitStatus.COMPLETED


def test_of_two_records_the_one_within_the_window_counts() -> None:
    """A visit too early does not spoil the one in time."""
    told = infused()
    told.subject_event("visit.completed.v1", "2024-07-01T09:00:00+08:00", visit="W24")
    told.subject_event("visit.completed.v1", "2024-08-16T09:00:00+08:00", visit="W24")
    assert week_24(told).in_window is True


def test_a_missed_visit_is_missed_unless_it_was_made_up_for() -> None:
    """A later visit takes the place of the record that it was missed."""
    told = infused()
    told.subject_event("visit.missed.v1", "2024-08-16T09:00:00+08:00", visit="W24", reason=REASON)
    assert status(told, f"{LAST}T12:00:00+08:00") is VisitStatus.MISSED
    told.subject_event("visit.completed.v1", "2024-08-20T09:00:00+08:00", visit="W24")
    assert status(told, f"{LAST}T12:00:00+08:00") is VisitStatus.COMPLETED


@pytest.mark.parametrize(
    ("died_on", "expected"),
    [
        ({"value": LAST, "precision": "day"}, VisitStatus.NOT_EXPECTED),
        ({"value": "2024-08-31", "precision": "day"}, VisitStatus.OVERDUE),
        ({"value": "2024", "precision": "year"}, VisitStatus.UNKNOWN),
    ],
)
def test_the_dead_are_not_expected(died_on: dict[str, str], expected: VisitStatus) -> None:
    """Death in the window excuses; a year alone does not tell."""
    told = infused()
    told.subject_event("death.recorded.v1", "2024-09-10T09:00:00+08:00", died_on=died_on)
    assert status(told, "2024-09-11T00:00:00+08:00") is expected


def test_withdrawal_from_treatment_alone_does_not_end_visits() -> None:
    """Stopping infusions is not withdrawal from follow-up."""
    told = infused()
    told.withdraw("2024-04-01T09:00:00+08:00", "intervention")
    assert status(told, "2024-09-01T00:00:00+08:00") is VisitStatus.OVERDUE
    told.withdraw("2024-05-01T09:00:00+08:00", "visits")
    assert status(told, "2024-09-01T00:00:00+08:00") is VisitStatus.NOT_EXPECTED


def test_what_is_due_is_what_is_open_or_over_without_a_record() -> None:
    """At 1 June week 12 is overdue beside all before it."""
    due = visits_due(infused().case(), parse_rfc3339("2024-06-01T00:00:00+08:00"))
    assert [row.visit.id for row in due] == ["BASELINE", "W04", "W08", "W12"]


@given(st.integers(-200, 400))
def test_a_visit_is_in_its_window_exactly_within_its_days(days: int) -> None:
    """In the window from day 154 to day 182, and nowhere else."""
    told = infused()
    day = date(2024, 3, 1) + timedelta(days=days)
    told.subject_event("visit.completed.v1", f"{day}T00:00:00+08:00", visit="W24")
    found = week_24(told)
    assert found.in_window is (154 <= days <= 182)
    assert (found.days_outside == 0) is found.in_window


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_window_never_goes_back(one: int, other: int) -> None:
    """As time goes on, an unrecorded visit is upcoming, then due, then overdue."""
    order = [VisitStatus.UPCOMING, VisitStatus.DUE, VisitStatus.OVERDUE]
    told = infused()
    first, second = sorted((one, other))
    assert order.index(status(told, later(GIVEN, days=first))) <= order.index(
        status(told, later(GIVEN, days=second))
    )

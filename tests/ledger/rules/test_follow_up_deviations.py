"""Deviations of follow-up at the edge of each limit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.deviation import CaseRule, Severity
from ledger.rules.deviations.follow_up import CASE_RULES
from tests.ledger.rules.treated import GIVEN, LEADER, Treated, gist, later

RULES: dict[str, CaseRule] = {rule.id: rule for rule in CASE_RULES}
VISIT = "2024-08-16T09:00:00+08:00"
AWARE = "2024-04-01T23:00:00+08:00"
SUSAR: dict[str, Any] = {"causality": "possible", "expected": False}


def found(told: Treated, rule: str) -> list[Any]:
    """The findings of one rule."""
    return list(RULES[rule].check(told.case()))


def standings(told: Treated, rule: str) -> list[str]:
    """The standing of each finding of one rule."""
    return [row.standing.value for row in found(told, rule)]


def infused() -> Treated:
    """A subject infused on 1 March."""
    told = Treated().treated("single")
    told.infuse()
    return told


def visit(told: Treated, name: str, at: str) -> str:
    """A visit."""
    return told.subject_event("visit.completed.v1", at, visit=name)


def week_24(told: Treated, **changes: Any) -> str:
    """The endpoint's visit with all five inputs, but for the changes."""
    labs = {"bilirubin": ("20", "umol/L"), "albumin": ("40", "g/L"), "inr": ("1.1", "{INR}")}
    times = changes.pop("times", {})
    for code, measured in (labs | changes).items():
        if measured is not None:
            told.subject_event(
                "lab-result.recorded.v1",
                times.get(code, VISIT),
                test_code=code,
                value={"value": measured[0], "unit": measured[1]},
                visit="W24",
            )
    told.subject_event(
        "clinical-assessment.recorded.v1", VISIT, visit="W24", ascites="none",
        encephalopathy_grade=0, assessor=LEADER, assessor_masked=True,
    )  # fmt: skip
    return visit(told, "W24", VISIT)


def serious(told: Treated, at: str = AWARE, **changes: Any) -> str:
    """A serious adverse event."""
    data: dict[str, Any] = {
        "term": "Sepsis", "criteria": ["hospitalisation"], "aware_at": AWARE,
        "sponsor_reported_at": AWARE,
    } | changes  # fmt: skip
    data = {name: value for name, value in data.items() if value is not None}
    return told.subject_event("serious-adverse-event.reported.v1", at, **data)


def all_visits(told: Treated) -> None:
    """Every visit on its target day."""
    for name, days in (("BASELINE", 0), ("W04", 28), ("W08", 56), ("W12", 84), ("W24", 168)):
        visit(told, name, later(GIVEN, days=days))


def test_visits_on_their_days_show_no_deviation() -> None:
    """DV-31: nothing to find."""
    told = infused()
    all_visits(told)
    assert found(told, "DV-31") == []


@pytest.mark.parametrize(
    ("name", "days", "count"),
    [
        ("W04", 21, 0), ("W04", 20, 1), ("W04", 35, 0), ("W04", 36, 1),
        ("W24", 154, 0), ("W24", 153, 1), ("W24", 182, 0), ("W24", 183, 1),
        ("BASELINE", -14, 0), ("BASELINE", -15, 1), ("BASELINE", 1, 1),
    ],
)  # fmt: skip
def test_a_visit_outside_its_window_is_found(name: str, days: int, count: int) -> None:
    """DV-31: important for week 24, minor for all others."""
    told = infused()
    anchor = visit(told, name, later(GIVEN, days=days))
    rows = [row for row in found(told, "DV-31") if row.anchor == anchor]
    assert len(rows) == count
    expected = Severity.IMPORTANT if name == "W24" else Severity.MINOR
    assert all(row.severity is expected for row in rows)


def test_a_missed_visit_hangs_on_its_record() -> None:
    """DV-31: the site's own record of it."""
    told = infused()
    all_but = [("BASELINE", 0), ("W04", 28), ("W08", 56), ("W12", 84)]
    for name, days in all_but:
        visit(told, name, later(GIVEN, days=days))
    anchor = told.subject_event("visit.missed.v1", VISIT, visit="W24")
    (row,) = found(told, "DV-31")
    assert (row.anchor, row.severity) == (anchor, Severity.IMPORTANT)


def test_a_visit_without_any_record_is_found_from_the_end_of_its_window_on() -> None:
    """DV-31: never silently passed, also when that day lies ahead."""
    rows = sorted(found(infused(), "DV-31"), key=lambda row: row.since)
    assert [row.since.isoformat() for row in rows] == [
        "2024-03-01T16:00:00+00:00",
        "2024-08-30T16:00:00+00:00",
    ]
    assert [row.severity for row in rows] == [Severity.MINOR, Severity.IMPORTANT]


def test_a_vague_day_of_death_leaves_the_visit_undecided() -> None:
    """DV-31: who died some day of that year may have died before the visit."""
    told = infused()
    for name, days in (("BASELINE", 0), ("W04", 28), ("W08", 56), ("W12", 84)):
        visit(told, name, later(GIVEN, days=days))
    year = {"value": "2024", "precision": "year"}
    told.subject_event("death.recorded.v1", "2025-01-10T09:00:00+08:00", died_on=year)
    assert standings(told, "DV-31") == ["indeterminate"]


def test_five_inputs_on_one_day_show_no_deviation() -> None:
    """DV-32: nothing to find."""
    told = infused()
    week_24(told)
    assert found(told, "DV-32") == []


def test_a_missing_input_is_found_when_the_window_has_closed() -> None:
    """DV-32: until then it may still be taken."""
    told = infused()
    anchor = week_24(told, albumin=None)
    (row,) = found(told, "DV-32")
    assert row.anchor == anchor
    assert row.since == datetime.fromisoformat("2024-08-31T00:00:00+08:00")


@pytest.mark.parametrize(
    ("moment", "count"), [("2024-08-23T23:59:59+08:00", 0), ("2024-08-24T00:00:00+08:00", 1)]
)
def test_inputs_are_taken_within_days_of_each_other(moment: str, count: int) -> None:
    """DV-32: seven local days are allowed, eight are not."""
    told = infused()
    week_24(told, times={"inr": moment})
    assert standings(told, "DV-32") == ["deviation"] * count


def test_a_unit_without_cut_offs_is_found() -> None:
    """DV-32: units are never converted."""
    told = infused()
    week_24(told, albumin=("40000", "mg/L"))
    assert standings(told, "DV-32") == ["deviation"]


def test_all_that_is_wrong_with_the_inputs_is_one_finding() -> None:
    """DV-32: one id for one visit."""
    told = infused()
    week_24(
        told, albumin=("40000", "mg/L"), bilirubin=None, times={"inr": "2024-08-29T09:00:00+08:00"}
    )
    assert standings(told, "DV-32") == ["deviation"]


@pytest.mark.parametrize(("seconds", "count"), [(86_400, 0), (86_401, 1), (None, 1)])
def test_a_pregnancy_is_reported_in_time(seconds: int | None, count: int) -> None:
    """DV-34: 24 hours to the second; a report never made is late as well."""
    told = infused()
    data = {"aware_at": AWARE}
    if seconds is not None:
        data["sponsor_reported_at"] = later(AWARE, seconds=seconds)
    told.subject_event("pregnancy.reported.v1", AWARE, **data)
    assert standings(told, "DV-34") == ["deviation"] * count


@pytest.mark.parametrize(("seconds", "count"), [(86_400, 0), (86_401, 1), (None, 1)])
def test_a_positive_test_is_followed_by_a_report(seconds: int | None, count: int) -> None:
    """DV-34: awareness within 24 hours of the test."""
    told = infused()
    test = told.subject_event("pregnancy-test.recorded.v1", AWARE, result="positive")
    if seconds is not None:
        aware = later(AWARE, seconds=seconds)
        told.subject_event(
            "pregnancy.reported.v1", aware, aware_at=aware, sponsor_reported_at=aware
        )
    assert gist(found(told, "DV-34")) == [(test, "deviation")] * count


def test_a_pregnancy_before_randomization_is_another_matter() -> None:
    """DV-34: that is a criterion of exclusion."""
    told = infused()
    before = "2024-02-25T09:00:00+08:00"
    told.subject_event("pregnancy-test.recorded.v1", before, result="positive")
    told.subject_event("pregnancy.reported.v1", before, aware_at=before)
    assert found(told, "DV-34") == []


@pytest.mark.parametrize(("seconds", "count"), [(86_400, 0), (86_401, 1), (None, 1)])
def test_a_serious_event_reaches_the_sponsor_in_time(seconds: int | None, count: int) -> None:
    """DV-35: 24 hours from awareness, to the second."""
    told = infused()
    reported = None if seconds is None else later(AWARE, seconds=seconds)
    anchor = serious(told, sponsor_reported_at=reported)
    assert gist(found(told, "DV-35")) == [(anchor, "deviation")] * count


def test_a_follow_up_report_has_no_clock_of_its_own() -> None:
    """DV-35: it belongs to the first report, and may bring the sponsor's time late."""
    told = infused()
    first = serious(told, sponsor_reported_at=None)
    at = later(AWARE, days=5)
    serious(told, at, follows=first, aware_at=at, sponsor_reported_at=later(AWARE, hours=3))
    assert found(told, "DV-35") == []


@pytest.mark.parametrize(("day", "count"), [("2024-04-16", 0), ("2024-04-17", 1)])
def test_a_susar_reaches_the_authority_by_day_15(day: str, count: int) -> None:
    """DV-36: awareness on 1 April at the site is day 0."""
    told = infused()
    serious(told, **SUSAR, authority_reported_at=f"{day}T00:00:00+08:00")
    assert standings(told, "DV-36") == ["deviation"] * count


@pytest.mark.parametrize(("day", "count"), [("2024-04-08", 0), ("2024-04-09", 1)])
@pytest.mark.parametrize("criterion", ["death", "life-threatening"])
def test_a_fatal_susar_reaches_the_authority_by_day_7(criterion: str, day: str, count: int) -> None:
    """DV-36: day 7 is in time, day 8 is late (R-64)."""
    told = infused()
    first = serious(
        told, **SUSAR, criteria=[criterion], authority_reported_at=f"{day}T23:59:59+08:00"
    )
    serious(
        told, later(AWARE, days=9), follows=first, criteria=[criterion],
        authority_reported_at="2024-04-10T09:00:00+08:00",
    )  # fmt: skip
    assert standings(told, "DV-36") == ["deviation"] * count


@pytest.mark.parametrize(("day", "count"), [("2024-04-16", 0), ("2024-04-17", 1), (None, 1)])
def test_a_fatal_susar_needs_a_complete_report_by_day_15(day: str | None, count: int) -> None:
    """DV-36: the first report alone is not enough."""
    told = infused()
    first = serious(
        told, **SUSAR, criteria=["death"], authority_reported_at="2024-04-02T09:00:00+08:00"
    )
    if day is not None:
        serious(
            told, later(AWARE, days=9), follows=first, criteria=["death"],
            authority_reported_at=f"{day}T00:00:00+08:00",
        )  # fmt: skip
    assert standings(told, "DV-36") == ["deviation"] * count


@pytest.mark.parametrize(
    ("judged", "standing"),
    [
        ({"causality": "unrelated"}, []),
        ({"causality": "possible", "expected": True}, []),
        ({"causality": "not-assessed", "expected": False}, ["indeterminate"]),
        ({"causality": "possible"}, ["indeterminate"]),
        ({}, ["indeterminate"]),
        (SUSAR, ["deviation"]),
    ],
)
def test_an_unjudged_serious_event_is_undecided(
    judged: dict[str, Any], standing: list[str]
) -> None:
    """DV-36: only what may be a SUSAR has the authority's clock."""
    told = infused()
    serious(told, **judged)
    assert standings(told, "DV-36") == standing


def test_the_clock_runs_from_the_report_that_made_it_a_susar() -> None:
    """DV-36: an event that turns out unexpected later has its days from then."""
    told = infused()
    first = serious(told, causality="unrelated", expected=False)
    at = later(AWARE, days=20)
    serious(
        told, at, follows=first, aware_at=at, causality="probable",
        authority_reported_at=later(AWARE, days=34),
    )  # fmt: skip
    assert found(told, "DV-36") == []


@given(st.permutations(range(5)))
def test_the_order_of_recording_does_not_matter(order: list[int]) -> None:
    """The same events recorded in any order give the same findings."""
    told = Treated()
    steps = (
        told.consent,
        told.randomize,
        told.infuse,
        lambda: serious(told, sponsor_reported_at=None, **SUSAR),
        lambda: visit(told, "W04", later(GIVEN, days=40)),
    )
    for index in order:
        steps[index]()
    rows = sorted((row.since, row.message) for rule in RULES for row in found(told, rule))
    assert [message.split(" ")[0] for _, message in rows] == ["No", "The", "The", "The", "No"]


@given(st.lists(st.sampled_from(["W04", "W24", "BASELINE"]), max_size=4), st.integers(-30, 250))
def test_ids_are_unique(names: list[str], days: int) -> None:
    """No two findings of one rule hang on the same event."""
    told = infused()
    for name in names:
        visit(told, name, later(GIVEN, days=days))
    serious(told, criteria=["death"], sponsor_reported_at=None)
    for rule in RULES:
        anchors = [row.anchor for row in found(told, rule)]
        assert len(set(anchors)) == len(anchors)

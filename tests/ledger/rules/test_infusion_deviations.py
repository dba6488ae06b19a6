"""Deviations of infusions at the edge of each limit, and where nothing can be decided."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.deviation import CaseRule, Severity, Standing, deviations_of
from ledger.rules.deviations.infusion import CASE_RULES
from tests.ledger.rules.treated import (
    BAG,
    GIVEN,
    NURSES,
    SECOND_BAG,
    SUBJECT,
    Treated,
    cells,
    gist,
    later,
)

RULES: dict[str, CaseRule] = {rule.id: rule for rule in CASE_RULES}
TREATMENT = f"treatment/{SUBJECT}"


def found(told: Treated, rule: str) -> list[Any]:
    """The findings of one rule."""
    return list(RULES[rule].check(told.case()))


def standings(told: Treated, rule: str) -> list[str]:
    """The standing of each finding of one rule."""
    return [row.standing.value for row in found(told, rule)]


def twice(days: int, arm: str | None = "double", **span: float) -> Treated:
    """Two infusions some days apart."""
    told = Treated().treated(arm)
    told.infuse()
    told.release_bag(SECOND_BAG, 2)
    told.infuse(later(GIVEN, days=days, **span), 2, SECOND_BAG)
    return told


@pytest.mark.parametrize("arm", ["single", "double"])
def test_treatment_as_planned_shows_no_deviation(arm: str) -> None:
    """Nothing is found in a subject treated by the protocol, in either arm."""
    told = twice(28) if arm == "double" else Treated().treated(arm)
    if arm == "single":
        told.infuse()
    assert deviations_of(told.case(), CASE_RULES) == []


def test_an_infusion_before_randomization_is_critical() -> None:
    """DV-17: a second before randomization is before it."""
    told = Treated()
    told.randomize(at=later(GIVEN, seconds=1))
    anchor = told.infuse()
    (row,) = found(told, "DV-17")
    assert (row.anchor, row.severity) == (anchor, Severity.CRITICAL)


def test_an_infusion_at_the_instant_of_randomization_is_not_before_it() -> None:
    """DV-17: the limit itself is no deviation."""
    told = Treated()
    told.randomize(at=GIVEN)
    told.infuse()
    assert found(told, "DV-17") == []


def test_an_infusion_without_any_randomization_is_critical() -> None:
    """DV-17: nobody unrandomized is treated."""
    told = Treated()
    told.infuse()
    assert standings(told, "DV-17") == ["deviation"]


@pytest.mark.parametrize(
    ("moment", "count"), [("2024-03-13T23:59:59+08:00", 0), ("2024-03-14T00:00:00+08:00", 1)]
)
def test_the_first_infusion_is_due_until_the_last_local_day(moment: str, count: int) -> None:
    """DV-17: day 14 after randomization on 28 February is 13 March, at the site."""
    told = Treated()
    randomized = told.randomize()
    told.infuse(moment)
    rows = found(told, "DV-17")
    assert [row.anchor for row in rows] == [randomized] * count
    assert all(row.severity is Severity.IMPORTANT for row in rows)


def test_a_first_infusion_that_never_came_is_found_from_its_deadline_on() -> None:
    """DV-17: the finding holds from the end of the last day, which may lie ahead."""
    told = Treated()
    told.randomize()
    (row,) = found(told, "DV-17")
    assert row.since == datetime.fromisoformat("2024-03-14T00:00:00+08:00")


def test_a_subject_who_died_is_not_awaited_for_the_first_infusion() -> None:
    """DV-17: death ends what is due."""
    told = Treated()
    told.randomize()
    told.subject_event("death.recorded.v1", "2024-03-10T00:00:00+08:00")
    assert found(told, "DV-17") == []


@pytest.mark.parametrize(("days", "count"), [(20, 1), (21, 0), (35, 0), (36, 1)])
def test_the_interval_holds_within_its_tolerance(days: int, count: int) -> None:
    """DV-18: 28 ± 7 days, both ends included."""
    assert standings(twice(days), "DV-18") == ["deviation"] * count


def test_the_interval_counts_local_days() -> None:
    """DV-18: 35 days and some hours that end on day 35 at the site are 35 days."""
    assert found(twice(35, hours=13), "DV-18") == []
    assert standings(twice(35, hours=14), "DV-18") == ["deviation"]


def test_an_interval_without_the_arm_at_hand_cannot_be_decided() -> None:
    """DV-18: the arm decides whether there is a second infusion to be in time."""
    assert standings(twice(36, arm=None), "DV-18") == ["indeterminate"]
    assert standings(twice(28, arm=None), "DV-18") == []


def test_the_interval_is_no_matter_of_the_single_arm() -> None:
    """DV-18: a second infusion there is DV-20."""
    assert found(twice(50, arm="single"), "DV-18") == []


@pytest.mark.parametrize(("scopes", "count"), [(["intervention"], 1), ([], 1), (["visits"], 0)])
def test_an_infusion_after_withdrawal_is_found_by_scope(scopes: list[str], count: int) -> None:
    """DV-19: a withdrawal without scopes is one of everything."""
    told = Treated().treated()
    told.withdraw("2024-03-01T09:00:00+08:00", *scopes)
    told.infuse()
    assert standings(told, "DV-19") == ["deviation"] * count


def test_a_withdrawal_after_the_infusion_does_not_reach_back() -> None:
    """DV-19: consent is judged at the start of the infusion."""
    told = Treated().treated()
    told.withdraw(later(GIVEN, seconds=1))
    told.infuse()
    assert found(told, "DV-19") == []


def test_an_infusion_without_consent_is_found() -> None:
    """DV-19: consent that never was is as bad as one withdrawn."""
    told = Treated()
    told.infuse()
    assert standings(told, "DV-19") == ["deviation"]


def test_a_second_infusion_in_the_single_arm_is_found_and_tells_the_arm() -> None:
    """DV-20: hangs on the second infusion; masked readers never see it."""
    told = twice(28, arm="single")
    (row,) = found(told, "DV-20")
    assert row.anchor == told.case().records.of("infusion.administered.v1")[1].id
    assert row.tells_arm


@pytest.mark.parametrize("rule", ["DV-18", "DV-20", "DV-21"])
def test_arm_dependent_rules_never_judge_without_the_arm(rule: str) -> None:
    """A withheld arm gives INDETERMINATE, and what is found tells the arm."""
    told = twice(50, arm=None)
    rows = found(told, rule)
    assert rows
    assert all(row.standing is Standing.INDETERMINATE and row.tells_arm for row in rows)


def test_one_infusion_never_breaks_the_single_arm_s_limit() -> None:
    """DV-20: also without the arm at hand."""
    told = Treated().treated(None)
    told.infuse()
    assert found(told, "DV-20") == []


@pytest.mark.parametrize(
    ("moment", "count"), [("2024-04-12T23:59:59+08:00", 0), ("2024-04-13T00:00:00+08:00", 1)]
)
def test_the_second_infusion_is_due_by_its_deadline(moment: str, count: int) -> None:
    """DV-21: day 42 after 1 March is 12 April; a later infusion does not undo the deviation."""
    told = Treated().treated()
    first = told.infuse()
    told.infuse(moment, 2, SECOND_BAG)
    assert gist(found(told, "DV-21")) == [(first, "deviation")] * count


@pytest.mark.parametrize(
    "kind", ["treatment.discontinued.v1", "infusion.not-given.v1", "death.recorded.v1"]
)
@pytest.mark.parametrize(
    ("moment", "count"), [("2024-04-12T23:59:59+08:00", 0), ("2024-04-13T00:00:00+08:00", 1)]
)
def test_a_documented_reason_in_time_excuses_the_second(kind: str, moment: str, count: int) -> None:
    """DV-21: the reason must have stood at the deadline."""
    told = Treated().treated()
    told.infuse()
    reason = {"code": "adverse-event", "text": "Fever after the first."}
    if kind == "death.recorded.v1":
        told.subject_event(kind, moment)
    elif kind == "infusion.not-given.v1":
        told.treatment_event(kind, moment, infusion_number=2, reason=reason)
    else:
        told.treatment_event(kind, moment, reason=reason)
    assert standings(told, "DV-21") == ["deviation"] * count


def test_a_third_infusion_in_the_double_arm_is_found() -> None:
    """DV-21: more than planned."""
    told = twice(28)
    third = told.infuse(later(GIVEN, days=40), 3, "B-0003")
    assert gist(found(told, "DV-21")) == [(third, "deviation")]


@pytest.mark.parametrize(
    ("dose", "standing"),
    [
        (cells("90000000"), []),
        (cells("110000000"), []),
        (cells("89999999.999999999"), ["deviation"]),
        (cells("110000000.000000001"), ["deviation"]),
        (cells("100", "10*6{cells}"), ["indeterminate"]),
        (None, ["indeterminate"]),
    ],
)
def test_the_dose_keeps_its_tolerance_exactly(dose: Any, standing: list[str]) -> None:
    """DV-22: 10 % of 100 million cells, compared without rounding and without conversion."""
    told = Treated().treated()
    told.infuse(cells_given=dose)
    assert standings(told, "DV-22") == standing


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"scan_subject": "SY01-0008"}, 1),
        ({"scan_subject": None}, 1),
        ({"scan_bag": SECOND_BAG}, 1),
        ({"scan_bag": None}, 1),
        ({"checked_by": NURSES[:1]}, 1),
        ({"checked_by": [NURSES[0], NURSES[0]]}, 1),
        ({"checked_by": None, "scan_subject": None, "scan_bag": None}, 1),
        ({"bag_ids": [BAG, SECOND_BAG]}, 1),
    ],
)
def test_identity_is_checked_at_the_bedside(changes: dict[str, Any], count: int) -> None:
    """DV-26: one finding an infusion, whatever is wrong with it."""
    told = Treated().treated()
    told.infuse(**changes)
    assert standings(told, "DV-26") == ["deviation"] * count


def test_a_bag_released_for_another_subject_is_found() -> None:
    """DV-26: only the subject's own releases count."""
    told = Treated().treated()
    told.release_bag(SECOND_BAG, subject="SY01-0008")
    told.infuse(bag=SECOND_BAG)
    assert standings(told, "DV-26") == ["deviation"]


def test_a_bag_used_during_downtime_cannot_be_decided() -> None:
    """DV-26: no release could be asked for."""
    told = Treated().treated()
    told.infuse(bag=SECOND_BAG, record={"mode": "downtime"})
    assert standings(told, "DV-26") == ["indeterminate"]


@pytest.mark.parametrize(
    ("route", "standing"),
    [("peripheral-intravenous", []), ("hepatic-artery", ["deviation"]), (None, ["indeterminate"])],
)
def test_the_route_is_the_protocols(route: str | None, standing: list[str]) -> None:
    """DV-27: another route is a deviation, an unstated one undecided."""
    told = Treated().treated()
    told.infuse(route=route)
    assert standings(told, "DV-27") == standing


@pytest.mark.parametrize(
    ("seconds", "standing"),
    [
        (1199, ["deviation"]),
        (1200, []),
        (5400, []),
        (5401, ["deviation"]),
        (None, ["indeterminate"]),
    ],
)
def test_the_duration_keeps_its_limits(seconds: int | None, standing: list[str]) -> None:
    """DV-28: 20 to 90 minutes, to the second."""
    told = Treated().treated()
    told.infuse(stopped_at=None if seconds is None else later(GIVEN, seconds=seconds))
    assert standings(told, "DV-28") == standing


@pytest.mark.parametrize(("seconds", "count"), [(900, 0), (901, 1), (None, 1)])
def test_an_interruption_keeps_its_limit(seconds: int | None, count: int) -> None:
    """DV-28: 15 minutes; one that never ended is longer than that."""
    told = Treated().treated()
    told.infuse()
    data: dict[str, Any] = {"infusion_number": 1, "interrupted_at": later(GIVEN, minutes=5)}
    if seconds is not None:
        data["resumed_at"] = later(GIVEN, minutes=5, seconds=seconds)
    anchor = told.treatment_event("infusion.interrupted.v1", GIVEN, **data)
    assert gist(found(told, "DV-28")) == [(anchor, "deviation")] * count


def test_a_voided_infusion_is_no_infusion() -> None:
    """A record on the wrong subject leaves no deviation behind."""
    told = Treated().treated("single")
    told.infuse()
    told.void(told.infuse(later(GIVEN, days=1), 2, SECOND_BAG), TREATMENT)
    assert deviations_of(told.case(), CASE_RULES) == []


def test_a_corrected_start_is_the_one_judged() -> None:
    """The rules read what a correction left."""
    told = twice(50)
    second = told.case().records.of("infusion.administered.v1")[1]
    told.correct(
        second.id, TREATMENT, "/data/started_at", second.data["started_at"], later(GIVEN, days=28)
    )
    assert found(told, "DV-18") == []
    assert found(told, "DV-21") == []


@given(st.permutations(range(4)))
def test_the_order_of_recording_does_not_matter(order: list[int]) -> None:
    """Late records give the same findings as prompt ones, ids apart from their positions."""
    told = Treated()
    steps = (
        told.consent,
        told.randomize,
        told.infuse,
        lambda: told.infuse(later(GIVEN, days=36), 2, SECOND_BAG),
    )
    for index in order:
        steps[index]()
    rows = [(row.rule, row.finding.since, row.finding.message) for row in findings_of(told)]
    assert rows == EXPECTED


def findings_of(told: Treated) -> list[Any]:
    """All findings of the infusion rules."""
    return deviations_of(told.case(), CASE_RULES)


def expected() -> list[tuple[str, datetime, str]]:
    """What the same four events give in order."""
    told = Treated()
    told.consent()
    told.randomize()
    told.infuse()
    told.infuse(later(GIVEN, days=36), 2, SECOND_BAG)
    return [(row.rule, row.finding.since, row.finding.message) for row in findings_of(told)]


EXPECTED = expected()


@given(
    minutes=st.integers(0, 200), dose=st.integers(0, 200_000_000), gap=st.integers(1, 80),
    arm=st.sampled_from(["single", "double", None]),
)  # fmt: skip
def test_ids_are_unique_and_deeds_after_the_first_infusion_tell_the_arm(
    minutes: int, dose: int, gap: int, arm: str | None
) -> None:
    """No two deviations share rule and anchor; nothing shown at a second infusion is neutral."""
    told = Treated().treated(arm)
    told.infuse(stopped_at=later(GIVEN, minutes=minutes), scan_bag=None, checked_by=None)
    second = told.infuse(
        later(GIVEN, days=gap), 2, SECOND_BAG, cells_given=cells(str(dose)), route=None
    )
    rows = deviations_of(told.case(), CASE_RULES)
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.finding.tells_arm for row in rows if row.finding.anchor == second)

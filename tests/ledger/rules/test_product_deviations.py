"""Deviations of the product at the edge of each limit."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules.deviations.product import CASE_RULES, TRIAL_RULES
from tests.ledger.rules.treated import BAG, GIVEN, NURSES, SECOND_BAG, SUBJECT, Treated, later

RULES = {rule.id: rule for rule in CASE_RULES}
CUSTODY = next(rule for rule in TRIAL_RULES if rule.id == "DV-29")


def standings(told: Treated, rule: str) -> list[str]:
    """The standing of each finding of one rule."""
    return [row.standing.value for row in RULES[rule].check(told.case())]


def custody(told: Treated) -> list[str]:
    """The standing of each custody finding."""
    return [row.standing.value for _, row in CUSTODY.check(told.overview())]


def cel(value: str) -> dict[str, str]:
    """A temperature in degrees Celsius."""
    return {"value": value, "unit": "Cel"}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_bag_in_order_shows_no_deviation(rule: str) -> None:
    """Released, in date, viable, thawed in time."""
    told = Treated().treated()
    told.infuse()
    assert standings(told, rule) == []


@pytest.mark.parametrize("word", ["quarantined", "recalled"])
@pytest.mark.parametrize(("seconds", "count"), [(0, 1), (1, 0)])
def test_a_lot_barred_at_the_start_is_found(word: str, seconds: int, count: int) -> None:
    """DV-23: barred at the start of the infusion, or just after it."""
    told = Treated().treated()
    told.bar_lot(word, later(GIVEN, seconds=seconds))
    told.infuse()
    assert standings(told, "DV-23") == ["deviation"] * count


@pytest.mark.parametrize(("seconds", "count"), [(0, 0), (1, 1)])
def test_a_lot_is_released_before_the_infusion(seconds: int, count: int) -> None:
    """DV-23 and DV-25: a release after the start is none."""
    told = Treated()
    told.receive()
    told.release_lot(later(GIVEN, seconds=seconds))
    told.infuse()
    assert standings(told, "DV-23") == standings(told, "DV-25") == ["deviation"] * count


def test_a_lot_nobody_knows_is_not_released() -> None:
    """DV-23: no record of the lot at all; its expiry cannot be told."""
    told = Treated()
    told.infuse()
    assert standings(told, "DV-23") == ["deviation"]
    assert standings(told, "DV-24") == ["indeterminate"]


@pytest.mark.parametrize(
    ("expiry", "stopped", "standing"),
    [
        (later(GIVEN, minutes=45), later(GIVEN, minutes=45), []),
        (later(GIVEN, minutes=44), later(GIVEN, minutes=45), ["deviation"]),
        (later(GIVEN, minutes=-1), later(GIVEN, minutes=45), ["deviation"]),
        (later(GIVEN, minutes=-1), None, ["deviation"]),
        (GIVEN, None, ["indeterminate"]),
    ],
)
def test_a_bag_is_in_date_to_the_end(expiry: str, stopped: str | None, standing: list[str]) -> None:
    """DV-24: at the expiry itself it may be used, a minute later not (R-60)."""
    told = Treated()
    told.receive(expiry=expiry)
    told.infuse(stopped_at=stopped)
    assert standings(told, "DV-24") == standing


@pytest.mark.parametrize(
    ("minutes", "standing"),
    [
        (120, []),
        (121, ["deviation"]),
        (0, []),
        (-1, ["indeterminate"]),
        (None, ["indeterminate"]),
    ],
)
def test_a_thawed_bag_is_used_in_time(minutes: int | None, standing: list[str]) -> None:
    """DV-24: 120 minutes from thawing to start; no time of thawing is undecided."""
    told = Treated().treated()
    told.infuse(thawed_at=None if minutes is None else later(GIVEN, minutes=-minutes))
    assert standings(told, "DV-24") == standing


def test_the_lot_s_record_of_thawing_counts_too() -> None:
    """DV-24: the earliest time stated is the one the limit runs from."""
    told = Treated().treated()
    told.bag("thawed", BAG, later(GIVEN, minutes=-121))
    told.infuse()
    assert standings(told, "DV-24") == ["deviation"]


@pytest.mark.parametrize(("viability", "count"), [("80", 0), ("79.999", 1), ("80.000", 0)])
def test_viability_at_release_has_a_minimum(viability: str, count: int) -> None:
    """DV-25: 80 % is enough."""
    told = Treated()
    told.receive()
    told.release_lot(viability=viability)
    told.infuse()
    assert standings(told, "DV-25") == ["deviation"] * count


def test_custody_in_order_shows_no_deviation() -> None:
    """DV-29: receipt, hand-over of the frozen and of the thawed bag, return."""
    told = Treated().treated()
    cold = {"temperature_min": cel("-190"), "temperature_max": cel("-130")}
    warm = {"temperature_min": cel("2"), "temperature_max": cel("25")}
    told.bag("custody-transferred", BAG, later(GIVEN, hours=-2), from_location="store", **cold)
    told.bag("thawed", BAG, later(GIVEN, hours=-1))
    told.bag("custody-transferred", BAG, later(GIVEN, minutes=-30), from_location="lab", **warm)
    told.bag("returned", SECOND_BAG, GIVEN)
    assert custody(told) == []


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({"temperature_max": cel("-129.9")}, ["deviation"]),
        ({"temperature_min": cel("-196.1")}, ["deviation"]),
        ({"temperature_min": None}, ["indeterminate"]),
        ({"temperature_min": {"value": "-310", "unit": "[degF]"}}, ["indeterminate"]),
        ({"received_by": None}, ["deviation"]),
        ({"received_by": None, "temperature_min": None}, ["deviation"]),
    ],
)
def test_a_gap_in_custody_is_found(changes: dict[str, Any], standing: list[str]) -> None:
    """DV-29: nobody received it, or it got too warm, too cold, or nobody knows."""
    told = Treated().treated()
    data = {
        "from_location": "store", "received_by": NURSES[0],
        "temperature_min": cel("-196"), "temperature_max": cel("-130"),
    } | changes  # fmt: skip
    told.bag("custody-transferred", BAG, later(GIVEN, hours=-2), **data)
    assert custody(told) == standing


def test_a_custody_finding_names_the_subject_of_the_bag() -> None:
    """DV-29: the bag released to a subject is that subject's matter, and tells the arm."""
    told = Treated().treated()
    told.bag("returned", BAG, GIVEN, received_by=None)
    ((subject, finding),) = CUSTODY.check(told.overview())
    assert subject == SUBJECT
    assert finding.tells_arm

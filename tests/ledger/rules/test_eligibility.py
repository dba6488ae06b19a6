"""Eligibility: assessments beside data, conflicts, the stratum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.rules.eligibility import Eligibility, eligibility, stratum_of
from tests.ledger.rules.build import EDC, Story, instant
from tests.ledger.rules.scenes import (
    assess,
    assess_all,
    baseline,
    consent,
    correct,
    identify,
    lab,
    opened,
    screen,
    sign,
    with_protocol,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

DAY = "2024-03-05 09:00"


def of(story: Story, at: str = DAY) -> Eligibility:
    """The eligibility of the subject at a time."""
    return eligibility(story.case(), instant(at))


def test_a_subject_whom_nothing_excludes_is_eligible() -> None:
    """Fourteen rows, each assessed and uncontradicted."""
    story = opened()
    screen(story)
    found = of(story)
    assert [row.criterion.id for row in found.rows] == [
        row.id for row in story.definition.protocol.criteria
    ]
    assert (found.passing, found.open_points) == (True, ())


def test_one_missing_assessment_makes_the_subject_not_eligible() -> None:
    """Each of the fourteen (R-50)."""
    story = opened()
    identify(story)
    consent(story)
    baseline(story)
    assess_all(story, EX11="")
    found = of(story)
    assert not found.passing
    assert [row.criterion.id for row in found.missing] == ["EX11"]


def test_a_judgement_against_the_data_is_a_conflict_and_does_not_pass() -> None:
    """Shown with both sides."""
    story = opened()
    screen(story)
    lab(story, "hiv-antigen-antibody", "reactive", at="2024-03-04 11:00")
    lab(story, "hiv-rna", "detected", at="2024-03-04 12:00")
    found = of(story)
    (row,) = found.conflicts
    assert (row.criterion.id, row.result, row.derived.result) == ("EX05", "ABSENT", "PRESENT")
    assert not found.passing


def test_judged_absent_where_not_applicable_is_no_conflict() -> None:
    """Both let a man in."""
    story = opened()
    screen(story)
    row = next(row for row in of(story).rows if row.criterion.id == "EX09")
    assert (row.result, row.derived.result, row.conflict) == ("ABSENT", "NOT_APPLICABLE", False)


def test_data_that_must_decide_and_do_not_keep_a_criterion_open() -> None:
    """A physician's word does not stand in for a missing HIV test."""
    story = opened()
    identify(story)
    consent(story)
    assess_all(story)
    points = of(story).open_points
    assert any(point.startswith("EX05 cannot be shown") for point in points)
    assert any(point.startswith("EX08 cannot be shown") for point in points)
    assert not any(point.startswith("EX04") for point in points)


def test_the_last_assessment_counts() -> None:
    """And at an earlier time the earlier one."""
    story = opened()
    screen(story)
    assess(story, "EX04", "PRESENT", at="2024-03-04 12:00")
    assert of(story, "2024-03-04 11:59").passing
    assert not of(story).passing


def test_assessments_of_a_failed_screening_do_not_count_for_the_next() -> None:
    """A re-screening begins anew."""
    story = opened()
    screen(story)
    data = {"criteria": ["EX04"], "reason_code": "criteria-not-met"}
    story.add("subject.screen-failed.v1", data, at="2024-03-05 10:00")
    story.add("rescreening.started.v1", {"screening_number": 2}, at="2024-03-20 09:00")
    assert len(of(story, "2024-03-20 09:00").missing) == 14


def test_an_unsigned_assessment_does_not_pass() -> None:
    """A system's signature judges nothing (R-30)."""
    story = opened()
    screen(story)
    assess(story, "EX04", "ABSENT", at="2024-03-04 12:00", by=EDC)
    assert not of(story).passing


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_the_order_of_unrelated_evidence_does_not_matter(random: Random) -> None:
    """The same records in another order give the same rows."""
    told: list[Callable[[Story], object]] = [
        lambda s: lab(s, "bilirubin", "40", "umol/L", at="2024-03-02 09:00"),
        lambda s: lab(s, "hiv-antigen-antibody", "negative", at="2024-03-02 09:00"),
        consent,
        lambda s: assess(s, "EX04", "ABSENT", at="2024-03-04 09:00"),
        lambda s: s.add("allergy.recorded.v1", {"kind": "eczema"}, at="2024-03-02 10:00"),
    ]
    straight = opened()
    identify(straight)
    for act in told:
        act(straight)
    random.shuffle(told)
    shuffled = opened()
    identify(shuffled)
    for act in told:
        act(shuffled)
    one, other = of(straight), of(shuffled)
    assert [(row.result, row.derived.result, row.passing) for row in one.rows] == [
        (row.result, row.derived.result, row.passing) for row in other.rows
    ]


# --- the stratum ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bilirubin", "albumin", "expected"),
    [
        ("40", "30", "baseline-child-pugh-class=B"),
        ("60", "25", "baseline-child-pugh-class=C"),
        ("20", "40", None),
    ],
)
def test_the_stratum_follows_the_baseline_class(
    bilirubin: str, albumin: str, expected: str | None
) -> None:
    """Class A is no level of the protocol."""
    story = opened()
    identify(story)
    baseline(story)
    lab(story, "bilirubin", bilirubin, "umol/L", at="2024-03-03 09:00")
    lab(story, "albumin", albumin, "g/L", at="2024-03-03 09:00")
    if expected is None:
        lab(story, "inr", "1.0", "{INR}", at="2024-03-03 09:00")
    assert stratum_of(story.case(), instant(DAY)) == expected


def test_a_missing_input_gives_no_stratum() -> None:
    """Nothing is imputed."""
    story = opened()
    identify(story)
    lab(story, "bilirubin", "40", "umol/L", at="2024-03-03 09:00")
    assert stratum_of(story.case(), instant(DAY)) is None


def test_inputs_too_far_apart_give_no_stratum() -> None:
    """Seven days at most between the five."""
    story = opened()
    identify(story)
    baseline(story, at="2024-03-02 09:00")
    lab(story, "albumin", "30", "g/L", at="2024-03-09 09:00")
    assert stratum_of(story.case(), instant("2024-03-10 09:00")) is not None
    lab(story, "albumin", "30", "g/L", at="2024-03-10 09:00")
    assert stratum_of(story.case(), instant("2024-03-10 10:00")) is None


def test_a_clinical_assessment_counts_once_a_person_signed_it() -> None:
    """A system alone assesses nobody."""
    story = opened()
    identify(story)
    baseline(story)
    unsigned = story.add(
        "clinical-assessment.recorded.v1",
        {
            "ascites": "none",
            "encephalopathy_grade": 3,
            "assessor": "/sites/SY01/persons/oa-01",
            "assessor_masked": True,
        },
        at="2024-03-03 09:00",
        by=EDC,
    )
    assert stratum_of(story.case(), instant(DAY)) == "baseline-child-pugh-class=B"
    sign(story, unsigned, at="2024-03-03 10:00")
    assert stratum_of(story.case(), instant(DAY)) == "baseline-child-pugh-class=C"
    correct(story, unsigned, "/data/encephalopathy_grade", 3, 0, at="2024-03-03 11:00")
    assert stratum_of(story.case(), instant(DAY)) == "baseline-child-pugh-class=B"


def test_without_factors_there_is_one_stratum() -> None:
    """Named as the allocation list names it."""
    scheme = opened().definition.protocol.allocation
    story = opened(with_protocol(allocation=replace(scheme, strata=())))
    identify(story)
    assert stratum_of(story.case(), instant(DAY)) == "all"

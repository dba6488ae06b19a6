"""Deviations of eligibility: DV-10 to DV-13 and DV-43."""

from __future__ import annotations

import pytest

from ledger.rules.deviation import Standing
from ledger.signing.statement import Meaning
from tests.ledger.rules.build import (
    ANY_HASH,
    COORDINATOR,
    EDC,
    NURSE,
    PHYSICIAN,
    Story,
    found,
    instant,
)
from tests.ledger.rules.scenes import (
    approve,
    assess,
    assess_all,
    baseline,
    confirm,
    consent,
    correct,
    envelope,
    identify,
    lab,
    opened,
    randomize,
    screen,
    sign,
    void,
)

RANDOMIZED = "2024-03-05 09:00"


@pytest.fixture
def story() -> Story:
    """A trial whose subject was randomized as planned."""
    told = opened()
    randomize(told, screen(told), at=RANDOMIZED)
    return told


def test_a_subject_randomized_as_planned_has_no_such_deviation(story: Story) -> None:
    """None of the five."""
    rules = ("DV-10", "DV-11", "DV-12", "DV-13", "DV-43")
    assert [found(story, rule) for rule in rules] == [[], [], [], [], []]


def test_dv_10_a_correction_after_randomization_brings_it_to_light(story: Story) -> None:
    """The subject stays randomized, the deviation holds since then (trap 4)."""
    test = next(r for r in story.records if r.data.get("test_code") == "hiv-antigen-antibody")
    lab(story, "hiv-rna", "detected", at="2024-03-03 09:00", recorded="2024-04-01 09:00")
    (finding,) = found(story, "DV-10")
    assert finding.since == instant(RANDOMIZED)
    assert test.id in finding.evidence


def test_dv_10_evidence_from_after_randomization_does_not_count(story: Story) -> None:
    """Who falls ill later was rightly randomized."""
    lab(story, "hiv-rna", "detected", at="2024-04-01 09:00")
    assert found(story, "DV-10") == []


def test_dv_10_a_later_judgement_counts_by_what_it_rests_on(story: Story) -> None:
    """Evidence from before; from after; none."""
    before = next(r.id for r in story.records if r.type == "diagnosis.recorded.v1")
    later = lab(story, "afp", "900", "ug/L", at="2024-04-01 09:00")
    assess(story, "EX01", "PRESENT", at="2024-04-02 09:00", evidence=[later])
    assert found(story, "DV-10") == []
    assess(story, "EX01", "PRESENT", at="2024-04-02 09:00")
    (finding,) = found(story, "DV-10")
    assert finding.standing is Standing.INDETERMINATE
    known = assess(story, "EX01", "PRESENT", at="2024-04-03 09:00", evidence=[before])
    assert known in [
        row.anchor for row in found(story, "DV-10") if row.standing is Standing.DEVIATION
    ]


def test_dv_10_voiding_the_evidence_closes_it(story: Story) -> None:
    """A record of another person's blood."""
    wrong = lab(story, "hiv-rna", "detected", at="2024-03-03 09:00", recorded="2024-04-01 09:00")
    assert found(story, "DV-10")
    void(story, wrong, at="2024-04-02 09:00")
    assert found(story, "DV-10") == []


def test_dv_10_and_dv_11_of_an_envelope_opened_for_whoever_came() -> None:
    """Recorded, deviating, and still randomized."""
    story = opened()
    identify(story)
    consent(story)
    baseline(story)
    assess_all(story, EX04="PRESENT", EX11="", IN02="INDETERMINATE")
    opened_one = envelope(story, at=RANDOMIZED)
    assert any("EX04 was assessed PRESENT" in row.message for row in found(story, "DV-10"))
    (finding,) = found(story, "DV-11")
    assert (finding.anchor, finding.standing) == (opened_one, Standing.DEVIATION)
    assert "Not assessed: EX11." in finding.message
    assert "Assessed as undecided: IN02." in finding.message


def test_dv_11_data_that_no_longer_decide_are_indeterminate(story: Story) -> None:
    """The date of birth turns out to be known to the year only."""
    identified = next(r.id for r in story.records if r.type == "subject.identified.v1")
    correct(
        story,
        identified,
        "/data/birth_date",
        {"value": "1968-05-02", "precision": "day"},
        {"value": "1943", "precision": "year"},
        at="2024-04-01 09:00",
        members="identity_changes",
    )
    (finding,) = found(story, "DV-11")
    assert finding.standing is Standing.INDETERMINATE
    assert "IN01" in finding.message


def test_dv_12_a_confirmation_missing_late_or_unsigned() -> None:
    """Each leaves the randomization without one."""
    story = opened()
    identify(story)
    consent(story)
    baseline(story)
    named = assess_all(story)
    envelope(story, at=RANDOMIZED)
    assert "was not confirmed" in found(story, "DV-12")[0].message
    confirm(story, named, at="2024-03-05 09:01")
    assert "was not confirmed" in found(story, "DV-12")[0].message
    unsigned = confirm(story, named, at="2024-03-05 08:00", by=EDC)
    assert found(story, "DV-12")[0].evidence == (unsigned,)
    sign(story, unsigned, at="2024-03-06 09:00", by=NURSE, meaning=Meaning.REVIEW)
    assert "not signed" in found(story, "DV-12")[0].message
    sign(story, unsigned, at="2024-03-06 09:05", by=NURSE, meaning=Meaning.APPROVAL)
    assert "delegated physician" in found(story, "DV-12")[0].message


@pytest.mark.parametrize(("person", "fires"), [(PHYSICIAN, False), (COORDINATOR, True)])
def test_dv_12_only_a_delegated_physician_confirms(person: str, *, fires: bool) -> None:
    """A coordinator with the task is no physician."""
    story = opened()
    identify(story)
    consent(story)
    baseline(story)
    confirm(story, assess_all(story), by=person)
    envelope(story, at=RANDOMIZED)
    assert bool(found(story, "DV-12")) is fires


@pytest.mark.parametrize(
    ("taken", "fires"), [("2024-02-20 09:00", False), ("2024-02-19 23:59", True)]
)
def test_dv_13_a_test_older_than_its_validity(taken: str, *, fires: bool) -> None:
    """Fourteen local days for laboratory results."""
    story = opened()
    identify(story)
    consent(story, "2024-02-10 09:00")
    old = lab(story, "afp", "5", "ug/L", at=taken)
    assess(story, "EX01", "ABSENT", at="2024-03-04 09:00", evidence=[old])
    envelope(story, at=RANDOMIZED)
    assert [row.anchor for row in found(story, "DV-13")] == ([old] if fires else [])


def test_dv_13_a_repeated_test_takes_the_place_of_the_old_one() -> None:
    """The newest that is cited counts; infection tests hold longer."""
    story = opened()
    identify(story)
    cited = [
        lab(story, "afp", "5", "ug/L", at="2024-01-30 09:00"),
        lab(story, "afp", "6", "ug/L", at="2024-03-01 10:00"),
        lab(story, "hiv-antigen-antibody", "negative", at="2023-12-10 09:00"),
    ]
    assess(story, "EX01", "ABSENT", at="2024-03-04 09:00", evidence=cited)
    envelope(story, at=RANDOMIZED)
    assert found(story, "DV-13") == []


def test_dv_43_at_a_site_before_activation_or_after_the_approval_lapsed() -> None:
    """Consent, screening and randomization alike."""
    story = opened()
    identify(story, at="2024-01-19 09:00")
    early = consent(story, "2024-01-19 10:00")
    (finding,) = found(story, "DV-43")
    assert (finding.anchor, finding.since) == (early, instant("2024-01-19 10:05"))
    consent(story, "2024-01-21 10:00")
    approve(story, "protocol", "1.0", ANY_HASH, since="2024-03-01 00:00", decision="withdrawn")
    late = envelope(story, at=RANDOMIZED)
    assert [row.anchor for row in found(story, "DV-43")] == [early, late]

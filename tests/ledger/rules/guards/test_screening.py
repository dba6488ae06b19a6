"""Guards of screening and eligibility: each has a request that passes and one it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.rules.guards import GUARDS
from tests.ledger.rules.build import ANY_HASH, COORDINATOR, PHYSICIAN, SUBJECT, Story, refused
from tests.ledger.rules.scenes import (
    activate,
    approve,
    assess,
    assess_all,
    baseline,
    consent,
    envelope,
    identify,
    lab,
    opened,
    screen,
    void,
    with_protocol,
)

DAY = "2024-03-05 09:00"
STARTED, AGAIN = "screening.started.v1", "rescreening.started.v1"
CONFIRMED = "eligibility.confirmed.v1"
IDENTITY = {"subject_id": SUBJECT, "sex": "male", "birth_year": 1968}


@pytest.fixture
def story() -> Story:
    """A trial that is set up, with one subject known."""
    told = opened()
    identify(told)
    return told


def test_every_guard_names_its_rule_first() -> None:
    """The log names the rules that were checked by this id."""
    for guards in GUARDS.values():
        for guard in guards:
            rule = (guard.__doc__ or "").partition(":")[0]
            assert rule[:1] == "G"
            assert rule[-3] == "-"
            assert rule[-2:].isdigit()


def test_gs_01_a_subject_belongs_to_a_site_of_the_trial() -> None:
    """And the payload names the subject of the event."""
    story = opened()
    assert refused(story, "subject.identified.v1", IDENTITY, at=DAY) == {}
    other = {**IDENTITY, "subject_id": "SY01-0002"}
    assert "GS-01" in refused(story, "subject.identified.v1", other, at=DAY)
    foreign = {**IDENTITY, "subject_id": "XX09-0001"}
    answer = refused(story, "subject.identified.v1", foreign, at=DAY, subject="XX09-0001")
    assert answer == {"GS-01": "The site XX09 is not known in this trial."}


def test_gs_02_a_subject_id_is_given_once_even_if_voided(story: Story) -> None:
    """Another person never gets the streams of the first."""
    first = next(record.id for record in story.records if record.type == "subject.identified.v1")
    assert set(refused(story, "subject.identified.v1", IDENTITY, at=DAY)) == {"GS-02"}
    void(story, first, at="2024-03-02 09:00")
    assert set(refused(story, "subject.identified.v1", IDENTITY, at=DAY)) == {"GS-02"}


def test_a_first_screening_passes(story: Story) -> None:
    """Known subject, active site, approval in force, number 1."""
    assert refused(story, STARTED, {"screening_number": 1}, at=DAY) == {}


def test_gs_03_an_unknown_a_dead_or_a_randomized_subject_is_not_screened(story: Story) -> None:
    """Each with its own sentence."""
    data = {"screening_number": 1}
    assert "GS-03" in refused(story, STARTED, data, at=DAY, subject="SY01-0099")
    envelope(story, at="2024-03-04 09:00")
    assert "GS-03" in refused(story, STARTED, data, at=DAY)
    other = opened()
    identify(other)
    other.add("death.recorded.v1", {}, at="2024-03-04 09:00")
    assert "GS-03" in refused(other, STARTED, data, at=DAY)


def test_gs_04_a_suspended_site_screens_nobody_until_it_is_active_again(story: Story) -> None:
    """Activation, suspension, activation (R-68)."""
    data = {"site": "SY01", "reason": {"code": "audit", "text": "Findings of an audit."}}
    story.add("site.suspended.v1", data, at="2024-03-03 09:00")
    assert set(refused(story, STARTED, {"screening_number": 1}, at=DAY)) == {"GS-04"}
    activate(story, [story.records[0].id], at="2024-03-04 09:00")
    assert refused(story, STARTED, {"screening_number": 1}, at=DAY) == {}


def test_gs_05_without_an_approval_in_force_nobody_is_screened(story: Story) -> None:
    """Withdrawn by the committee."""
    approve(story, "protocol", "1.0", ANY_HASH, since="2024-03-04 00:00", decision="withdrawn")
    answer = refused(story, STARTED, {"screening_number": 1}, at="2024-03-03 23:59")
    assert answer == {}
    assert set(refused(story, STARTED, {"screening_number": 1}, at=DAY)) == {"GS-05"}


def test_gs_06_the_first_screening_is_number_1_and_comes_once(story: Story) -> None:
    """A second one is a re-screening."""
    assert set(refused(story, STARTED, {"screening_number": 2}, at=DAY)) == {"GS-06"}
    story.add(STARTED, {"screening_number": 1}, at="2024-03-02 09:00")
    assert set(refused(story, STARTED, {"screening_number": 1}, at=DAY)) == {"GS-06"}


def failed(**screening: Any) -> Story:
    """A trial whose subject consented, was screened once, and failed."""
    whole = opened().definition
    story = opened(with_protocol(screening=replace(whole.protocol.screening, **screening)))
    identify(story)
    consent(story)
    story.add(STARTED, {"screening_number": 1}, at="2024-03-01 10:00")
    data = {"criteria": ["EX05"], "reason_code": "criteria-not-met"}
    story.add("subject.screen-failed.v1", data, at="2024-03-03 09:00")
    return story


def test_gs_07_a_rescreening_has_the_next_number_and_follows_a_failure(story: Story) -> None:
    """Neither before the first nor while it is open."""
    assert "GS-07" in refused(story, AGAIN, {"screening_number": 1}, at=DAY)
    story.add(STARTED, {"screening_number": 1}, at="2024-03-02 09:00")
    assert "GS-07" in refused(story, AGAIN, {"screening_number": 2}, at=DAY)
    told = failed(rescreening_needs_new_consent=False)
    assert refused(told, AGAIN, {"screening_number": 2}, at=DAY) == {}
    assert set(refused(told, AGAIN, {"screening_number": 3}, at=DAY)) == {"GS-07"}


def test_gs_08_the_protocol_says_whether_there_is_a_second_screening() -> None:
    """Configuration, never code."""
    told = failed(rescreening_allowed=False, rescreening_needs_new_consent=False)
    assert set(refused(told, AGAIN, {"screening_number": 2}, at=DAY)) == {"GS-08"}


def test_gs_09_a_rescreening_rests_on_a_consent_given_after_the_failure() -> None:
    """The old one is not enough."""
    told = failed()
    assert set(refused(told, AGAIN, {"screening_number": 2}, at=DAY)) == {"GS-09"}
    consent(told, "2024-03-04 09:00")
    assert refused(told, AGAIN, {"screening_number": 2}, at=DAY) == {}


# --- confirmation of eligibility ----------------------------------------------------------------


def assessed(**results: str) -> tuple[Story, list[str]]:
    """A trial whose subject is in screening, with all evidence and these assessments."""
    story = opened()
    identify(story)
    consent(story)
    story.add(STARTED, {"screening_number": 1}, at="2024-03-01 10:00", by=COORDINATOR)
    baseline(story)
    return story, assess_all(story, **results)


def ask(story: Story, assessments: list[str], version: str = "1.0") -> dict[str, str]:
    """What speaks against confirming eligibility on these assessments."""
    data = {"criteria_version": version, "assessments": assessments, "statement": "All are met."}
    return refused(story, CONFIRMED, data, at=DAY, by=PHYSICIAN)


def test_a_subject_who_passes_all_criteria_is_confirmed() -> None:
    """Nothing speaks against it."""
    assert ask(*assessed()) == {}


def test_ge_01_the_confirmation_is_of_the_criteria_in_force() -> None:
    """Not of another version."""
    assert set(ask(*assessed(), version="0.9")) == {"GE-01"}


def test_ge_02_who_is_not_in_screening_is_not_confirmed() -> None:
    """Failed, ended, dead."""
    story, named = assessed()
    data = {"criteria": [], "reason_code": "other"}
    story.add("subject.screen-failed.v1", data, at="2024-03-04 12:00")
    assert set(ask(story, named)) == {"GE-02"}


def test_ge_03_each_of_the_fourteen_is_assessed_and_named() -> None:
    """One missing, one not named, one outdated."""
    answer = ask(*assessed(EX11=""))
    assert answer["GE-03"] == "EX11 is not assessed."
    story, named = assessed()
    assert set(ask(story, named[1:])) == {"GE-03"}
    assess(story, "EX04", "ABSENT", at="2024-03-04 12:00")
    assert set(ask(story, named)) == {"GE-03"}


def test_ge_04_a_conflict_with_the_data_blocks() -> None:
    """Until the judgement or the record is corrected."""
    story, named = assessed()
    story.add("allergy.recorded.v1", {"kind": "eczema"}, at="2024-03-04 11:00")
    answer = ask(story, named)
    assert set(answer) == {"GE-04"}
    assert "the data say PRESENT" in answer["GE-04"]


@pytest.mark.parametrize(
    ("criterion", "result"),
    [("IN02", "NOT_MET"), ("IN02", "INDETERMINATE"), ("EX04", "PRESENT"), ("EX11", "MET")],
)
def test_ge_05_a_criterion_not_passed_blocks_and_there_is_no_waiver(
    criterion: str, result: str
) -> None:
    """Decided and passing, each (R-52)."""
    assert set(ask(*assessed(**{criterion: result}))) == {"GE-05"}


def test_ge_06_consent_must_stand_at_the_confirmation() -> None:
    """Withdrawn in between."""
    story, named = assessed()
    story.add("consent.withdrawn.v1", {"scopes": ["intervention"]}, at="2024-03-04 12:00")
    assert "GE-06" in ask(story, named)


def test_screened_subjects_of_the_scenes_pass_the_guards_they_are_told_without() -> None:
    """The builder tells nothing the guards would refuse."""
    story = opened()
    screen(story)
    lab(story, "albumin", "31", "g/L", at="2024-03-04 12:00")
    confirmed = next(record for record in story.records if record.type == CONFIRMED)
    assert refused(story, CONFIRMED, dict(confirmed.data), at=DAY, by=PHYSICIAN) == {}

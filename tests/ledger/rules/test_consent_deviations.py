"""Deviations of consent: DV-01 to DV-09 and DV-40, each where it fires and where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules.deviation import Standing
from tests.ledger.rules.build import COORDINATOR, ICF_2, NURSE, Story, found, instant
from tests.ledger.rules.scenes import (
    approve,
    consent,
    correct,
    delegate,
    identify,
    lab,
    opened,
    train,
)


@pytest.fixture
def story() -> Story:
    """A trial that is set up, with one subject known."""
    told = opened()
    identify(told)
    return told


def blood(story: Story, at: str, **more: Any) -> str:
    """Record a laboratory result."""
    return lab(story, "albumin", "30", "g/L", at=at, **more)


def test_dv_01_a_procedure_before_consent_is_found(story: Story) -> None:
    """To the minute (R-42)."""
    early = blood(story, "2024-03-01 08:59")
    blood(story, "2024-03-01 09:00")
    consent(story, "2024-03-01 09:00")
    (finding,) = found(story, "DV-01")
    assert (finding.anchor, finding.since) == (early, instant("2024-03-01 08:59"))
    assert finding.standing is Standing.DEVIATION


def test_dv_01_goes_by_the_specimen_not_by_the_report(story: Story) -> None:
    """A report after consent of blood drawn before it."""
    consent(story, "2024-03-01 09:00")
    drawn = blood(story, "2024-03-01 11:00", specimen_time="2024-03-01T08:00:00+08:00")
    assert [finding.anchor for finding in found(story, "DV-01")] == [drawn]


def test_dv_01_one_day_without_times_cannot_be_shown(story: Story) -> None:
    """Midnight sharp is a day without a time: not compliant, not a deviation."""
    unknown = blood(story, "2024-03-01 00:00")
    consent(story, "2024-03-01 09:00")
    (finding,) = found(story, "DV-01")
    assert (finding.anchor, finding.standing) == (unknown, Standing.INDETERMINATE)


def test_dv_01_usual_care_is_no_procedure_of_the_trial(story: Story) -> None:
    """What the hospital did anyway may come before consent."""
    data = {"procedure": "abdominal-ultrasound", "for_trial": False}
    story.add("procedure.recorded.v1", data, at="2024-02-20 09:00", by=COORDINATOR)
    blood(story, "2024-02-20 09:00", record={"mode": "import"})
    consent(story)
    assert found(story, "DV-01") == []


def test_dv_01_on_a_flawed_consent_is_one_finding_for_all(story: Story) -> None:
    """The flaw has its own finding; forty laboratory values are not forty deviations."""
    consent(story, leader_signed_at=None)
    first, second = blood(story, "2024-03-02 09:00"), blood(story, "2024-03-03 09:00")
    (finding,) = found(story, "DV-01")
    assert (finding.anchor, finding.evidence) == (first, (second,))


def test_dv_01_closes_when_the_time_is_corrected(story: Story) -> None:
    """A correction may close a deviation."""
    early = blood(story, "2024-03-01 08:00")
    consent(story)
    assert found(story, "DV-01")
    correct(
        story,
        early,
        "/time",
        "2024-03-01T08:00:00+08:00",
        "2024-03-01T18:00:00+08:00",
        at="2024-03-02 09:00",
    )
    assert found(story, "DV-01") == []


@pytest.mark.parametrize(
    ("rule", "flawed", "flawless"),
    [
        ("DV-02", {"icf_version": "0.9"}, {}),
        ("DV-03", {"participant_signed_at": None}, {}),
        (
            "DV-04",
            {"can_read": False},
            {"can_read": False, "witness": {"impartial": True, "present_throughout": True}},
        ),
        ("DV-07", {"leader": NURSE}, {"leader": COORDINATOR}),
    ],
)
def test_validity_rules_fire_on_the_consent_from_when_it_was_given(
    story: Story, rule: str, flawed: dict[str, Any], flawless: dict[str, Any]
) -> None:
    """The finding hangs on the flawed consent alone."""
    bad = consent(story, "2024-03-01 09:00", **flawed)
    consent(story, "2024-03-02 09:00", **flawless)
    (finding,) = found(story, rule)
    assert finding.anchor == bad


def test_dv_05_a_representative_for_a_capable_subject(story: Story) -> None:
    """And not for one who is not."""
    given: dict[str, Any] = {
        "given_by": "representative",
        "representative": {"relation": "son", "ground": "age"},
    }
    judged = {"method": "clinical-interview", "encephalopathy_grade": 0}
    story.add("capacity.assessed.v1", {"capable": True, **judged}, at="2024-03-01 08:00")
    wrong = consent(story, "2024-03-01 09:00", **given)
    story.add("capacity.assessed.v1", {"capable": False, **judged}, at="2024-03-02 08:00")
    consent(story, "2024-03-02 09:00", **given)
    (finding,) = found(story, "DV-05")
    assert (finding.anchor, finding.standing) == (wrong, Standing.DEVIATION)


def test_dv_05_undocumented_capacity_is_indeterminate(story: Story) -> None:
    """Nobody knows whether a representative was needed."""
    consent(story, given_by="representative", representative={"relation": "son", "ground": "age"})
    (finding,) = found(story, "DV-05")
    assert finding.standing is Standing.INDETERMINATE


def test_dv_07_training_after_the_consent_comes_too_late(story: Story) -> None:
    """Training by the day of the discussion (R-62)."""
    delegate(story, NURSE, ["consent"])
    train(story, NURSE, ["consent"], on="2024-03-02")
    late = consent(story, "2024-03-01 09:00", leader=NURSE)
    consent(story, "2024-03-02 09:00", leader=NURSE)
    assert [finding.anchor for finding in found(story, "DV-07")] == [late]


@pytest.mark.parametrize(
    ("leader_signed_at", "fires"),
    [
        ("2024-03-01T09:00:00+08:00", False),
        ("2024-03-01T23:59:59+08:00", False),
        ("2024-03-01T08:59:59+08:00", True),
        ("2024-03-02T00:00:00+08:00", True),
    ],
)
def test_dv_06_both_sign_on_one_day_the_subject_first(
    story: Story, leader_signed_at: str, *, fires: bool
) -> None:
    """Days are the site's."""
    consent(story, "2024-03-01 09:00", leader_signed_at=leader_signed_at)
    assert bool(found(story, "DV-06")) is fires


def test_dv_08_needs_a_procedure_to_hold(story: Story) -> None:
    """No copy is a finding from the first procedure on."""
    signed = consent(story, copy_given=False)
    assert found(story, "DV-08") == []
    blood(story, "2024-03-02 09:00")
    (finding,) = found(story, "DV-08")
    assert (finding.anchor, finding.since) == (signed, instant("2024-03-02 09:00"))


def test_dv_08_a_copy_at_the_first_procedure_is_in_time(story: Story) -> None:
    """A minute later is not."""
    consent(story, copy_given_at="2024-03-02T09:00:00+08:00")
    blood(story, "2024-03-02 09:00")
    assert found(story, "DV-08") == []
    blood(story, "2024-03-02 08:59")
    assert len(found(story, "DV-08")) == 1


def test_dv_09_a_procedure_after_the_day_consent_was_to_be_renewed(story: Story) -> None:
    """One finding for the obligation that was missed."""
    consent(story)
    asked = story.add(
        "reconsent.required.v1",
        {
            "icf_version": "2.0",
            "icf_sha256": ICF_2,
            "trigger": "protocol-amendment",
            "due": "2024-04-01T09:00:00+08:00",
        },
        at="2024-03-10 09:00",
    )
    approve(story, "icf", "2.0", ICF_2, since="2024-03-10 00:00")
    blood(story, "2024-04-01 09:00")
    assert found(story, "DV-09") == []
    late, later_on = blood(story, "2024-04-01 09:01"), blood(story, "2024-04-02 09:00")
    (finding,) = found(story, "DV-09")
    assert (finding.anchor, finding.evidence) == (asked, (late, later_on))
    assert finding.since == instant("2024-04-01 09:01")
    renewed = {"icf_version": "2.0", "icf_sha256": ICF_2, "type_name": "consent.renewed.v1"}
    consent(story, "2024-03-31 09:00", **renewed)
    assert found(story, "DV-09") == []


def test_dv_40_data_after_withdrawal_of_their_scope(story: Story) -> None:
    """And not of another scope; safety is reported whatever was withdrawn."""
    consent(story)
    story.add("consent.withdrawn.v1", {"scopes": ["samples"]}, at="2024-04-01 09:00")
    blood(story, "2024-04-02 09:00")
    assert found(story, "DV-40") == []
    story.add("consent.withdrawn.v1", {}, at="2024-05-01 09:00")
    blood(story, "2024-05-01 08:59")
    after = blood(story, "2024-05-02 09:00")
    story.add("death.recorded.v1", {}, at="2024-06-01 09:00")
    assert [finding.anchor for finding in found(story, "DV-40")] == [after]


def test_dv_01_a_procedure_rests_on_consent_to_its_own_scope(story: Story) -> None:
    """Consent to use of data alone lets nobody draw blood."""
    consent(story, scopes=["secondary_use"])
    drawn = blood(story, "2024-03-02 09:00")
    assert [row.anchor for row in found(story, "DV-01")] == [drawn]
    consent(story, at="2024-03-02 08:00")
    assert found(story, "DV-01") == []

"""Deviations of conduct and records: DV-33, DV-39, DV-41, DV-42, and what all rules share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.rules.deviation import Standing, deviations_of
from ledger.rules.deviations import CASE_RULES, TRIAL_RULES
from tests.ledger.rules.build import (
    COORDINATOR,
    EDC,
    NURSE,
    PI,
    STRANGER,
    Story,
    found,
    instant,
)
from tests.ledger.rules.scenes import (
    consent,
    correct,
    delegate,
    identify,
    lab,
    opened,
    randomize,
    screen,
    sign,
    train,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.rules.deviation import CaseRule, TrialRule


@pytest.fixture
def story() -> Story:
    """A trial with a subject who consented on 2024-03-01."""
    told = opened()
    identify(told)
    consent(told)
    return told


def therapy(story: Story, therapy_class: str = "interferon", **more: Any) -> str:
    """Record a therapy."""
    data = {"drug": "A drug", "therapy_class": therapy_class, **more}
    return story.add("concomitant-therapy.recorded.v1", data, at="2024-04-01 09:00", by=COORDINATOR)


def day(value: str) -> dict[str, str]:
    """A whole date."""
    return {"value": value, "precision": "day"}


@pytest.mark.parametrize(
    ("therapy_class", "more", "expected"),
    [
        ("interferon", {"start": day("2024-03-10")}, Standing.DEVIATION),
        ("interferon", {"start": day("2024-03-01")}, Standing.DEVIATION),
        ("glucocorticoid", {"start": day("2023-01-10"), "ongoing": True}, Standing.DEVIATION),
        ("other-trial-product", {"start": day("2024-03-10")}, Standing.DEVIATION),
        ("interferon", {"end": day("2024-02-29")}, None),
        ("interferon", {"start": day("2023-01-10")}, Standing.INDETERMINATE),
        ("interferon", {"end": {"value": "2024-03", "precision": "month"}}, Standing.DEVIATION),
        ("interferon", {"end": {"value": "2024", "precision": "year"}}, Standing.INDETERMINATE),
        ("diuretic", {"start": day("2024-03-10")}, None),
    ],
)
def test_dv_33_prohibited_therapy_between_consent_and_end_of_study(
    story: Story, therapy_class: str, more: dict[str, Any], expected: Standing | None
) -> None:
    """Dates known in part are spans."""
    anchor = therapy(story, therapy_class, **more)
    findings = found(story, "DV-33")
    assert [(row.anchor, row.standing) for row in findings] == (
        [(anchor, expected)] if expected else []
    )


def test_dv_33_after_the_end_of_study_everything_is_allowed(story: Story) -> None:
    """And the finding otherwise holds from the first dose on."""
    therapy(story, start=day("2024-03-20"))
    (finding,) = found(story, "DV-33")
    assert finding.since == instant("2024-03-20 00:00")
    story.add("study.completed.v1", {}, at="2024-03-19 09:00")
    assert found(story, "DV-33") == []


def test_dv_39_an_act_without_delegation(story: Story) -> None:
    """Data entry by a stranger; the investigator needs no delegation."""
    lab(story, "albumin", "30", "g/L", at="2024-03-02 09:00")
    allergy = {"kind": "none-known"}
    story.add("allergy.recorded.v1", allergy, at="2024-03-02 09:00", by=PI)
    assert found(story, "DV-39") == []
    act = story.add("allergy.recorded.v1", allergy, at="2024-03-02 09:00", by=STRANGER)
    assert [row.anchor for row in found(story, "DV-39")] == [act]


@pytest.mark.parametrize(("at", "fires"), [("2024-03-10 23:59", False), ("2024-03-11 00:00", True)])
def test_dv_39_an_act_on_the_day_after_the_delegation_ended(
    story: Story, at: str, *, fires: bool
) -> None:
    """Days are the site's."""
    delegate(story, STRANGER, ["data-entry"], last="2024-03-10")
    train(story, STRANGER, ["data-entry"])
    story.add("allergy.recorded.v1", {"kind": "none-known"}, at=at, by=STRANGER)
    assert bool(found(story, "DV-39")) is fires


def test_dv_39_a_delegated_act_without_training(story: Story) -> None:
    """Training closes it only if it was completed by then."""
    delegate(story, STRANGER, ["data-entry"])
    story.add("allergy.recorded.v1", {"kind": "none-known"}, at="2024-03-02 09:00", by=STRANGER)
    train(story, STRANGER, ["data-entry"], on="2024-03-03")
    assert "No training" in found(story, "DV-39")[0].message
    train(story, STRANGER, ["data-entry"], on="2024-03-02")
    assert found(story, "DV-39") == []


def test_dv_39_sees_the_person_behind_a_system(story: Story) -> None:
    """The originator of a transmitted record, and who gave an infusion."""
    originator = {"originator": {"person": STRANGER}}
    data = {"kind": "none-known", "record": originator}
    sent = story.add("allergy.recorded.v1", data, at="2024-03-02 09:00", by=EDC)
    given = story.add(
        "infusion.administered.v1",
        {
            "infusion_number": 1,
            "lot": "L-1",
            "bag_ids": ["B-1"],
            "started_at": "2024-03-06T10:00:00+08:00",
            "given_by": STRANGER,
        },
        at="2024-03-06 11:00",
        by=NURSE,
    )
    assert [row.anchor for row in found(story, "DV-39")] == [sent, given]


def test_dv_39_leaves_the_discussion_leader_to_dv_07(story: Story) -> None:
    """One act, one deviation."""
    led = consent(story, "2024-03-02 09:00", leader=NURSE, by=NURSE)
    assert [row.anchor for row in found(story, "DV-07")] == [led]
    assert found(story, "DV-39") == []


@pytest.mark.parametrize(
    ("recorded", "fires"), [("2024-03-05 09:00", False), ("2024-03-05 09:01", True)]
)
def test_dv_41_late_by_more_than_the_limit(story: Story, recorded: str, *, fires: bool) -> None:
    """Seventy-two hours, the limit itself is in time."""
    late = lab(story, "albumin", "30", "g/L", at="2024-03-02 09:00", recorded=recorded)
    findings = found(story, "DV-41")
    assert [row.anchor for row in findings] == ([late] if fires else [])
    assert all(row.since == instant("2024-03-05 09:00") for row in findings)


def test_dv_41_goes_by_the_corrected_time(story: Story) -> None:
    """A wrong date made it look late."""
    wrong = lab(story, "albumin", "30", "g/L", at="2024-02-02 09:00", recorded="2024-03-02 09:00")
    assert found(story, "DV-41")
    old, new = "2024-02-02T09:00:00+08:00", "2024-03-02T08:00:00+08:00"
    correct(story, wrong, "/time", old, new, at="2024-03-03 09:00")
    assert found(story, "DV-41") == []


def test_dv_42_a_corrected_record_is_signed_again(story: Story) -> None:
    """Within fourteen days, after the correction."""
    value = lab(story, "albumin", "30", "g/L", at="2024-03-02 09:00")
    sign(story, value, at="2024-03-02 10:00")
    changed = correct(story, value, "/data/value/value", "30", "31", at="2024-03-03 09:00")
    (finding,) = found(story, "DV-42")
    assert (finding.anchor, finding.since) == (changed, instant("2024-03-17 09:00"))
    sign(story, value, at="2024-03-17 09:00")
    assert found(story, "DV-42") == []


def test_dv_42_a_signature_after_the_deadline_comes_too_late(story: Story) -> None:
    """A minute past."""
    value = lab(story, "albumin", "30", "g/L", at="2024-03-02 09:00")
    correct(story, value, "/data/value/value", "30", "31", at="2024-03-03 09:00")
    sign(story, value, at="2024-03-17 09:01")
    assert len(found(story, "DV-42")) == 1


def test_dv_42_what_no_person_signed_need_not_be_signed_again(story: Story) -> None:
    """A system's record is not a signed one."""
    data = {"kind": "none-known"}
    sent = story.add("allergy.recorded.v1", data, at="2024-03-02 09:00", by=EDC)
    correct(story, sent, "/data/kind", "none-known", "drug", at="2024-03-03 09:00")
    assert found(story, "DV-42") == []


# --- what all rules share ------------------------------------------------------------------------


def test_each_rule_has_one_id_and_a_definition() -> None:
    """DV-01 to DV-43, each once."""
    rules: list[CaseRule | TrialRule] = [*CASE_RULES, *TRIAL_RULES]
    ids = [rule.id for rule in rules]
    assert len(ids) == len(set(ids))
    assert set(ids) == {f"DV-{number:02}" for number in range(1, 44)}
    assert all(rule.definition.endswith(".") for rule in rules)


MESS: list[Callable[[Story], object]] = [
    lambda s: lab(s, "albumin", "30", "g/L", at="2024-02-20 09:00", recorded="2024-03-20 09:00"),
    lambda s: consent(s, "2024-03-01 09:00", leader_signed_at=None),
    lambda s: consent(s, "2024-03-02 09:00", copy_given=False),
    lambda s: s.add(
        "consent.withdrawn.v1", {"scopes": ["visits"]}, at="2024-03-10 09:00", by=COORDINATOR
    ),
    lambda s: lab(s, "inr", "1.2", "{INR}", at="2024-03-12 09:00"),
    lambda s: s.add("allergy.recorded.v1", {"kind": "eczema"}, at="2024-03-02 09:00", by=STRANGER),
    lambda s: therapy(s, start=day("2024-03-05")),
]


@settings(max_examples=25)
@given(st.permutations(range(len(MESS))))
def test_the_order_of_entry_changes_no_finding(order: list[int]) -> None:
    """Findings follow occurrence; ids differ with the events' ids, what is found does not."""
    straight, shuffled = opened(), opened()
    for story, indices in ((straight, range(len(MESS))), (shuffled, order)):
        identify(story)
        for index in indices:
            MESS[index](story)
    one, other = (
        sorted(
            (row.rule, row.finding.since, row.finding.standing, row.severity)
            for row in deviations_of(story.case(), CASE_RULES)
        )
        for story in (straight, shuffled)
    )
    assert one == other


def test_running_the_rules_twice_gives_the_same_deviations(story: Story) -> None:
    """Idempotent: same ids, same words (R-63)."""
    for act in MESS:
        act(story)
    randomize(story, screen(story, "SY01-0002"), subject="SY01-0002")
    case = story.case()
    one, again = deviations_of(case, CASE_RULES), deviations_of(case, CASE_RULES)
    assert one == again
    assert len({row.id for row in one}) == len(one)


def test_dv_33_a_therapy_ongoing_before_consent_is_not_taken_as_ended(story: Story) -> None:
    """Whether it went on after consent is not known, and is listed as such."""
    data = {"drug": "A drug", "therapy_class": "interferon", "ongoing": True}
    story.add("concomitant-therapy.recorded.v1", data, at="2024-02-20 09:00", by=COORDINATOR)
    assert [row.standing for row in found(story, "DV-33")] == [Standing.INDETERMINATE]

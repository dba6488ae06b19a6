"""Deviations of allocation and masking: DV-14 to DV-16, DV-37, DV-38."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules.deviation import Standing, deviations_of_trial
from ledger.rules.deviations import TRIAL_RULES
from tests.ledger.rules.build import ANY_HASH, COORDINATOR, PHYSICIAN, Story, found, instant
from tests.ledger.rules.scenes import (
    envelope,
    identify,
    opened,
    randomize,
    screen,
    seal_list,
    with_protocol,
)

SECOND, THIRD = "SY01-0002", "SY01-0003"
STRATUM_C = "baseline-child-pugh-class=C"


def sealed(trial: Any = None) -> Story:
    """A trial with a sealed list."""
    story = opened(trial)
    seal_list(story)
    return story


def take(story: Story, subject: str, at: str, **more: Any) -> str:
    """Randomize a screened subject by the ledger."""
    return randomize(story, screen(story, subject), at=at, subject=subject, **more)


def down(story: Story, at: str, **more: Any) -> str:
    """Declare a downtime."""
    data = {"affected": ["randomization"], **more}
    return story.add("downtime.started.v1", data, at=at, by=COORDINATOR)


def messages(story: Story, rule: str) -> list[str]:
    """What a rule says."""
    return [finding.message for finding in found(story, rule)]


def test_dv_14_slots_used_in_order_are_none() -> None:
    """Each stratum by itself."""
    story = sealed()
    take(story, "SY01-0001", "2024-03-05 09:00", slot=1)
    take(story, SECOND, "2024-03-05 10:00", slot=2)
    assert found(story, "DV-14") == []


def test_dv_14_a_slot_skipped_and_one_used_twice() -> None:
    """Each finding hangs on the randomization that departs from the list."""
    story = sealed()
    take(story, "SY01-0001", "2024-03-05 09:00", slot=1)
    skipping = take(story, SECOND, "2024-03-05 10:00", slot=3)
    doubling = take(story, THIRD, "2024-03-05 11:00", slot=3)
    by_anchor = {finding.anchor: finding for finding in found(story, "DV-14")}
    assert "while 2 was next" in by_anchor[skipping].message
    assert "was used before" in by_anchor[doubling].message
    assert all(finding.tells_arm for finding in by_anchor.values())


def test_dv_14_a_slot_or_stratum_that_the_list_lacks() -> None:
    """A wrong stratum is told by the baseline data."""
    story = sealed()
    take(story, "SY01-0001", "2024-03-05 09:00", slot=97)
    assert "no slot 97" in messages(story, "DV-14")[0]
    other = sealed()
    take(other, "SY01-0001", "2024-03-05 09:00", stratum=STRATUM_C)
    assert f"Randomized within {STRATUM_C}" in messages(other, "DV-14")[0]


def test_dv_14_an_unknown_slot_is_indeterminate() -> None:
    """The envelope's own number is not the slot."""
    story = sealed()
    screen(story)
    started = down(story, "2024-03-05 08:00")
    envelope(story, slot=None, stratum=None, downtime=started)
    (finding,) = found(story, "DV-14")
    assert finding.standing is Standing.INDETERMINATE


def test_dv_14_an_envelope_is_in_order_while_a_downtime_is_declared() -> None:
    """From its beginning to its end."""
    story = sealed()
    screen(story)
    started = down(story, "2024-03-05 08:00")
    envelope(story, at="2024-03-05 09:00", downtime=started)
    assert found(story, "DV-14") == []
    story.add("downtime.ended.v1", {"started": started}, at="2024-03-05 08:59", by=COORDINATOR)
    assert "no downtime was declared" in messages(story, "DV-14")[0]


def test_dv_14_the_downtime_of_another_site_does_not_help() -> None:
    """Nor one that is not the one named."""
    story = sealed()
    screen(story)
    started = down(story, "2024-03-05 08:00", site="SY02")
    envelope(story, downtime=started)
    assert "no downtime was declared" in messages(story, "DV-14")[0]


def test_dv_15_a_subject_randomized_twice() -> None:
    """The second hangs on the first."""
    story = sealed()
    first = take(story, "SY01-0001", "2024-03-05 09:00")
    second = envelope(story, at="2024-03-06 09:00", slot=2)
    (finding,) = found(story, "DV-15")
    assert (finding.anchor, finding.evidence) == (second, (first,))


def test_dv_15_one_person_under_two_subject_ids() -> None:
    """The identity check is the same; without one nothing can be told."""
    story = opened()
    identify(story, identity_check=ANY_HASH)
    identify(story, THIRD)
    assert found(story, "DV-15") == []
    again = identify(story, SECOND, at="2024-03-03 09:00", identity_check=ANY_HASH)
    (finding,) = found(story, "DV-15")
    assert (finding.anchor, finding.since) == (again, instant("2024-03-03 09:00"))


def test_dv_16_the_one_beyond_the_planned_number() -> None:
    """Counted by subject, in order of time."""
    story = sealed(with_protocol(planned_number=1))
    take(story, "SY01-0001", "2024-03-05 09:00")
    assert found(story, "DV-16") == []
    beyond = envelope(story, subject=SECOND, at="2024-03-05 10:00", slot=2)
    (finding,) = found(story, "DV-16")
    assert (finding.anchor, finding.message) == (beyond, "The subject is number 2 of 1 planned.")


def test_findings_over_the_trial_name_their_subject_and_repeat_alike() -> None:
    """Re-running gives the same ids."""
    story = sealed(with_protocol(planned_number=1))
    take(story, "SY01-0001", "2024-03-05 09:00")
    envelope(story, subject=SECOND, at="2024-03-05 10:00", slot=2)
    one, again = (deviations_of_trial(story.overview(), TRIAL_RULES) for _ in range(2))
    assert [row.id for row in one] == [row.id for row in again]
    assert {row.subject for row in one if row.rule in ("DV-14", "DV-16")} == {SECOND}


# --- masking -------------------------------------------------------------------------------------


def broken(story: Story, at: str = "2024-04-01 09:00", **data: Any) -> str:
    """Record an unblinding."""
    return story.add("blind.broken.v1", data, at=at, by=PHYSICIAN)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"type": "emergency", "told_to": ["treating-physician"]}, None),
        ({"type": "emergency", "told_to": ["participant"]}, Standing.DEVIATION),
        ({"type": "emergency", "told_to": ["outcome-assessor"]}, Standing.DEVIATION),
        ({"type": "planned", "told_to": ["participant"]}, None),
        ({"type": "emergency"}, Standing.INDETERMINATE),
    ],
)
def test_dv_37_who_is_masked_may_not_learn_the_arm(
    data: dict[str, Any], expected: Standing | None
) -> None:
    """Unless it was planned; who was told unknown, nothing can be said."""
    story = opened()
    identify(story)
    broken(story, **data)
    findings = found(story, "DV-37")
    assert [finding.standing for finding in findings] == ([expected] if expected else [])


def test_dv_37_an_accident_that_told_the_participant() -> None:
    """Reported by whoever noticed."""
    story = opened()
    identify(story)
    told = {"told_to": ["participant"]}
    reported = story.add("accidental-unblinding.reported.v1", told, at="2024-04-01 09:00")
    assert [finding.anchor for finding in found(story, "DV-37")] == [reported]


@pytest.mark.parametrize(
    ("reason_at", "fires"), [("2024-04-02 09:00", False), ("2024-04-02 09:01", True)]
)
def test_dv_38_the_reason_follows_within_the_hours_set(reason_at: str, *, fires: bool) -> None:
    """Twenty-four; the finding holds from the deadline on."""
    story = opened()
    identify(story)
    emergency = broken(story, type="emergency")
    (finding,) = found(story, "DV-38")
    assert finding.since == instant("2024-04-02 09:00")
    data = {"unblinding": emergency, "reason_code": "medical-emergency"}
    story.add("unblinding-reason.recorded.v1", data, at=reason_at, by=PHYSICIAN)
    assert bool(found(story, "DV-38")) is fires


def test_dv_38_a_reason_given_at_once_or_a_planned_unblinding_needs_no_more() -> None:
    """Of an unblinding of unknown kind nothing can be said."""
    story = opened()
    identify(story)
    broken(story, type="emergency", reason_code="medical-emergency")
    broken(story, type="planned")
    assert found(story, "DV-38") == []
    broken(story)
    (finding,) = found(story, "DV-38")
    assert finding.standing is Standing.INDETERMINATE

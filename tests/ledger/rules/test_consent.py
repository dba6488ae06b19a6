"""Consent standing: what a subject has agreed to, by scope, at an instant."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.rules.consent import ConsentState, standing
from ledger.signing.statement import Meaning
from tests.ledger.rules.build import EDC, ICF_2, NURSE, STRANGER, SUBJECT, Story, instant
from tests.ledger.rules.scenes import approve, consent, identify, opened, sign

if TYPE_CHECKING:
    from collections.abc import Callable

NOON = "2024-03-01 12:00"
REPRESENTATIVE: dict[str, Any] = {
    "given_by": "representative",
    "representative": {"relation": "spouse", "ground": "incapacity"},
}


@pytest.fixture
def story() -> Story:
    """A trial that is set up, with one subject known."""
    told = opened()
    identify(told)
    return told


def state(story: Story, at: str, scope: str = "intervention") -> ConsentState:
    """The state of consent at a time."""
    return standing(story.case(), scope, instant(at)).state


def withdraw(story: Story, at: str, **data: Any) -> str:
    """Record a withdrawal."""
    return story.add("consent.withdrawn.v1", data, at=at)


def capacity(story: Story, at: str, *, capable: bool, grade: int = 0) -> str:
    """Record an assessment of capacity."""
    data = {"capable": capable, "method": "clinical-interview", "encephalopathy_grade": grade}
    return story.add("capacity.assessed.v1", data, at=at)


def require(story: Story, at: str, *, due: str, version: str = "2.0") -> str:
    """Ask for consent on a new version."""
    data = {
        "icf_version": version,
        "icf_sha256": ICF_2,
        "trigger": "protocol-amendment",
        "due": f"{due}T00:00:00+08:00",
    }
    return story.add("reconsent.required.v1", data, at=at)


def test_without_a_consent_nothing_is_given(story: Story) -> None:
    """NONE is where everyone begins."""
    found = standing(story.case(), "intervention", instant(NOON))
    assert (found.state, found.valid) == (ConsentState.NONE, False)


def test_a_flawless_consent_counts_from_the_subject_s_signature_on(story: Story) -> None:
    """Never backwards, and not only from the leader's signature on."""
    signed = consent(story, "2024-03-01 09:00")
    assert state(story, "2024-03-01 08:59") is ConsentState.NONE
    found = standing(story.case(), "intervention", instant("2024-03-01 09:00"))
    assert (found.state, found.version, found.consent) == (ConsentState.GIVEN, "1.0", signed)
    assert found.since == instant("2024-03-01 09:00")


def test_a_scope_that_was_not_ticked_is_declined(story: Story) -> None:
    """Consent is by scope."""
    consent(story, scopes=["intervention", "visits"])
    assert state(story, NOON, "samples") is ConsentState.DECLINED
    assert state(story, NOON, "visits") is ConsentState.GIVEN


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("DV-02", {"icf_version": "0.9"}),
        ("DV-02", {"icf_sha256": ICF_2}),
        ("DV-02", {"language": "en"}),
        ("DV-03", {"participant_signed_at": None}),
        ("DV-03", {"leader_signed_at": None}),
        ("DV-04", {"can_read": False}),
        ("DV-04", {"can_read": False, "witness": {"impartial": False, "present_throughout": True}}),
        ("DV-04", {"can_read": False, "witness": {"impartial": True, "present_throughout": False}}),
        ("DV-05", REPRESENTATIVE),
        ("DV-07", {"leader": NURSE}),
    ],
)
def test_a_flawed_consent_is_recorded_and_does_not_count(
    story: Story, rule: str, changes: dict[str, Any]
) -> None:
    """INVALID names the rule; guards read it as no consent."""
    consent(story, **changes)
    found = standing(story.case(), "intervention", instant(NOON))
    assert (found.state, found.valid) == (ConsentState.INVALID, False)
    assert [problem.rule for problem in found.problems] == [rule]


def test_a_consent_that_only_a_system_signed_counts_once_a_person_signs_it(story: Story) -> None:
    """A site system's signature is never a person's (R-30)."""
    sent = consent(story, by="/sites/SY01/systems/edc")
    assert state(story, NOON) is ConsentState.INVALID
    sign(story, sent, at="2024-03-01 15:00")
    assert state(story, NOON) is ConsentState.GIVEN


def test_a_witness_makes_the_consent_of_one_who_cannot_read_valid(story: Story) -> None:
    """Impartial, and present throughout (R-45)."""
    consent(story, can_read=False, witness={"impartial": True, "present_throughout": True})
    assert state(story, NOON) is ConsentState.GIVEN


def test_a_representative_consents_for_a_subject_in_encephalopathy(story: Story) -> None:
    """Capacity is documented before (R-46)."""
    capacity(story, "2024-03-01 08:30", capable=False, grade=3)
    consent(story, **REPRESENTATIVE)
    assert state(story, NOON) is ConsentState.GIVEN


def test_the_subject_s_own_consent_is_void_while_capacity_is_lacking(story: Story) -> None:
    """The grade decides, whatever was ticked."""
    capacity(story, "2024-03-01 08:30", capable=True, grade=2)
    consent(story)
    assert state(story, NOON) is ConsentState.INVALID


def test_regained_capacity_asks_for_the_subject_s_own_consent(story: Story) -> None:
    """Within the days of the protocol; the own consent settles it (R-46)."""
    capacity(story, "2024-03-01 08:30", capable=False, grade=3)
    consent(story, **REPRESENTATIVE)
    capacity(story, "2024-03-10 09:00", capable=True)
    case = story.case()
    due = standing(case, "intervention", instant("2024-03-24 09:00"))
    assert (due.state, due.valid, due.due) == (
        ConsentState.RECONSENT_DUE,
        True,
        instant("2024-03-24 09:00"),
    )
    assert not standing(case, "intervention", instant("2024-03-24 09:01")).valid
    consent(story, "2024-03-12 09:00", type_name="consent.renewed.v1")
    assert state(story, "2024-03-24 09:01") is ConsentState.GIVEN


def test_capacity_lost_again_suspends_the_call_for_own_consent(story: Story) -> None:
    """The representative stands in again."""
    capacity(story, "2024-03-01 08:30", capable=False, grade=3)
    consent(story, **REPRESENTATIVE)
    capacity(story, "2024-03-10 09:00", capable=True)
    capacity(story, "2024-03-12 09:00", capable=False, grade=3)
    assert state(story, "2024-04-01 09:00") is ConsentState.GIVEN


def test_a_new_version_is_due_until_the_day_and_overdue_after_it(story: Story) -> None:
    """Until then the old consent counts (R-47)."""
    consent(story)
    asked = require(story, "2024-04-01 09:00", due="2024-05-01")
    case = story.case()
    found = standing(case, "visits", instant("2024-05-01 00:00"))
    assert (found.state, found.valid) == (ConsentState.RECONSENT_DUE, True)
    assert found.obligation == asked
    assert not standing(case, "visits", instant("2024-05-01 00:01")).valid
    assert standing(case, "visits", instant("2024-03-31 09:00")).state is ConsentState.GIVEN


def test_consent_on_the_new_version_settles_the_call(story: Story) -> None:
    """The old version is then no longer asked about."""
    consent(story)
    require(story, "2024-04-01 09:00", due="2024-05-01")
    approve(story, "icf", "2.0", ICF_2, since="2024-04-01 00:00")
    consent(
        story,
        "2024-04-20 09:00",
        type_name="consent.renewed.v1",
        icf_version="2.0",
        icf_sha256=ICF_2,
    )
    found = standing(story.case(), "intervention", instant("2024-06-01 09:00"))
    assert (found.state, found.version) == (ConsentState.GIVEN, "2.0")


def test_a_flawed_renewal_does_not_take_the_place_of_a_valid_consent(story: Story) -> None:
    """What was validly given stays given."""
    consent(story)
    consent(story, "2024-04-20 09:00", type_name="consent.renewed.v1", participant_signed_at=None)
    assert state(story, "2024-05-01 09:00") is ConsentState.GIVEN


def test_withdrawal_without_scopes_withdraws_all(story: Story) -> None:
    """The safest reading (R-48)."""
    consent(story)
    withdraw(story, "2024-04-01 09:00")
    scopes = story.definition.protocol.consent.scopes
    at = instant("2024-04-01 09:00")
    found = {standing(story.case(), scope, at).state for scope in scopes}
    assert found == {ConsentState.WITHDRAWN}


def test_withdrawal_of_one_scope_leaves_the_others(story: Story) -> None:
    """From its effective time on."""
    consent(story)
    withdraw(
        story,
        "2024-04-01 09:00",
        scopes=["intervention"],
        effective_at="2024-03-30T09:00:00+08:00",
    )
    assert state(story, "2024-03-30 08:59") is ConsentState.GIVEN
    assert state(story, "2024-03-30 09:00") is ConsentState.WITHDRAWN
    assert state(story, "2024-04-02 09:00", "visits") is ConsentState.GIVEN


def test_only_a_full_consent_brings_back_what_was_withdrawn(story: Story) -> None:
    """A renewal is not enough, and a flawed consent neither."""
    consent(story)
    withdraw(story, "2024-04-01 09:00")
    consent(story, "2024-04-02 09:00", type_name="consent.renewed.v1")
    consent(story, "2024-04-03 09:00", leader_signed_at=None)
    assert state(story, "2024-04-04 09:00") is ConsentState.WITHDRAWN
    consent(story, "2024-04-05 09:00")
    assert state(story, "2024-04-06 09:00") is ConsentState.GIVEN


def test_who_declined_may_consent_when_asked_again(story: Story) -> None:
    """NOT_CONSENTED is not the end."""
    story.add("consent.declined.v1", {}, at="2024-03-01 08:30")
    consent(story, "2024-03-05 09:00")
    assert state(story, NOON) is ConsentState.DECLINED
    assert state(story, "2024-03-06 09:00") is ConsentState.GIVEN


def test_a_voided_withdrawal_was_none(story: Story) -> None:
    """A record on the wrong subject ends without a trace in the state."""
    consent(story)
    wrong = withdraw(story, "2024-04-01 09:00")
    reason = {"code": "wrong-subject", "text": "Said by another person."}
    story.add(
        "data.voided.v1",
        {"target": wrong, "reason": reason, "source_ref": "Chart"},
        at="2024-04-02 09:00",
        stream=f"subject/{SUBJECT}",
    )
    assert state(story, "2024-04-03 09:00") is ConsentState.GIVEN


def test_a_form_is_replaced_by_a_newer_one_from_its_effective_date_on(story: Story) -> None:
    """The old form is superseded without any word of it (R-41)."""
    approve(story, "icf", "2.0", ICF_2, since="2024-03-01 09:00")
    consent(story, "2024-03-01 08:59")
    assert state(story, "2024-03-01 08:59") is ConsentState.GIVEN
    consent(story, "2024-03-01 09:00")
    found = standing(story.case(), "intervention", instant("2024-03-01 09:30"))
    assert found.state is ConsentState.GIVEN
    assert found.since == instant("2024-03-01 08:59")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"effective_to": "2024-03-01T09:00:00+08:00"}, ConsentState.GIVEN),
        ({"effective_to": "2024-03-01T08:59:59+08:00"}, ConsentState.INVALID),
        ({"site": "SY02"}, ConsentState.INVALID),
        ({"decision": "rejected"}, ConsentState.INVALID),
    ],
)
def test_a_form_counts_at_its_site_until_its_last_moment(
    changes: dict[str, Any], expected: ConsentState
) -> None:
    """By what was decided, for whom, and until when."""
    story = opened()
    identify(story)
    approve(story, "icf", "3.0", ICF_2, since="2024-02-01 09:00", **changes)
    consent(story, icf_version="3.0", icf_sha256=ICF_2)
    assert state(story, NOON) is expected


@settings(max_examples=25)
@given(st.permutations(range(4)), st.integers(0, 60))
def test_the_order_of_entry_does_not_matter(order: list[int], days: int) -> None:
    """Late entries change nothing in what was true at a time."""
    acts: list[Callable[[Story], object]] = [
        lambda s: consent(s, "2024-03-01 09:00"),
        lambda s: withdraw(s, "2024-03-20 09:00", scopes=["intervention"]),
        lambda s: consent(s, "2024-04-05 09:00"),
        declines,
    ]
    straight, shuffled = opened(), opened()
    for act in acts:
        act(straight)
    for index in order:
        acts[index](shuffled)
    at = instant("2024-03-01 09:00") + timedelta(days=days)
    one, other = (standing(s.case(), "intervention", at) for s in (straight, shuffled))
    assert (one.state, one.since, one.version) == (other.state, other.since, other.version)


def declines(story: Story) -> str:
    """Record that the subject declined at first."""
    return story.add("consent.declined.v1", {}, at="2024-02-20 09:00")


@pytest.mark.parametrize(
    ("at", "data"),
    [
        ("2024-03-01 12:04", {}),
        ("2024-03-01 11:59", {"effective_at": "2024-04-01T00:00:00+08:00"}),
    ],
)
def test_a_withdrawal_is_heeded_from_its_recording_on(
    story: Story, at: str, data: dict[str, Any]
) -> None:
    """A clock that runs ahead, or a day set in the future, puts off no withdrawal."""
    consent(story)
    story.add("consent.withdrawn.v1", data, at=at, recorded=NOON)
    assert state(story, NOON) is ConsentState.WITHDRAWN


def test_a_review_is_no_signature_under_a_consent(story: Story) -> None:
    """Who only reviewed the record has not vouched for it (21 CFR 11.50(a)(3))."""
    event = consent(story, by=EDC)
    sign(story, event, at="2024-03-01 10:00", meaning=Meaning.REVIEW)
    assert state(story, NOON) is ConsentState.INVALID
    sign(story, event, at="2024-03-01 10:05")
    assert state(story, NOON) is ConsentState.GIVEN


def test_somebody_not_entrusted_with_consent_vouches_for_none(story: Story) -> None:
    """A guest's signature makes no consent valid, whoever led the discussion."""
    consent(story, by=STRANGER)
    found = standing(story.case(), "intervention", instant(NOON))
    assert [problem.rule for problem in found.problems] == ["DV-03"]

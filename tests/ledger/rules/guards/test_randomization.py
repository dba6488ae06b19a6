"""Guards of allocation: each refuses with a sentence that says what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ledger.rules.build import (
    ANY_HASH,
    EDC,
    ICF_2,
    PHYSICIAN,
    SPONSOR,
    STATISTICIAN,
    Story,
    definition,
    refused,
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
    seal_list,
    void,
    with_protocol,
)

DAY = "2024-03-05 09:00"
REQUESTED = "subject.randomization-requested.v1"
SEALED = "randomization-list.sealed.v1"
REASON = {"code": "audit", "text": "Findings of an audit."}


def ready(trial: Any = None, slots: int = 96) -> tuple[Story, str]:
    """A trial with a sealed list and a subject whose eligibility is confirmed."""
    story = opened(trial)
    seal_list(story, slots)
    return story, screen(story)


def ask(story: Story, confirmation: str, at: str = DAY) -> dict[str, str]:
    """What speaks against randomizing the subject."""
    return refused(story, REQUESTED, {"confirmation": confirmation}, at=at, by=PHYSICIAN)


def test_a_subject_ready_for_it_is_randomized() -> None:
    """Nothing speaks against it."""
    assert ask(*ready()) == {}


def test_gr_01_consent_withdrawn_or_flawed_does_not_count() -> None:
    """To the intervention; other scopes do not matter."""
    story, confirmed = ready()
    story.add("consent.withdrawn.v1", {"scopes": ["samples"]}, at="2024-03-04 11:00")
    assert "GR-01" not in ask(story, confirmed)
    story.add("consent.withdrawn.v1", {"scopes": ["intervention"]}, at="2024-03-04 12:00")
    assert "was withdrawn" in ask(story, confirmed)["GR-01"]


def test_gr_01_consent_on_a_superseded_form_does_not_count() -> None:
    """The form in force now is the one to be signed."""
    story, confirmed = ready()
    approve(story, "icf", "2.0", ICF_2, since="2024-03-05 09:00")
    assert ask(story, confirmed, at="2024-03-05 08:59") == {}
    answer = ask(story, confirmed)
    assert answer == {"GR-01": "Consent was given on version 1.0; in force is 2.0."}


def test_gr_02_a_criterion_no_longer_passed_blocks() -> None:
    """Tested again at the moment of randomization: data that came by another way."""
    story, confirmed = ready()
    story.add("transplant.recorded.v1", {"organ": "liver"}, at="2024-03-04 12:00")
    answer = ask(story, confirmed)
    assert "EX02 is assessed ABSENT, but the data say PRESENT" in answer["GR-02"]


def test_gr_03_without_a_confirmation_nobody_is_randomized() -> None:
    """And the request names the one that counts."""
    story = opened()
    seal_list(story)
    identify(story)
    consent(story)
    baseline(story)
    assessments = assess_all(story)
    assert "GR-03" in ask(story, assessments[0])
    story, confirmed = ready()
    again = confirm(
        story,
        [r.id for r in story.records if r.type == "criterion.assessed.v1"],
        at="2024-03-04 15:00",
    )
    assert set(ask(story, confirmed)) == {"GR-03"}
    assert ask(story, again) == {}


def test_gr_03_an_unsigned_or_revoked_confirmation_does_not_count() -> None:
    """A system's signature confirms nothing (R-51)."""
    story, _ = ready()
    unsigned = confirm(
        story,
        [r.id for r in story.records if r.type == "criterion.assessed.v1"],
        at="2024-03-04 15:00",
        by=EDC,
    )
    assert ask(story, unsigned)["GR-03"] == "The confirmation of eligibility is not signed."
    story, confirmed = ready()
    data = {"reason_code": "new-evidence"}
    story.add("eligibility.revoked.v1", data, at="2024-03-04 15:00", by=PHYSICIAN)
    assert "was revoked" in ask(story, confirmed)["GR-03"]


@pytest.mark.parametrize(
    "change",
    [
        lambda s: lab(s, "albumin", "31", "g/L", at="2024-03-04 12:00"),
        lambda s: lab(
            s, "albumin", "31", "g/L", at="2024-02-28 12:00", recorded="2024-03-04 12:00"
        ),
        lambda s: assess(s, "EX04", "ABSENT", at="2024-03-04 12:00"),
        lambda s: correct(
            s,
            next(r.id for r in s.records if r.data.get("test_code") == "inr"),
            "/data/value/value",
            "1.8",
            "1.9",
            at="2024-03-04 12:00",
        ),
        lambda s: void(
            s,
            next(r.id for r in s.records if r.data.get("test_code") == "albumin"),
            at="2024-03-04 12:00",
        ),
    ],
    ids=["evidence", "late evidence", "assessment", "correction", "voiding"],
)
def test_gr_04_whatever_enters_after_the_confirmation_makes_it_stale(change: Any) -> None:
    """Also what happened before and is only entered later."""
    story, confirmed = ready()
    change(story)
    assert "GR-04" in ask(story, confirmed)


def test_gr_04_a_safety_report_does_not_make_it_stale() -> None:
    """Only what bears on the criteria does."""
    story, confirmed = ready()
    data = {"term": "Fever", "causality": "unrelated"}
    story.add("adverse-event.recorded.v1", data, at="2024-03-04 12:00")
    assert ask(story, confirmed) == {}


def test_gr_04_a_confirmation_holds_for_the_days_of_the_protocol() -> None:
    """Seven local days, not the eighth."""
    story, confirmed = ready()
    assert ask(story, confirmed, at="2024-03-11 23:59") == {}
    answer = ask(story, confirmed, at="2024-03-12 00:00")
    assert answer == {"GR-04": "Eligibility was confirmed 8 days ago; it holds for 7 days."}


def test_gr_05_nobody_is_randomized_twice_dead_or_after_leaving() -> None:
    """By the ledger or from an envelope."""
    story, confirmed = ready()
    randomize(story, confirmed, at="2024-03-04 12:00")
    assert set(ask(story, confirmed)) == {"GR-05"}
    story, confirmed = ready()
    envelope(story, at="2024-03-04 12:00")
    assert set(ask(story, confirmed)) == {"GR-05"}
    story, confirmed = ready()
    story.add("death.recorded.v1", {}, at="2024-03-04 12:00")
    assert set(ask(story, confirmed)) == {"GR-05"}
    story, confirmed = ready()
    story.add("subject.lost-to-follow-up.v1", {}, at="2024-03-04 12:00")
    assert set(ask(story, confirmed)) == {"GR-05"}


def test_gr_06_a_suspended_site_randomizes_nobody() -> None:
    """From the suspension on."""
    story, confirmed = ready()
    story.add("site.suspended.v1", {"site": "SY01", "reason": REASON}, at="2024-03-05 08:00")
    assert ask(story, confirmed) == {"GR-06": "The site SY01 is not active."}


def test_gr_07_a_full_trial_names_its_numbers() -> None:
    """Never one beyond the planned number."""
    story, confirmed = ready(with_protocol(planned_number=1))
    assert ask(story, confirmed) == {}
    envelope(story, subject="SY01-0002", at="2024-03-04 12:00")
    assert ask(story, confirmed) == {"GR-07": "The trial is full: 1 of 1 are randomized."}


def test_gr_07_an_amendment_raises_the_number_from_its_day_on() -> None:
    """Not a moment before."""
    story, confirmed = ready(with_protocol(planned_number=1))
    envelope(story, subject="SY01-0002", at="2024-03-04 12:00")
    data = {
        "version": "2.0",
        "protocol": {"planned_number": 2},
        "protocol_sha256": ANY_HASH,
        "effective_from": "2024-03-05T10:00:00+08:00",
        "reason": REASON,
    }
    story.add("protocol.amended.v1", data, at="2024-03-04 13:00", by=SPONSOR)
    assert set(ask(story, confirmed, at="2024-03-05 09:59")) == {"GR-07"}
    assert ask(story, confirmed, at="2024-03-05 10:00") == {}


def test_gr_07_closed_enrolment_takes_nobody() -> None:
    """Whatever the number."""
    story, confirmed = ready()
    story.add("enrolment.closed.v1", {"reason": REASON}, at="2024-03-04 12:00", by=SPONSOR)
    assert ask(story, confirmed) == {"GR-07": "Enrolment is closed."}


def test_gr_08_there_must_be_a_sealed_list_with_a_free_slot() -> None:
    """In the subject's own stratum."""
    story = opened()
    confirmed = screen(story)
    assert set(ask(story, confirmed)) == {"GR-08"}
    story, confirmed = ready(slots=1)
    envelope(story, subject="SY01-0002", at="2024-03-04 12:00", stratum="all")
    assert ask(story, confirmed) == {}
    envelope(story, subject="SY01-0003", at="2024-03-04 12:00")
    assert "has no free slot" in ask(story, confirmed)["GR-08"]


def test_gr_09_the_stratum_is_derived_from_signed_data() -> None:
    """Child-Pugh A is none of the strata."""
    story, confirmed = ready()
    for test, value, unit in (("bilirubin", "20", "umol/L"), ("inr", "1.0", "{INR}")):
        lab(story, test, value, unit, at="2024-03-04 12:00")
    lab(story, "albumin", "40", "g/L", at="2024-03-04 12:00")
    assert "GR-09" in ask(story, confirmed)


# --- the list ------------------------------------------------------------------------------------


def list_data(**changes: Any) -> dict[str, Any]:
    """A list that fits the protocol, but for the changes."""
    names = ["baseline-child-pugh-class=B", "baseline-child-pugh-class=C"]
    return {
        "list_root": ANY_HASH,
        "algorithm": "permuted-blocks-hmac-sha256.v1",
        "strata": [{"stratum": name, "slots": 92} for name in names],
        "total_slots": 184,
        "generator": STATISTICIAN,
        "protocol_version": "1.0",
        **changes,
    }


def test_a_fitting_list_is_sealed_once_before_the_first_subject() -> None:
    """GL-01."""
    story = opened()
    assert refused(story, SEALED, list_data(), at=DAY, by=STATISTICIAN) == {}
    seal_list(story)
    assert set(refused(story, SEALED, list_data(), at=DAY, by=STATISTICIAN)) == {"GL-01"}
    late = opened()
    envelope(late, at="2024-03-01 12:00")
    assert set(refused(late, SEALED, list_data(), at=DAY, by=STATISTICIAN)) == {"GL-01"}


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "coin-toss"},
        {"protocol_version": "0.9"},
        {"strata": [{"stratum": "all", "slots": 184}]},
        {
            "strata": [
                {"stratum": "baseline-child-pugh-class=B", "slots": 93},
                {"stratum": "baseline-child-pugh-class=C", "slots": 91},
            ]
        },
    ],
)
def test_gl_02_a_list_that_does_not_fit_the_protocol_is_refused(changes: dict[str, Any]) -> None:
    """Each stratum alone could take all planned subjects."""
    story = opened()
    data = list_data(**changes)
    assert set(refused(story, SEALED, data, at=DAY, by=STATISTICIAN)) == {"GL-02"}


def test_gl_03_site_staff_do_not_draw_the_list() -> None:
    """Concealment (R-54)."""
    data = list_data(generator=PHYSICIAN)
    assert set(refused(opened(), SEALED, data, at=DAY, by=STATISTICIAN)) == {"GL-03"}


def test_gl_04_enrolment_is_closed_once() -> None:
    """A second closing says nothing."""
    story, data = opened(), {"reason": REASON}
    assert refused(story, "enrolment.closed.v1", data, at=DAY, by=SPONSOR) == {}
    story.add("enrolment.closed.v1", data, at="2024-03-04 12:00", by=SPONSOR)
    assert set(refused(story, "enrolment.closed.v1", data, at=DAY, by=SPONSOR)) == {"GL-04"}


def test_gl_05_only_an_active_site_is_suspended() -> None:
    """Not twice."""
    story, data = opened(), {"site": "SY01", "reason": REASON}
    assert refused(story, "site.suspended.v1", data, at=DAY, by=SPONSOR) == {}
    story.add("site.suspended.v1", data, at="2024-03-04 12:00", by=SPONSOR)
    assert set(refused(story, "site.suspended.v1", data, at=DAY, by=SPONSOR)) == {"GL-05"}


def test_gl_06_an_amendment_brings_a_new_version_with_its_own_digest() -> None:
    """Of the canonical configuration."""
    story, whole = opened(), definition()
    data = {
        "version": "2.0",
        "protocol": whole.to_json(),
        "protocol_sha256": whole.sha256,
        "effective_from": "2024-03-05T10:00:00+08:00",
        "reason": REASON,
    }
    kind = "protocol.amended.v1"
    assert refused(story, kind, data, at=DAY, by=SPONSOR) == {}
    wrong = {**data, "protocol_sha256": ANY_HASH}
    assert set(refused(story, kind, wrong, at=DAY, by=SPONSOR)) == {"GL-06"}
    assert set(refused(story, kind, {**data, "version": "1.0"}, at=DAY, by=SPONSOR)) == {"GL-06"}


def test_gr_10_a_test_older_than_the_protocol_allows_blocks() -> None:
    """At randomization itself: laboratory results hold 14 days, the confirmation only 7."""
    story = opened()
    seal_list(story)
    identify(story)
    consent(story)
    baseline(story, at="2024-03-02 09:00")
    confirmed = confirm(story, assess_all(story, at="2024-03-12 09:00"), at="2024-03-12 10:00")
    assert "GR-10" not in ask(story, confirmed, at="2024-03-16 23:59")
    assert "15 days old; 14 allowed" in ask(story, confirmed, at="2024-03-17 00:00")["GR-10"]

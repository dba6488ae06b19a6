"""Guards of the trial's end: who is still on study, what is locked, and when the list opens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ledger.rules.build import SPONSOR, STATISTICIAN, SUBJECT, Story, refused
from tests.ledger.rules.scenes import consent, identify, opened, randomize, screen, seal_list

WHY = {"reason": {"code": "last-visit-done", "text": "All queries are closed."}}
LATE = "2025-02-01 09:00"
LOCKED, UNLOCKED = "data.locked.v1", "data.unlocked.v1"
REVEAL = "allocation.reveal-requested.v1"
REVEALED = {
    "list_root": "00" * 32,
    "algorithm": "permuted-blocks-hmac-sha256.v1",
    "planned_number": 92,
    "ratio": [{"arm": "double", "share": 1}, {"arm": "single", "share": 1}],
    "block_sizes": [4],
    "strata": ["all"],
    "seed": "00" * 32,
}


def treated() -> tuple[Story, str]:
    """A trial with one randomized subject, and its sealed list."""
    story = opened()
    sealed = seal_list(story)
    randomize(story, screen(story))
    return story, sealed


def lock(story: Story, *, at: str = LATE) -> str:
    """Close enrolment and lock the data, without asking any guard."""
    story.add("enrolment.closed.v1", WHY, at=at, by=SPONSOR)
    return story.add(LOCKED, WHY, at=at, by=SPONSOR)


def ask(story: Story, type_name: str, data: dict[str, Any], by: str = SPONSOR) -> dict[str, str]:
    """What speaks against a command, late in the trial."""
    return refused(story, type_name, data, at="2025-02-02 09:00", by=by)


def test_gc_01_data_stay_open_while_enrolment_is() -> None:
    """Whoever may still come in has data to come."""
    assert "Enrolment is not closed" in ask(opened(), LOCKED, WHY)["GC-01"]


def test_gc_01_data_stay_open_while_a_subject_is_on_study() -> None:
    """The refusal names the subject."""
    story, _ = treated()
    story.add("enrolment.closed.v1", WHY, at=LATE, by=SPONSOR)
    assert SUBJECT in ask(story, LOCKED, WHY)["GC-01"]


@pytest.mark.parametrize(
    ("type_name", "data"),
    [
        ("death.recorded.v1", {"died_on": {"value": "2024-05-01", "precision": "day"}}),
        ("consent.withdrawn.v1", {"scopes": ["intervention", "data", "samples", "follow-up"]}),
    ],
)
def test_gc_01_death_and_whole_withdrawal_end_a_subjects_part(
    type_name: str, data: dict[str, Any]
) -> None:
    """Nothing more is to come from it."""
    story, _ = treated()
    scopes = story.definition.protocol.consent.scopes
    known = {**data, "scopes": list(scopes)} if "scopes" in data else data
    story.add(type_name, known, at="2024-05-01 10:00")
    story.add("enrolment.closed.v1", WHY, at=LATE, by=SPONSOR)
    assert ask(story, LOCKED, WHY) == {}


def test_gc_01_withdrawal_from_the_intervention_alone_ends_nothing() -> None:
    """The subject is followed up; data are to come."""
    story, _ = treated()
    story.add("consent.withdrawn.v1", {"scopes": ["intervention"]}, at="2024-05-01 10:00")
    story.add("enrolment.closed.v1", WHY, at=LATE, by=SPONSOR)
    assert "GC-01" in ask(story, LOCKED, WHY)


def test_gc_02_locked_data_are_not_locked_again() -> None:
    """But after they were unlocked they are."""
    story = opened()
    locked = lock(story)
    assert set(ask(story, LOCKED, WHY)) == {"GC-02"}
    story.add(UNLOCKED, {"locked": locked, **WHY}, at=LATE, by=SPONSOR)
    assert ask(story, LOCKED, WHY) == {}


def test_gc_03_the_lock_in_force_is_named() -> None:
    """One that was lifted counts no more."""
    story = opened()
    first = lock(story)
    assert ask(story, UNLOCKED, {"locked": first, **WHY}) == {}
    story.add(UNLOCKED, {"locked": first, **WHY}, at=LATE, by=SPONSOR)
    assert ask(story, UNLOCKED, {"locked": first, **WHY}) == {"GC-03": "The data are not locked."}
    second = story.add(LOCKED, WHY, at=LATE, by=SPONSOR)
    assert second in ask(story, UNLOCKED, {"locked": first, **WHY})["GC-03"]


def test_gc_03_the_list_is_not_opened_before_the_lock() -> None:
    """Whoever knows the arms could still change data."""
    story, sealed = treated()
    found = ask(story, REVEAL, {"sealed_list": sealed, "locked": sealed}, by=STATISTICIAN)
    assert found == {"GC-03": "The data are not locked."}


def test_gc_04_the_list_in_force_is_named_and_opened_once() -> None:
    """A second reveal would say nothing new."""
    story = opened()
    sealed, locked = seal_list(story), lock(story)
    data = {"sealed_list": sealed, "locked": locked}
    assert ask(story, REVEAL, data, by=STATISTICIAN) == {}
    wrong = ask(story, REVEAL, {**data, "sealed_list": locked}, by=STATISTICIAN)
    assert sealed in wrong["GC-04"]
    request = story.add(REVEAL, data, at=LATE, by=STATISTICIAN, accept=False)
    story.answer(request, "allocation.revealed.v1", REVEALED)
    assert set(ask(story, REVEAL, data, by=STATISTICIAN)) == {"GC-04"}


def test_gc_05_locked_data_are_not_voided() -> None:
    """The sponsor unlocks them first, with a reason that stays in the log (R-66)."""
    story = opened()
    target = identify(story)
    locked = lock(story)
    change = {
        "target": target,
        "reason": {"code": "error", "text": "Wrong person."},
        "source_ref": "page 4",
    }
    found = refused(story, "data.voided.v1", change, at="2025-02-02 09:00", subject=SUBJECT)
    assert locked in found["GC-05"]


def test_gc_06_nobody_is_randomized_from_an_open_list() -> None:
    """Everybody would know the arm beforehand."""
    story = opened()
    seal_list(story)
    identify(story)
    consent(story)
    request = story.add(REVEAL, {"sealed_list": "0" * 8 + "-0000-7000-8000-" + "0" * 12,
        "locked": "0" * 8 + "-0000-7000-8000-" + "0" * 12}, at=LATE, by=STATISTICIAN,
        accept=False)  # fmt: skip
    story.answer(request, "allocation.revealed.v1", REVEALED)
    asked = {"confirmation": "0" * 8 + "-0000-7000-8000-" + "0" * 12}
    found = refused(
        story, "subject.randomization-requested.v1", asked, at="2025-02-02 09:00", subject=SUBJECT
    )
    assert "GC-06" in found

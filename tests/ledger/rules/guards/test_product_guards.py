"""A bag is released for one infusion of one subject, or the refusal says what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.guards.product import GUARDS
from ledger.rules.guards.request import Request
from ledger.signing.envelope import Event
from ledger.signing.event_id import event_id
from ledger.signing.rfc3339 import parse_rfc3339
from tests.ledger.rules.treated import (
    BAG,
    GIVEN,
    LEADER,
    LOT,
    OTHER,
    SECOND_BAG,
    SUBJECT,
    Treated,
    later,
)

REQUESTED = "bag.release-requested.v1"
TREATMENT = f"treatment/{SUBJECT}"
Story = Callable[[Treated], Any]


def refused(told: Treated, at: str = GIVEN, **changes: Any) -> list[str]:
    """The guards that speak against a release at a moment, each once."""
    data = told.ask() | changes
    event = Event(
        id=event_id(parse_rfc3339(at), b"ask"), source=LEADER, type=REQUESTED, subject=TREATMENT,
        time=at, trialid="XHNKKY-DFSC", data=data,
    )  # fmt: skip
    request = Request(event, data, (), told.state(), parse_rfc3339(at))
    return sorted({row.rule for guard in GUARDS[REQUESTED] for row in guard(request)})


def ready(arm: str | None = "double") -> Treated:
    """A randomized subject with consent, and a released lot of two bags."""
    told = Treated()
    told.consent()
    told.randomize(arm)
    told.receive()
    told.release_lot()
    return told


def test_a_release_in_order_is_not_refused() -> None:
    """All guards pass, for the first and for the second infusion of the double arm."""
    assert refused(ready()) == []
    assert refused(ready(), infusion_number=2) == []


def test_nobody_unrandomized_gets_a_bag() -> None:
    """GP-01, and no word about an arm."""
    told = Treated()
    told.consent()
    told.receive()
    told.release_lot()
    assert refused(told) == ["GP-01"]


@pytest.mark.parametrize(("arm", "number", "rules"), [
    ("single", 1, []), ("single", 2, ["GP-02"]), ("double", 2, []), ("double", 3, ["GP-02"]),
    (None, 1, ["GP-02"]),
])  # fmt: skip
def test_the_arm_limits_the_number(arm: str | None, number: int, rules: list[str]) -> None:
    """GP-02: also refused while the arm's opening is not at hand."""
    assert refused(ready(arm), infusion_number=number) == rules


@pytest.mark.parametrize(
    ("at", "rules"), [("2024-06-01T00:00:00+08:00", []), ("2024-06-01T00:00:01+08:00", ["GP-03"])]
)
def test_a_bag_is_released_until_its_expiry(at: str, rules: list[str]) -> None:
    """GP-03: the expiry itself is in date."""
    assert refused(ready(), at) == rules


@pytest.mark.parametrize("word", ["quarantined", "recalled"])
def test_a_barred_lot_is_not_released(word: str) -> None:
    """GP-03: barred now, whatever was judged before."""
    told = ready()
    told.bar_lot(word, later(GIVEN, hours=-1))
    assert refused(told) == ["GP-03"]


def test_an_unreleased_or_weak_lot_is_not_released() -> None:
    """GP-03: no release, or one below the protocol's viability."""
    told = Treated()
    told.consent()
    told.randomize()
    told.receive()
    assert refused(told) == ["GP-03"]
    told.release_lot(viability="79.9")
    assert refused(told) == ["GP-03"]


@pytest.mark.parametrize("change", [
    {"scan_subject": OTHER}, {"scan_bag": SECOND_BAG}, {"subject_id": OTHER},
])  # fmt: skip
def test_the_scans_read_this_subject_and_this_bag(change: dict[str, str]) -> None:
    """GP-04: anything else is refused."""
    assert refused(ready(), **change) == ["GP-04"]


@pytest.mark.parametrize(("scopes", "rules"), [
    (["intervention"], ["GP-05"]), ([], ["GP-05"]), (["visits"], []),
])  # fmt: skip
def test_who_withdrew_gets_no_bag(scopes: list[str], rules: list[str]) -> None:
    """GP-05: by scope; no scope is everything."""
    told = ready()
    told.withdraw(GIVEN, *scopes)
    assert refused(told) == rules


STORIES: list[tuple[Story, list[str]]] = [
    (lambda told: told.subject_event("death.recorded.v1", GIVEN), ["GP-05"]),
    (lambda told: told.subject_event("transplant.recorded.v1", GIVEN, organ="liver"), ["GP-08"]),
    (lambda told: told.release_bag(), []),
    (lambda told: told.release_bag(subject=OTHER), ["GP-06"]),
    (lambda told: told.release_bag(SECOND_BAG, subject=OTHER), []),
    (lambda told: told.bag("returned", BAG, GIVEN), ["GP-06"]),
    (lambda told: told.bag("destroyed", BAG, GIVEN), ["GP-06"]),
    (lambda told: told.bag("destroyed", SECOND_BAG, GIVEN), []),
    (lambda told: told.infuse(subject=OTHER), ["GP-06"]),
    (lambda told: told.void(told.infuse(subject=OTHER), f"treatment/{OTHER}"), []),
    (lambda told: told.infuse(bag=SECOND_BAG), ["GP-07"]),
    (lambda told: told.void(told.infuse(bag=SECOND_BAG), TREATMENT), []),
    (lambda told: told.infuse(number=2, bag=SECOND_BAG), []),
    (
        lambda told: told.treatment_event(
            "treatment.discontinued.v1", GIVEN, reason={"code": "sae", "text": "After sepsis."}
        ),
        ["GP-08"],
    ),
    (
        lambda told: told.subject_event(
            "study.discontinued.v1", GIVEN, reason={"code": "pi", "text": "By the investigator."}
        ),
        ["GP-08"],
    ),
    (lambda told: told.subject_event("study.completed.v1", GIVEN), ["GP-08"]),
]


@pytest.mark.parametrize(("story", "rules"), STORIES)
def test_what_happened_before_decides(story: Story, rules: list[str]) -> None:
    """GP-05 to GP-08: one event, and the guard it concerns; voided records count for nothing."""
    told = ready()
    story(told)
    assert refused(told) == rules


def test_a_bag_belongs_to_a_receipt_at_the_site() -> None:
    """GP-06: unknown bags, unknown lots and other sites' bags are refused."""
    assert refused(ready(), bag_id="B-9999", scan_bag="B-9999") == ["GP-06"]
    assert refused(ready(), lot="L-0") == ["GP-03", "GP-06"]
    told = Treated()
    told.consent()
    told.randomize()
    told.receive(site="BJ01")
    told.release_lot()
    assert refused(told) == ["GP-06"]


@given(st.lists(st.sampled_from([(SUBJECT, BAG), (OTHER, BAG), (OTHER, SECOND_BAG)]), max_size=4))
def test_no_bag_is_ever_released_to_two_subjects(asked: list[tuple[str, str]]) -> None:
    """Whoever asked first keeps the bag, and only he can have it released again."""
    told = ready()
    for subject, bag in asked:
        told.release_bag(bag, subject=subject)
    held = {subject for subject, bag in asked if bag == BAG}
    assert refused(told) == (["GP-06"] if OTHER in held else [])
    assert told.state().lot(LOT).last("lot.received.v1") is not None


def test_a_quarantine_is_heeded_although_the_senders_clock_runs_ahead() -> None:
    """It cannot have happened after it was recorded."""
    told = ready()
    told.bar_lot("quarantined", later(GIVEN, minutes=4))
    record = told.records[-1]
    told.records[-1] = replace(record, recorded_at=parse_rfc3339(GIVEN))
    assert refused(told) == ["GP-03"]

"""A case works a rule out once, and no answer outlives what it was made from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger.history import History
from ledger.rules.case import Case, once_a_case
from ledger.rules.consent import ConsentState, standing
from ledger.rules.deviations import CASE_RULES
from ledger.rules.guards import GUARDS
from tests.ledger.rules.build import PHYSICIAN, SUBJECT, Story, instant
from tests.ledger.rules.scenes import consent, identify, lab, opened, randomize, screen, seal_list

if TYPE_CHECKING:
    from ledger.rules.guards.request import Request

NOON = "2024-03-05 12:00"


def _consented() -> Story:
    story = opened()
    identify(story)
    consent(story)
    return story


def test_a_rule_is_worked_out_once_for_each_question() -> None:
    """Asked again, it gives the same object; asked something else, another."""
    asked: list[str] = []

    @once_a_case
    def named(case: Case, word: str) -> list[str]:
        asked.append(word)
        return [case.subject, word]

    case = _consented().case()
    assert named(case, "one") is named(case, "one")
    assert named(case, "two") == [case.subject, "two"]
    assert asked == ["one", "two"]


def test_two_rules_asked_the_same_are_told_apart() -> None:
    """An answer belongs to its rule."""
    case = _consented().case()
    one, two = once_a_case(lambda _: 1), once_a_case(lambda _: 2)
    assert (one(case), two(case), one(case)) == (1, 2, 1)


def test_a_failure_is_met_again_by_whoever_asks_again() -> None:
    """Each view and each rule that rests on a bad record shows it."""

    @once_a_case
    def failing(case: Case) -> int:
        raise ValueError(case.subject)

    case = _consented().case()
    for _ in range(2):
        with pytest.raises(ValueError, match=case.subject):
            failing(case)


def test_a_case_asked_for_after_a_record_knows_that_record() -> None:
    """The state goes on; what was found before a withdrawal is not found after it."""
    story = _consented()
    state = story.state()
    assert standing(state.case(SUBJECT), "intervention", instant(NOON)).valid
    story.add("consent.withdrawn.v1", {"scopes": ["intervention"]}, at="2024-03-05 11:00")
    state.apply(story.records[-1])
    found = standing(state.case(SUBJECT), "intervention", instant(NOON))
    assert found.state is ConsentState.WITHDRAWN


def test_a_case_made_from_another_takes_no_answers_along() -> None:
    """As when a view looks at what had happened by an earlier instant."""
    case = _consented().case()
    assert standing(case, "intervention", instant(NOON)).valid
    found = standing(replace(case, records=History()), "intervention", instant(NOON))
    assert found.state is ConsentState.NONE


def test_rules_that_share_a_case_find_what_each_finds_alone() -> None:
    """No rule changes what another is given."""
    story = opened()
    seal_list(story)
    randomize(story, screen(story))
    story.add("consent.withdrawn.v1", {"scopes": ["visits"]}, at="2024-03-06 09:00")
    lab(story, "albumin", "30", "g/L", at="2024-03-07 09:00")
    shared = story.case()
    together = [(rule.id, list(rule.check(shared))) for rule in CASE_RULES]
    assert any(found for _, found in together)
    assert together == [(rule.id, list(rule.check(story.case()))) for rule in CASE_RULES]


def test_guards_that_share_a_request_refuse_what_each_refuses_alone() -> None:
    """One case for all of them, with the same sentences."""
    story = opened()
    confirmed = screen(story)
    story.add("consent.withdrawn.v1", {"scopes": ["intervention"]}, at="2024-03-04 12:00")

    def request() -> Request:
        return story.request(name, {"confirmation": confirmed}, at=NOON, by=PHYSICIAN)

    name = "subject.randomization-requested.v1"
    shared = request()
    together = [list(guard(shared)) for guard in GUARDS[name]]
    assert any(together)
    assert together == [list(guard(request())) for guard in GUARDS[name]]

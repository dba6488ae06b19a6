"""The state that guards look at holds what was decided a moment ago, committed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.aggregates.trial_state import MOST_FOLDS, TrialState
from tests.build_ledger import SITE, identify
from tests.ledger.build_service import bag, open_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.history import History
    from tests.build_ledger import BuiltLedger


@pytest.fixture
def ahead(template: BuiltLedger, tmp_path: Path) -> Iterator[BuiltLedger]:
    """A second copy of the same ledger, which goes on alone."""
    opened = open_copy(template, tmp_path / "ahead")
    yield opened
    opened.close()


def fresh(built: BuiltLedger) -> TrialState:
    """A state that has read nothing yet."""
    return TrialState(built.definition, built.ledger.application)


def ids(history: History) -> set[str]:
    """The ids of the facts in a fold, and of commands that wait for their result."""
    return set(history.facts) | set(history.pending)


def test_a_fold_first_asked_for_within_a_group_holds_the_groups_earlier_records(
    built: BuiltLedger, ahead: BuiltLedger
) -> None:
    """Else a bag used by one statement of a batch could be used again by the next."""
    identified, received = ahead.record(identify(ahead, 7)), ahead.record(bag(ahead, 1))
    state = fresh(built)
    state.apply(identified)
    state.apply(received)
    assert identified.id in ids(state.subject(f"{SITE}-0007"))
    assert received.id in ids(state.lot(received.stream.removeprefix("lot/")))
    assert state.product_uses.facts == {}


def test_a_record_is_not_folded_twice_once_it_is_committed(built: BuiltLedger) -> None:
    """After the commit the source gives it; what was kept for the group is let go."""
    state = fresh(built)
    received = built.record(bag(built, 1))
    state.apply(received)
    state.committed()
    assert [
        fact.id for fact in state.lot(received.stream.removeprefix("lot/")).of(received.type)
    ] == [received.id]


def test_folds_of_single_streams_are_kept_within_a_bound(built: BuiltLedger) -> None:
    """A trial with a hundred thousand subjects must not fill the writer's memory."""
    state = fresh(built)
    first = state.trial
    for number in range(MOST_FOLDS + 50):
        state.lot(f"L-{number}")
        if number % 1_000 == 0:
            assert state.trial is first
    state.committed()
    assert state.trial is first
    kept = state.lot(f"L-{MOST_FOLDS + 49}")
    state.committed()
    assert state.lot(f"L-{MOST_FOLDS + 49}") is kept

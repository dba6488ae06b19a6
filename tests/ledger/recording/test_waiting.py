"""The line before the writer: who is taken together, and for how long a group is waited for."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from ledger.errors import Unavailable
from ledger.recording.admission import Commitment
from ledger.recording.waiting import GROUP_LIMIT, QUEUE_LIMIT, Line, Waiting

PATIENCE = 20.0


def waiting(number: int = 0) -> Waiting:
    """Something to be recorded, told apart by its number."""
    return Waiting(Commitment(f"lot/{number}", "inspection"), datetime.now(UTC), Future())


def filled(count: int) -> tuple[Line, list[Waiting]]:
    """A line with some who wait, and who they are."""
    line, all_of_them = Line(), [waiting(number) for number in range(count)]
    for one in all_of_them:
        line.enter(one)
    return line, all_of_them


def test_all_that_waits_is_one_group_in_the_order_it_came() -> None:
    """Though fewer were wanted."""
    line, entered = filled(3)
    assert line.group(2, within=PATIENCE) == entered
    assert len(line) == 0


def test_a_group_waits_until_as_many_are_there_as_are_wanted() -> None:
    """And is taken then, however much time there was left."""
    line, entered = filled(1)
    late = [waiting(number) for number in range(1, 4)]
    with ThreadPoolExecutor(1) as pool:
        group = pool.submit(line.group, 4, within=3600.0)
        for one in late:
            assert not group.done()
            line.enter(one)
        assert group.result(PATIENCE) == [*entered, *late]


def test_a_group_that_does_not_become_as_large_in_time_is_taken_as_it_is() -> None:
    """Whoever was answered need not come again."""
    line, entered = filled(2)
    assert line.group(3, within=0.01) == entered


def test_the_end_waits_for_nobody() -> None:
    """What is there is taken, then nothing is."""
    line, entered = filled(2)
    with ThreadPoolExecutor(1) as pool:
        group = pool.submit(line.group, 9, within=3600.0)
        line.end()
        assert group.result(PATIENCE) == entered
    assert line.group(9, within=3600.0) == []
    with pytest.raises(Unavailable, match="shutting down"):
        line.enter(waiting())


def test_more_than_a_group_may_hold_is_taken_in_groups() -> None:
    """However many are wanted."""
    line, entered = filled(GROUP_LIMIT + 1)
    assert line.group(QUEUE_LIMIT, within=3600.0) == entered[:-1]
    assert line.group() == entered[-1:]


def test_more_than_the_line_may_hold_is_turned_away() -> None:
    """Until somebody was taken out of it."""
    line, _ = filled(QUEUE_LIMIT)
    with pytest.raises(Unavailable, match="are waiting already"):
        line.enter(waiting())
    line.group()
    line.enter(waiting())

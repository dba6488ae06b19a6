"""The load that is measured with is legal, mixed, and made as it is asked for."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.founding import found, record
from benchmarks.harness import Goal, Row, Sample, compare
from benchmarks.life import PLANNED, load
from benchmarks.people import site

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


def test_whole_subjects_of_two_sites_pass_every_guard(tmp_path: Path) -> None:
    """One subject more than are planned: the last is told that the trial is full."""
    founded = found(tmp_path / "load", sites=2, at=BEGIN)
    offered = list(load(founded.sites, subjects=PLANNED + 1, begin=BEGIN, under_way=5))
    with founded.open() as ledger:
        record(ledger, [one.event for one in offered], offered[-1].at + timedelta(minutes=1))
        randomized = ledger.application.of_types(("subject.randomized.v1",))
    types = Counter(one.event.type for one in offered)
    assert len(randomized) == PLANNED
    assert types["subject.identified.v1"] == PLANNED + 1
    assert types["subject.screen-failed.v1"] == 1


def test_load_is_a_stream() -> None:
    """The first statements of a trial with ten thousand subjects are there at once, in order."""
    sites = [site(number) for number in (1, 2)]
    first = list(itertools.islice(load(sites, subjects=10_000, begin=BEGIN), 300))
    assert [one.at for one in first] == sorted(one.at for one in first)
    assert 60 <= len({one.event.subject for one in first}) <= 64
    again = load(sites, subjects=10_000, begin=BEGIN)
    assert [one.event.type for one in itertools.islice(again, 300)] == [
        one.event.type for one in first
    ]


def test_every_signer_of_every_site_has_a_key_of_his_own() -> None:
    """The same number always names the same site with the same keys."""
    kids = [staff.identity.key.kid for number in range(1, 40) for staff in site(number).staff]
    assert len(set(kids)) == len(kids)
    assert [staff.identity.key.kid for staff in site(7).staff] == kids[24:28]


def test_cases_take_turns_and_the_first_turn_does_not_count() -> None:
    """A spell in which the machine is slow meets all cases alike."""
    turns: list[str] = []

    def case(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    taken = compare({name: lambda name=name: case(name) for name in "ab"}, rounds=2)  # type: ignore[misc]
    assert turns == list("ababab")
    assert taken == {"a": Sample((3.0, 5.0)), "b": Sample((4.0, 6.0))}


def test_a_goal_can_be_a_floor_or_a_ceiling() -> None:
    """What is better the smaller it is has its goal the other way round."""

    def reached(ratio: float, goal: Goal) -> bool | None:
        return Row(
            key="k", work="w", database="sqlite", value=1, unit="s", reference="r", ratio=ratio,
            goal=goal.ratio, goal_is=goal.is_,
        ).reached  # fmt: skip

    assert reached(2.0, Goal(ratio=2.0))
    assert not reached(1.9, Goal(ratio=2.0))
    assert reached(1.0, Goal(ratio=1.0, is_="at most"))
    assert not reached(1.1, Goal(ratio=1.0, is_="at most"))
    assert reached(9.0, Goal(ratio=None)) is None

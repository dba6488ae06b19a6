"""What readers ask of a small log and of a large one: each answer beside the same one."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from benchmarks.harness import Bench, Goal, compare, milliseconds
from projections.deviation_rows import place_of
from projections.reading import Projections, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.stage import Standing, Standings

_PAGE: Final = 50
_DEVIATIONS: Final = 25
_SUBJECTS: Final = 20
"""So many of the first site's subjects are there in the smaller ledger already."""


def answers(bench: Bench, found: Standings) -> None:
    """One subject at an earlier size, a page of the audit trail, a page of deviations."""
    with ExitStack() as opening:
        few, many = (
            _Asked(opening, standing, bench.few) for standing in (found.small, found.large)
        )
        for key, work in (
            ("known-at", "one subject as known at an earlier size"),
            ("audit-page", "a page of the audit trail, from its middle"),
            ("deviations-page", "the second page of deviations"),
        ):
            cases = {"small": few.case(key), "large": many.case(key)}
            taken = compare(cases, rounds=bench.rounds)
            bench.row(
                key,
                f"{work}, {found.end}",
                taken["large"],
                unit="ms",
                against=(found.against(found.small), taken["small"]),
                goal=Goal(ratio=1.5, is_="at most"),
                database=found.engine,
            )


class _Asked:
    """The projections of a ledger and what is asked of them."""

    def __init__(self, opening: ExitStack, standing: Standing, times: int) -> None:
        log = opening.enter_context(opened(standing.founded.database))
        self._projections = Projections(log)
        opening.callback(self._projections.close)
        self._size, self._times = standing.entries, times
        first = self._projections.deviations(limit=_DEVIATIONS)
        if not first:
            raise RuntimeError("There is no deviation to make a page of.")
        self._last = place_of(first[-1])
        self._count = itertools.count()

    def case(self, key: str) -> Callable[[], float]:
        """How long one answer takes, on average over some that are not the same."""
        asked: dict[str, Callable[[], object]] = {
            "known-at": self._known_at,
            "audit-page": self._audit_page,
            "deviations-page": lambda: self._projections.deviations(
                after=self._last, limit=_DEVIATIONS
            ),
        }
        return milliseconds(asked[key], times=self._times)

    def _known_at(self) -> object:
        number = next(self._count)
        subject = f"SY01-{1 + number % _SUBJECTS:04}"
        return self._projections.subject(subject, known_at=self._size - 10 - number)

    def _audit_page(self) -> object:
        return self._projections.audit_trail(after=self._size // 2 + next(self._count), limit=_PAGE)

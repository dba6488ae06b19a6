"""How everything is measured: interleaved rounds, medians, and a reference in the same run.

The speed of a machine changes from minute to minute. A figure is therefore never judged alone:
the work and its reference take turns, and what is compared is the ratio of their medians.
"""

from __future__ import annotations

import gc
import os
import platform
import sqlite3
import statistics
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

PACKAGES: Final = (
    "auditchain",
    "cryptography",
    "eventsourcing",
    "flask",
    "granian",
    "marshmallow",
    "psycopg",
)
GoalIs = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What several rounds of one case gave."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """Least and greatest value."""
        return min(self.values), max(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measured work beside its reference; ``goal`` is for the ratio.

    ``ratio`` is ``value`` over the reference's median. ``low`` and ``high`` are the least and the
    greatest value of the work itself.
    """

    work: str
    database: str
    value: float
    unit: str
    reference: str
    ratio: float
    goal: float | None
    goal_is: GoalIs
    low: float = 0.0
    high: float = 0.0

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.goal_is == "at least" else self.ratio <= self.goal

    def as_object(self) -> dict[str, object]:
        """The row as it stands in ``bench.json``."""
        return {
            "work": self.work,
            "database": self.database,
            "value": round(self.value, 4),
            "unit": self.unit,
            "reference": self.reference,
            "ratio": round(self.ratio, 4),
            "goal": self.goal,
            "goal_is": self.goal_is,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a ratio should reach, and which way is better."""

    ratio: float | None
    is_: GoalIs = "at least"


@dataclass(slots=True)
class Bench:
    """The settings of a run and the rows found so far."""

    scratch: Path
    quick: bool = False
    entries: int = 100_000
    rows: list[Row] = field(default_factory=list)
    say: Callable[[str], None] = print

    @property
    def rounds(self) -> int:
        """How often each case takes its turn."""
        return 1 if self.quick else 5

    @property
    def seconds(self) -> float:
        """How long one turn of a served case lasts."""
        return 1.0 if self.quick else 3.0

    def row(
        self,
        work: str,
        sample: Sample,
        *,
        unit: str,
        against: tuple[str, Sample],
        goal: Goal,
        database: str = "sqlite",
    ) -> Row:
        """Keep a row and say it."""
        low, high = sample.spread
        found = Row(
            work=work,
            database=database,
            value=sample.median,
            unit=unit,
            reference=against[0],
            ratio=sample.median / against[1].median if against[1].median else 0.0,
            goal=goal.ratio,
            goal_is=goal.is_,
            low=low,
            high=high,
        )
        self.rows.append(found)
        self.say(sentence(found))
        return found


def compare(cases: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, Sample]:
    """Run the cases in turns and give each one's values; one unmeasured turn comes first."""
    found: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + (rounds > 1)):
        for name, case in cases.items():
            gc.collect()
            value = case()
            if turn or rounds == 1:
                found[name].append(value)
    return {name: Sample(tuple(values)) for name, values in found.items()}


def per_second(count: int, work: Callable[[], object]) -> float:
    """How many units a second one call of ``work`` does when it does ``count`` of them."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def sentence(row: Row) -> str:
    """A row as one line of text."""
    goal = "" if row.goal is None else f", goal {row.goal_is} {row.goal:g}"
    mark = {None: " ", True: "+", False: "-"}[row.reached]
    return (
        f"{mark} {row.work} [{row.database}]: {row.value:,.2f} {row.unit} "
        f"({row.low:,.2f} to {row.high:,.2f}), {row.ratio:.2f} of {row.reference}{goal}"
    )


def machine() -> str:
    """The machine and the versions that were measured, without anything that names its owner."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} processors, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {packages}"
    )


def _processor() -> str:
    if sys.platform == "linux":
        for line in _lines("/proc/cpuinfo"):
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.machine()


def _lines(path: str) -> Iterable[str]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a file of the kernel's
            return file.readlines()
    except OSError:
        return ()

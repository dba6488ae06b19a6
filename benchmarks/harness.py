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
from dataclasses import asdict, dataclass, field
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

    ``value`` and ``ratio`` are medians over the turns, a turn's ratio being of what work and
    reference gave in that same turn; ``…low`` and ``…high`` are the least and the greatest.
    ``key`` names the work whatever its size; with ``database`` it is unique.
    """

    key: str
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
    reference_value: float = 0.0
    ratio_low: float = 0.0
    ratio_high: float = 0.0
    turns: int = 1

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.goal_is == "at least" else self.ratio <= self.goal

    @property
    def share(self) -> float:
        """How much of the goal is reached: 1 where it is met exactly, more where it is passed."""
        if not self.goal or not self.ratio:
            return 0.0
        return self.ratio / self.goal if self.goal_is == "at least" else self.goal / self.ratio

    def as_object(self) -> dict[str, object]:
        """The row as it stands in ``bench.json``."""
        value = asdict(self)
        rounded = {
            name: round(held, 4) if isinstance(held, float) else held
            for name, held in value.items()
        }
        return {**rounded, "reached": self.reached}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a ratio should reach, and which way is better."""

    ratio: float | None
    is_: GoalIs = "at least"


NO_GOAL: Final = Goal(ratio=None)


@dataclass(slots=True)
class Bench:
    """The settings of a run and the rows found so far."""

    scratch: Path
    quick: bool = False
    rows: list[Row] = field(default_factory=list)
    say: Callable[[str], None] = print

    @property
    def rounds(self) -> int:
        """How often each short case takes its turn."""
        return 1 if self.quick else 5

    @property
    def few(self) -> int:
        """How often each long case takes its turn."""
        return 1 if self.quick else 3

    @property
    def seconds(self) -> float:
        """How long one turn of a served case lasts."""
        return 1.0 if self.quick else 3.0

    def row(
        self,
        key: str,
        work: str,
        sample: Sample,
        *,
        unit: str,
        against: tuple[str, Sample],
        goal: Goal = NO_GOAL,
        database: str = "sqlite",
    ) -> Row:
        """Keep a row and say it."""
        ratios = _ratios(sample, against[1])
        found = Row(
            key=key,
            work=work,
            database=database,
            value=sample.median,
            unit=unit,
            reference=against[0],
            ratio=ratios.median,
            goal=goal.ratio,
            goal_is=goal.is_,
            low=sample.spread[0],
            high=sample.spread[1],
            reference_value=against[1].median,
            ratio_low=ratios.spread[0],
            ratio_high=ratios.spread[1],
            turns=len(sample.values),
        )
        self.rows.append(found)
        self.say(sentence(found))
        return found


def _ratios(work: Sample, reference: Sample) -> Sample:
    """The ratio of each turn."""
    pairs = zip(work.values, reference.values, strict=True)
    return Sample(tuple(one / other for one, other in pairs))


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


def per_second(count: int, work: Callable[[], object]) -> Callable[[], float]:
    """A case: how many units a second one call of ``work`` does when it does ``count`` of them."""

    def case() -> float:
        began = time.perf_counter()
        work()
        return count / (time.perf_counter() - began)

    return case


def milliseconds(work: Callable[[], object], *, times: int = 1) -> Callable[[], float]:
    """A case: how long one call of ``work`` takes when it is called that often in a row."""

    def case() -> float:
        began = time.perf_counter()
        for _ in range(times):
            work()
        return 1000 * (time.perf_counter() - began) / times

    return case


def sentence(row: Row) -> str:
    """A row as one line of text."""
    goal = "" if row.goal is None else f", goal {row.goal_is} {row.goal:g}"
    mark = {None: " ", True: "+", False: "-"}[row.reached]
    return (
        f"{mark} {row.work} [{row.database}]: {row.value:,.2f} {row.unit}, "
        f"{row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f}) of {row.reference}{goal}"
    )


def machine(*more: str) -> str:
    """The machine and the versions that were measured, without anything that names its owner."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} processors, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {', '.join((*more, packages))}"
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

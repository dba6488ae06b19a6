"""Where the strokes and words of the figures lie; the templates draw what is worked out here.

All lengths are whole units of the drawing's own scale. A figure's data is that of its block in
the document; nothing is drawn that the document does not say.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH = 920
LINE = 17
"""Height of a line of text."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from ``low`` (at ``start``) to ``high`` (at ``end``)."""

    start: int
    end: int
    low: Decimal
    high: Decimal

    def at(self, value: Decimal | int) -> int:
        """Where a value lies, to the nearest unit."""
        share = (Decimal(value) - self.low) / (self.high - self.low)
        return self.start + int((share * (self.end - self.start)).to_integral_value())

    def ticks(self, step: int) -> list[tuple[int, int]]:
        """Values at equal steps with their places."""
        return [(value, self.at(value)) for value in range(int(self.low), int(self.high) + 1, step)]


@dataclass(frozen=True, slots=True)
class MonthMark:
    """One month of the recruitment figure."""

    x: int
    label: str
    screened: int
    screened_y: int
    cumulative: int
    cumulative_y: int


@dataclass(frozen=True, slots=True)
class Recruitment:
    """Recruitment over time: bars of subjects screened, a line of those randomised, the target."""

    height: int
    floor: int
    left: int
    right: int
    bar: int
    ticks: tuple[tuple[int, int], ...]
    target: int
    target_y: int
    months: tuple[MonthMark, ...]
    line: tuple[tuple[int, int], ...]


def recruitment(data: Mapping[str, Any]) -> Recruitment:
    """Lay out ``{target, months: [{month, screened, randomised, cumulative}]}``."""
    months = list(data["months"])
    target, left, right, floor = int(data["target"]), 52, WIDTH - 120, 270
    most = max([target, *(int(row["cumulative"]) for row in months)], default=1)
    top = max(20, (most * 11 // 10 + 19) // 20 * 20)
    scale = Axis(floor, 24, Decimal(0), Decimal(top))
    step = (right - left) // max(1, len(months))
    marks = []
    for index, row in enumerate(months):
        marks.append(
            MonthMark(
                x=left + step * index + step // 2,
                label=str(row["month"]),
                screened=int(row["screened"]),
                screened_y=scale.at(int(row["screened"])),
                cumulative=int(row["cumulative"]),
                cumulative_y=scale.at(int(row["cumulative"])),
            )
        )
    return Recruitment(
        height=floor + 46,
        floor=floor,
        left=left,
        right=right,
        bar=max(6, min(34, step * 5 // 10)),
        ticks=tuple(scale.ticks(20)),
        target=target,
        target_y=scale.at(target),
        months=tuple(marks),
        line=tuple((mark.x, mark.cumulative_y) for mark in marks),
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """One arm of the endpoint figure; places are None where nobody can be counted yet."""

    y: int
    label: str
    words: str
    point: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True, slots=True)
class Estimates:
    """The endpoint by arm: a scale in per cent and an estimate with its interval for each."""

    height: int
    floor: int
    ticks: tuple[tuple[int, int], ...]
    rows: tuple[Estimate, ...]


def estimates(data: Mapping[str, Any]) -> Estimates:
    """Lay out ``{arms: [{label, count, total, percent, low, high}]}``; decimals are text."""
    scale = Axis(230, 650, Decimal(0), Decimal(100))
    rows = []
    for index, arm in enumerate(data["arms"]):
        known = arm["percent"] is not None
        rows.append(
            Estimate(
                y=34 + 46 * index,
                label=str(arm["label"]),
                words=(
                    f"{arm['count']}/{arm['total']}   {arm['percent']} % "
                    f"({arm['low']} to {arm['high']})"
                    if known
                    else "not yet known"
                ),
                point=scale.at(Decimal(arm["percent"])) if known else None,
                low=scale.at(Decimal(arm["low"])) if known else None,
                high=scale.at(Decimal(arm["high"])) if known else None,
            )
        )
    floor = 34 + 46 * len(rows) - 8
    return Estimates(floor + 34, floor, tuple(scale.ticks(20)), tuple(rows))


@dataclass(frozen=True, slots=True)
class Link:
    """One block of the chain strip; a ``gap`` before it stands for the entries left out."""

    x: int
    width: int
    heading: str
    lines: tuple[str, ...]
    gap: bool
    final: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """The hash chain as a strip of blocks, from entry 0 to the signed checkpoint."""

    height: int
    links: tuple[Link, ...]


def strip(data: Mapping[str, Any]) -> Strip:
    """Lay out ``{links: [{heading, lines, gap, final}]}`` from left to right."""
    links = list(data["links"])
    gap = 34
    width = (WIDTH - 12 - gap * (len(links) - 1)) // max(1, len(links))
    placed = [
        Link(
            x=6 + index * (width + gap),
            width=width,
            heading=str(link["heading"]),
            lines=tuple(str(line) for line in link["lines"]),
            gap=bool(link["gap"]),
            final=bool(link["final"]),
        )
        for index, link in enumerate(links)
    ]
    tallest = max((len(link.lines) for link in placed), default=1)
    return Strip(44 + LINE * tallest, tuple(placed))

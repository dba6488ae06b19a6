"""The CONSORT flow as boxes and arrows; the template draws what is worked out here."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from projections.report.figures import LINE, WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PADDING = 12
_GAP = 30


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the flow: its corner, size and lines; the first line is its heading."""

    x: int
    y: int
    width: int
    lines: tuple[str, ...]

    @property
    def height(self) -> int:
        """Height that holds the lines."""
        return 2 * _PADDING + LINE * len(self.lines) - 3

    @property
    def bottom(self) -> int:
        """Where the box ends."""
        return self.y + self.height

    @property
    def centre(self) -> int:
        """Middle across."""
        return self.x + self.width // 2

    @property
    def middle(self) -> int:
        """Middle down."""
        return self.y + self.height // 2

    def baseline(self, index: int) -> int:
        """Where the line with this index stands."""
        return self.y + _PADDING + 11 + LINE * index


@dataclass(frozen=True, slots=True)
class Flow:
    """The CONSORT flow: boxes, and arrows as points from tail to head."""

    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[tuple[tuple[int, int], ...], ...]


def consort(data: Mapping[str, Any]) -> Flow:
    """The flow of participants: stem, excluded at its side, one column for each arm.

    ``data`` holds ``assessed``, ``excluded``, ``ongoing``, ``randomised`` (each ``{heading,
    lines}``; ``ongoing`` may be null) and ``arms``: lists of such boxes, equally long.
    """
    stem_width, side_width = 300, 270
    stem_x = (WIDTH - stem_width) // 2
    side_x = WIDTH - side_width - 2
    top = _box(data["assessed"], stem_x, 6, stem_width)
    aside = [_box(data["excluded"], side_x, top.bottom + 16, side_width)]
    if data.get("ongoing"):
        aside.append(_box(data["ongoing"], side_x, aside[-1].bottom + 16, side_width))
    randomised = _box(data["randomised"], stem_x, aside[-1].bottom + 20, stem_width)
    boxes = [top, *aside, randomised]
    arrows: list[tuple[tuple[int, int], ...]] = [
        ((top.centre, top.bottom), (top.centre, randomised.y))
    ]
    arrows += [((top.centre, box.middle), (box.x, box.middle)) for box in aside]
    columns, height = _columns(data["arms"], randomised.bottom + 2 * _GAP)
    for column in columns:
        turn = randomised.bottom + _GAP
        head = column[0]
        arrows.append(
            (
                (randomised.centre, randomised.bottom),
                (randomised.centre, turn),
                (head.centre, turn),
                (head.centre, head.y),
            )
        )
        arrows += [
            ((above.centre, above.bottom), (below.centre, below.y))
            for above, below in pairwise(column)
        ]
        boxes += column
    return Flow(height + 8, tuple(boxes), tuple(arrows))


def _columns(arms: Sequence[Sequence[Mapping[str, Any]]], y: int) -> tuple[list[list[Box]], int]:
    if not arms:
        return [], y
    width = (WIDTH - 4 - _GAP * (len(arms) - 1)) // len(arms)
    columns: list[list[Box]] = [[] for _ in arms]
    for row in zip(*arms, strict=True):
        made = [_box(box, 2 + index * (width + _GAP), y, width) for index, box in enumerate(row)]
        # Boxes of one row are equally high, so that the arms read side by side.
        tallest = max(len(box.lines) for box in made)
        for column, box in zip(columns, made, strict=True):
            padded = box.lines + ("",) * (tallest - len(box.lines))
            column.append(Box(box.x, box.y, box.width, padded))
        y = columns[0][-1].bottom + _GAP
    return columns, y - _GAP


def _box(content: Mapping[str, Any], x: int, y: int, width: int) -> Box:
    room = (width - 2 * _PADDING) * 10 // 72
    lines = [str(content["heading"])]
    for line in content["lines"]:
        lines += textwrap.wrap(str(line), room, subsequent_indent="\u2003") or [""]
    return Box(x, y, width, tuple(lines))

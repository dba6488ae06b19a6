"""One picture of all goals: how much of each is reached, a bar for each database."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from benchmarks.figures import NAMES, SECTIONS, asked_for, named
from benchmarks.page import goal_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness import Row

_WIDTH: Final = 860
_LABELS: Final = 232
_ENGINES: Final = 76
_GOAL: Final = 210
"""How long a bar is that just reaches its goal."""

_LONGEST: Final = 2.0
_BAR: Final = 14
_STEP: Final = 17
_GAP: Final = 9
_SECTION: Final = 30
_TOP: Final = 62
_LEFT: Final = _LABELS + _ENGINES

_STYLE: Final = """<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 15px; font-weight: 600; }
.section { font-size: 13px; font-weight: 600; }
.quiet { fill: #59636e; }
.paper { fill: #ffffff; }
.line { stroke: #1f2328; stroke-width: 1.5; }
.yes { fill: #2f8f5b; }
.no { fill: #d9822b; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .quiet { fill: #9aa4ae; }
  .paper { fill: #0d1117; }
  .line { stroke: #e6edf3; }
  .yes { fill: #3fa56d; }
  .no { fill: #e0924a; }
}
</style>"""


def picture(rows: Sequence[Row]) -> str:
    """The bars, as SVG; the line stands where a goal is just met."""
    drawn: list[str] = []
    top = _TOP
    for section in SECTIONS:
        found = asked_for(rows, section)
        if not found:
            continue
        drawn.append(_text(16, top + 16, section, "section"))
        top += _SECTION
        for _, same in groupby(found, key=lambda row: row.key):
            group = list(same)
            drawn += _group(group, top)
            top += _STEP * len(group) + _GAP
    goal_at = _LEFT + _GOAL
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 12}" '
        f'width="{_WIDTH}" height="{top + 12}" role="img">\n'
        f"<title>How much of each goal is reached</title>\n{_STYLE}\n"
        f'<rect class="paper" width="{_WIDTH}" height="{top + 12}"/>\n'
        f"{_text(16, 26, 'How much of each goal is reached', 'title')}\n"
        f"{_text(16, 46, 'Longer is better; → goes on past twice the goal.', 'quiet')}\n"
        f"{_legend()}\n"
        f'<line class="line" x1="{goal_at}" y1="{_TOP}" x2="{goal_at}" y2="{top}"/>\n'
        f"{_text(goal_at, _TOP - 6, 'goal', anchor='middle')}\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def _legend() -> str:
    return (
        f'<rect class="yes" x="{_WIDTH - 236}" y="16" width="12" height="12"/>'
        f"{_text(_WIDTH - 218, 26, 'reached')}"
        f'<rect class="no" x="{_WIDTH - 150}" y="16" width="12" height="12"/>'
        f"{_text(_WIDTH - 132, 26, 'not reached')}"
    )


def _group(rows: Sequence[Row], top: int) -> list[str]:
    """The bars of one work, its name beside the first."""
    drawn = [_text(16, top + 12, named(rows[0]))]
    for number, row in enumerate(rows):
        y = top + _STEP * number
        length = max(2, round(min(row.share, _LONGEST) * _GOAL))
        more = " →" if row.share > _LONGEST else ""
        said = f"{row.ratio:.2f}, goal {goal_of(row)}{more}"
        kind = "yes" if row.reached else "no"
        bar = f'x="{_LEFT}" y="{y + 1}" width="{length}" height="{_BAR}" rx="2"'
        said_at = max(_LEFT + length, _beside_goal(length)) + 6
        drawn += [
            _text(_LEFT - 8, y + 12, NAMES[row.database], "quiet", anchor="end"),
            f'<rect class="{kind}" {bar}/>',
            _text(said_at, y + 12, said, "quiet"),
        ]
    return drawn


def _beside_goal(length: int) -> int:
    """Where a text has to begin so that the line of the goal does not cross it."""
    return _LEFT + _GOAL if length < _GOAL else 0


def _text(x: int, y: int, text: str, kind: str = "", *, anchor: str = "start") -> str:
    shown = f' class="{kind}"' if kind else ""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}"{shown}{at}>{escape(text)}</text>'

"""The results for people: a page with a table, and a picture of each ratio against its goal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness import Row

_INTRODUCTION: Final = """# What the ledger costs

Made by `make bench`; do not edit. Each figure is the median of turns in which the work and its
reference were measured alternately. **Compare the ratios, not the figures**: a figure depends on
the machine and on the minute, the ratio to a reference measured in the same minute much less.

"""
_NAMES: Final = """
- *naive honest service*: Flask, marshmallow, one verified signature, one chained durable commit a
  request, served by granian as ours is (`benchmarks/naive.py`). It has no authority, no guards, no
  tree and no receipts.
- *verify + validate + insert*: what must be done at least for a batch, on all cores, without HTTP.
- *raw verification on all cores*: Ed25519 by the library alone, in threads.
"""
_WIDTH: Final = 760
_LINE: Final = 26
_LABEL: Final = 420
_SCALE: Final = 150


def page(rows: Sequence[Row], machine: str) -> str:
    """The page, in Markdown."""
    lines = [
        "| work | database | median | least to greatest | ratio | of | goal | reached |",
        "|---|---|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
    ]
    return (
        f"{_INTRODUCTION}Machine: {machine}.\n\n![Each ratio against its goal](performance.svg)\n\n"
        + "\n".join(lines)
        + "\n"
        + _NAMES
    )


def picture(rows: Sequence[Row]) -> str:
    """Bars of how far each goal is reached, as SVG; the line stands where the goal is met."""
    shown = [row for row in rows if row.goal]
    height = _LINE * (len(shown) + 2)
    goal_at = _LABEL + _SCALE
    bars = "\n".join(_bar(row, _LINE * (n + 1)) for n, row in enumerate(shown))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="sans-serif" font-size="12">\n'
        f"<title>How far each goal is reached</title>\n{bars}\n"
        f'<line x1="{goal_at}" y1="{_LINE // 2}" x2="{goal_at}" y2="{height - _LINE}" '
        f'stroke="#222"/>\n'
        f'<text x="{goal_at}" y="{height - 8}" text-anchor="middle">goal</text>\n</svg>\n'
    )


def _bar(row: Row, top: int) -> str:
    share = row.ratio / (row.goal or 1)
    if row.goal_is == "at most":
        share = 1 / share if share else 0.0
    length = round(min(share, 2.2) * _SCALE)
    colour = "#2b7a4b" if row.reached else "#b3541e"
    label = escape(f"{row.work} [{row.database}]")
    return (
        f'<text x="{_LABEL - 8}" y="{top + 13}" text-anchor="end">{label}</text>'
        f'<rect x="{_LABEL}" y="{top}" width="{length}" height="18" fill="{colour}"/>'
    )


def _line(row: Row) -> str:
    goal = "" if row.goal is None else f"{row.goal_is} {row.goal:g}"
    reached = {None: "", True: "yes", False: "**no**"}[row.reached]
    return (
        f"| {row.work} | {row.database} | {row.value:,.2f} {row.unit} | "
        f"{row.low:,.2f} to {row.high:,.2f} | **{row.ratio:.2f}** | {row.reference} | "
        f"{goal} | {reached} |"
    )

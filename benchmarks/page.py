"""The results for people: what was measured, beside what, and whether the goal is reached."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from benchmarks.figures import NAMES, REFERENCES, SECTIONS, asked_for, named, without_goal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.harness import Row

WHY: Final = "decisions/0014-what-was-made-faster-and-the-writer-apart.md"
_PLACES: Final = 10
_HEAD: Final = (
    "| what | on | measured | beside | ratio | goal | reached |\n|---|---|--:|---|--:|--:|:-:|\n"
)
_TRIED: Final = "**Only a part was run, or all of it too briefly: these figures mean nothing.**\n\n"
_READ: Final = """## How to read it

How fast a computer is changes from one to the next, and on the same one from minute to minute.
So no figure is judged alone. Each work has a *reference*: either what the machine can do at most,
or what somebody would build instead, or the same work in a smaller log. Work and reference take
turns, in the same minutes, on the same machine; the *ratio* of what the two gave in a turn is what
counts. The middle one of all turns is shown, with the least and the greatest behind it. A goal of
"≥ 2" asks for at least twice the reference, "≤ 1.5" for at most one and a half times. Memory and
bytes do not depend on the minute and are counted once.

Everything is on while it is measured: signatures, schema, authority, rules, chain, tree, a durable
commit before the answer, and a receipt under a signed checkpoint.

"""
_AGAIN: Final = """
## How to repeat it

```
make bench          # within half an hour on two quiet processors
make bench-full     # growth at 1,000,000 entries on SQLite; about an hour, up to 20 GB of disk
```

It needs nothing but the checkout and, for the rows of PostgreSQL, its server programs
(`initdb`, `postgres`) or a server named in `LEDGER_BENCH_POSTGRES_URL` whose role may create
databases. All values stand in `var/bench.json` afterwards. A goal that is missed is shown and fails
nothing; no test depends on a time.
"""


def page(rows: Sequence[Row], result: Mapping[str, Any]) -> str:
    """The page, in Markdown."""
    return "".join(
        (
            "# What the ledger costs\n\nMade by `make bench`; do not edit.\n\n",
            "" if result["counts"] else _TRIED,
            _in_short(rows),
            "![How much of each goal is reached](performance.svg)\n\n",
            _READ,
            *(_section(rows, name) for name in SECTIONS),
            _missed(rows),
            _compared(rows),
            "## What stands beside it\n\n",
            "".join(f"- {text}\n" for text in REFERENCES),
            _measured_on(rows, result),
            _AGAIN,
        )
    )


def _in_short(rows: Sequence[Row]) -> str:
    judged = [row for row in rows if row.goal is not None]
    reached = sum(1 for row in judged if row.reached)
    return (
        f"**{reached} of {len(judged)} goals are reached.** What each means, and how far the "
        "others are off, follows.\n\n"
    )


def _section(rows: Sequence[Row], name: str) -> str:
    found = asked_for(rows, name)
    if not found:
        return ""
    table = _HEAD + "".join(_line(row) for row in found)
    meant = "".join(
        f"- *{short}*: {text}\n"
        for key, (short, text) in SECTIONS[name].items()
        if any(row.key == key for row in found)
    )
    return f"## {name}\n\n{table}\n{meant}\n"


def _line(row: Row) -> str:
    mark = {None: "", True: "yes", False: "**no**"}[row.reached]
    return (
        f"| {named(row)} | {NAMES[row.database]} | {number(row.value)} {row.unit} | "
        f"{row.reference}: {number(row.reference_value)} | {_ratio(row)} | {goal_of(row)} | "
        f"{mark} |\n"
    )


def _ratio(row: Row) -> str:
    if row.turns == 1:
        return f"**{row.ratio:.2f}**"
    return f"**{row.ratio:.2f}** ({row.ratio_low:.2f} to {row.ratio_high:.2f})"


def goal_of(row: Row) -> str:
    """The goal as a sign and a number."""
    if row.goal is None:
        return ""
    return f"{'≥' if row.goal_is == 'at least' else '≤'} {row.goal:g}"


def number(value: float) -> str:
    """A figure with as many digits as can be told apart."""
    return f"{value:,.0f}" if value >= _PLACES * _PLACES else f"{value:,.3g}"


def _missed(rows: Sequence[Row]) -> str:
    judged = [row for section in SECTIONS for row in asked_for(rows, section)]
    missed = [row for row in judged if row.reached is False]
    if not missed:
        return ""
    lines = []
    for _, same in groupby(missed, key=lambda row: row.key):
        group = list(same)
        lines.append(f"- {named(group[0])}: {', '.join(NAMES[row.database] for row in group)}\n")
    return (
        f"## What is missed\n\n{''.join(lines)}\nWhere the time goes, what was tried, and why it "
        f"stops there: [decision record 14]({WHY}).\n\n"
    )


def _compared(rows: Sequence[Row]) -> str:
    others = without_goal(rows)
    if not others:
        return ""
    lines = "".join(
        f"| {row.work} | {NAMES[row.database]} | {number(row.value)} {row.unit} | "
        f"{row.reference} | {number(row.reference_value)} | {_ratio(row)} |\n"
        for row in others
    )
    return (
        "## For comparison, without a goal\n\n"
        "Others do less, or other work; a ratio under 1 is what the difference costs.\n\n"
        "| what | on | measured | beside | which gave | ratio |\n|---|---|--:|---|--:|--:|\n"
        f"{lines}\n"
    )


def _measured_on(rows: Sequence[Row], result: Mapping[str, Any]) -> str:
    tiny, small, middle, large = result["sizes"]
    turns = max((row.turns for row in rows), default=1)
    there = any(row.database == "postgresql" for row in rows)
    missing = "" if there else " There was no PostgreSQL to measure on."
    return (
        f"\n## Where and on what\n\n{result['machine']}. The run took {result['minutes']} minutes, "
        f"each work up to {turns} turns after one that does not count. Ledgers of {tiny:,}, "
        f"{small:,}, {middle:,} (verifying) and {large:,} entries (growing): whole subjects of the "
        "seed's protocol from identification to randomization or screen failure, each site with "
        f"keys of its own.{missing}\n"
    )

"""The summary of a demonstration, for a person at a terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from api.demonstration.mess import Mess

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from api.cli.examining import Examination
    from api.demonstration.posting import Sighting, Tally
    from projections.reading import Projections

_NARROWEST: Final = 120


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run left behind: the root of trust, what was posted, where the mess can be seen."""

    trial: str
    seed: int
    vkey: str
    genesis_sha256: str
    directory: Path
    steps: int
    first: datetime
    last: datetime
    tally: Tally
    seconds: float

    def show(
        self,
        views: Projections,
        outcome: Examination,
        report: Path,
        *,
        console: Console | None = None,
    ) -> None:
        """Print the summary; ``outcome`` is the verification, ``report`` where the report lies."""
        out = console or _console()
        views.follow()
        flow = views.enrolment()
        out.print(self._heading())
        out.print(_counts(flow, self.tally))
        out.print(_arms(flow))
        out.print(_deviations(views.deviations()))
        out.print(_mess(self.tally))
        out.print(self._closing(outcome, report))

    def _heading(self) -> Panel:
        text = Text.assemble(
            (f"{self.trial}: a demonstration, no trial. ", "bold"),
            "All people and values are invented.\n",
            f"{self.steps:,} events of {self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}, each signed "
            f"by its author and posted over HTTP in {self.tally.requests:,} requests, "
            f"{self.seconds:.0f} s. Seed {self.seed}: the same seed gives the same head.",
        )
        return Panel(text, box=box.ROUNDED, padding=(0, 1))

    def _closing(self, outcome: Examination, report: Path) -> Panel:
        found, grid = outcome.report, Table.grid(padding=(0, 2))
        grid.add_column(style="bold", no_wrap=True)
        grid.add_column(overflow="fold")
        verdict = (
            Text("DAMAGED", style="bold red") if outcome.damaged else Text("sound", style="green")
        )
        doubtful = sum(row.places for row in found.doubtful)
        if doubtful:
            entries = "entry" if doubtful == 1 else "entries"
            verdict.append(f"; {doubtful} {entries} doubtful (key compromised)", style="yellow")
        grid.add_row("verified", verdict)
        grid.add_row("chain head", f"{found.size:,} entries, {found.head}")
        grid.add_row("tree root", found.root)
        grid.add_row("root of trust", f"--key {self.vkey}")
        grid.add_row("", f"--genesis {self.genesis_sha256}")
        grid.add_row("report", str(report))
        grid.add_row("all files", f"{self.directory} (people's keys: for demonstrations only)")
        return Panel(grid, title="What to check it against", box=box.ROUNDED, title_align="left")


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        return Console(highlight=False, width=max(console.width, _NARROWEST))
    return console


def _counts(flow: Mapping[str, Any], tally: Tally) -> Group:
    excluded = flow["excluded"]
    reasons = ", ".join(f"{number} {reason}" for reason, number in excluded["reasons"].items())
    enrolment = (
        f"[bold]Enrolment[/]  {flow['assessed']} assessed, {flow['consented']} consented, "
        f"{excluded['total']} excluded ({reasons}), "
        f"{flow['randomized']} of {flow['planned']} randomized"
    )
    counted = (f"{number:,} {answer}" for answer, number in sorted(tally.answers.items()))
    answers = f"[bold]Answers[/]    {', '.join(counted)}"
    return Group(Text.from_markup(enrolment), Text.from_markup(answers), Text())


def _arms(flow: Mapping[str, Any]) -> Table:
    table = _table("Primary endpoint by arm")
    for name in ("arm", "allocated", "all infusions", "completed", "dead", "lost", "withdrawn"):
        table.add_column(name, justify="left" if name == "arm" else "right")
    table.add_column("Child-Pugh A at week 24", justify="right", style="bold", no_wrap=True)
    for arm in flow["arms"]:
        analysed, achieved = arm["analysed"], arm["achieved"]
        share = f"{achieved} of {analysed} ({_percent(achieved, analysed)})" if analysed else "none"
        table.add_row(
            str(arm["label"] or arm["arm"]),
            *(
                str(arm[name])
                for name in (
                    "allocated",
                    "received",
                    "completed",
                    "dead",
                    "lost_to_follow_up",
                    "withdrawn",
                )
            ),
            share,
        )
    return table


def _percent(part: int, whole: int) -> str:
    tenths = (2000 * part + whole) // (2 * whole)
    return f"{tenths // 10}.{tenths % 10} %"


def _deviations(rows: Iterable[Mapping[str, Any]]) -> Table:
    table = _table("Deviations by rule")
    for name, justify in (("rule", "left"), ("what", "left"), ("found", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    table.add_column("undecided", justify="right")
    table.add_column("severity")
    counts: Counter[tuple[str, str]] = Counter()
    known: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["detected_by"] == "rule":
            counts[row["rule"], row["standing"]] += 1
            known.setdefault(row["rule"], row)
    for rule, row in sorted(known.items()):
        undecided = counts[rule, "indeterminate"]
        table.add_row(
            rule,
            str(row["definition"]),
            str(counts[rule, "deviation"]),
            str(undecided) if undecided else "",
            str(row["severity"]),
        )
    return table


def _mess(tally: Tally) -> Table:
    table = _table("The ordinary mess, and where to see it")
    table.add_column("what", min_width=30)
    table.add_column("where", no_wrap=True)
    table.add_column("position", justify="right")
    table.add_column("event", no_wrap=True)
    table.add_column("times", justify="right")
    for mess in Mess:
        seen = tally.sightings.get(mess, [])
        if not seen:
            table.add_row(mess.value, "not shown", "", "", "0", style="red")
            continue
        first = _telling(seen)
        position = str(first.seq) if first.seq is not None else first.answer
        table.add_row(
            mess.value, first.subject or first.stream, position, first.event, str(len(seen))
        )
    return table


def _telling(seen: list[Sighting]) -> Sighting:
    """Of several places the one a reader should open: an answer out of the ordinary comes first."""
    return next((row for row in seen if row.answer != "recorded"), seen[0])


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )

"""What 10, 1,000 and 100,000 sites need, by a small model with the constants of a run.

``python -m benchmarks.model`` prints the page for the constants in ``var/bench.json``.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SITES: Final = (10, 1_000, 100_000)
A_SITE_A_DAY: Final = 60
"""Statements of a site that enrols one subject a week and follows those it has."""

DENSE_SECONDS: Final = 2 * 3_600
"""All sites are taken to write within the same two hours of a day."""

ENTRIES_A_STATEMENT: Final = 10 / 9
"""One statement in nine is a command, whose result is an entry of its own."""

FILLED: Final = 0.5
"""A writer is planned for no more than this share of what it can take in."""

NIGHT: Final = 8 * 3_600
_DAYS: Final = 365
_MINUTE, _HOUR = 60, 3_600
_THOUSAND: Final = 1_000
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True)
class Constants:
    """What was measured: a second, in bytes, in MiB, in milliseconds, in seconds."""

    own: float
    stored: float
    one_by_one: float
    batches: float
    restored: float
    verified: float
    everything: float
    integrity: float
    receipt: float
    start: float
    memory: float
    large: int

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Constants | None:
        """The constants in a run's results; None when some were not measured."""
        rows = {(row["key"], row["database"]): row for row in result["rows"]}

        def value(key: str, member: str = "value") -> float:
            return float(rows[key, "sqlite"][member])

        try:
            return cls(
                own=value("disk", "reference_value"),
                stored=value("disk"),
                one_by_one=value("single-64"),
                batches=value("batch"),
                restored=value("restore"),
                verified=value("verify-database"),
                everything=value("verify-whole"),
                integrity=value("integrity"),
                receipt=value("receipt"),
                start=value("start"),
                memory=value("memory-verify"),
                large=int(result["sizes"][3]),
            )
        except KeyError:
            return None


@dataclass(frozen=True, slots=True)
class Need:
    """What a number of sites needs."""

    sites: int
    constants: Constants

    @property
    def daily(self) -> float:
        """Statements a day."""
        return self.sites * A_SITE_A_DAY

    @property
    def densest(self) -> float:
        """Statements a second when most are sent."""
        return self.daily / DENSE_SECONDS

    @property
    def yearly(self) -> float:
        """Entries a year."""
        return self.daily * ENTRIES_A_STATEMENT * _DAYS

    @property
    def stored(self) -> float:
        """Bytes a year in databases."""
        return self.yearly * self.constants.stored

    @property
    def verifying(self) -> float:
        """Seconds that verifying a year of it takes on one machine, every signature."""
        return self.yearly / self.constants.verified

    @property
    def writers(self) -> int:
        """Ledgers with a writer each: so that none is fuller than planned and a night verifies it.

        Each writer's machine verifies its own log.
        """
        by_rate = self.densest / (FILLED * self.constants.one_by_one)
        return max(1, math.ceil(by_rate), math.ceil(self.verifying / NIGHT))


def scaling(result: Mapping[str, Any]) -> str | None:
    """The page, in Markdown; None when the results hold too little for it."""
    constants = Constants.of(result)
    if constants is None:
        return None
    return "\n".join(
        (_WHAT, result["machine"] + ".", "", _constants(constants), _MODEL, _needs(constants),
         _meaning(constants), _REST)
    )  # fmt: skip


_WHAT: Final = """# How far it goes, and what to add where it ends

Made by `make bench` from what it measured (`benchmarks/model.py`); do not edit.

One trial is one log with one writer. That is the unit of order, of proof and of damage; it does not
grow across machines, and it does not need to: trials share nothing. What grows is the number of
trials, of readers, and of those who check.

## The measured constants

They carry a model, not a promise; `make bench` measures them on your machine. These, on SQLite, are
of the run in [performance.md](performance.md):"""

_MODEL: Final = f"""## The model

A subject of the seed's protocol makes about 35 statements until randomization and under 150 in all.
A site that enrols one subject a week and follows those it has makes at most {A_SITE_A_DAY} a day;
one statement in nine is a command, whose result is one more entry. All sites are taken to write
within the same {DENSE_SECONDS // 3_600} hours of a day. A writer is planned half full, and a year
of its log is to be verified, every signature, in a night of {NIGHT // 3_600} hours on a machine
like this one.
"""

_REST: Final = """## Many trials on many databases

One service, one database, one log for each trial: named by host or by path before the services.
Losing one database stops one trial. Nothing is shared but the witnesses, to which each log is a
further origin. Several databases fit one machine as long as the sum of their densest hours does.

## Readers

- **Replicas.** A reader process opens the database for reading and keeps its projections in a file
  of its own, made again at will; on PostgreSQL it reads a standby. It says the head it read at, so
  that a late answer is never taken for the present one. Write to one place, read at many.
- **Tiles behind a cache.** Tiles, entry bundles and published checkpoints are immutable bytes under
  fixed names (C2SP tlog-tiles): any web cache or object store serves them. Only `checkpoint`
  changes, and may be cached for seconds. Mirrors and monitors then cost the service nothing, and
  signatures are checked on the machine of whoever verifies.
- **Proofs** need 30 hashes for a billion entries, from at most 4 tiles.
"""


def _constants(known: Constants) -> str:
    lines = {
        "an entry's own bytes; in the database": f"{known.own:,.0f}; {known.stored:,.0f}",
        "single statements over HTTP, 64 senders": f"{known.one_by_one:,.0f} a second",
        "the same in batches of 100": f"{known.batches:,.0f} a second",
        "a bundle restored, everything checked": f"{known.restored:,.0f} entries a second",
        "every signature verified, all processors": f"{known.verified:,.0f} entries a second",
        "… with schema, authority, projections": f"{known.everything:,.0f} entries a second",
        "integrity only": f"{known.integrity:,.0f} entries a second",
        f"a receipt at {known.large:,} entries": f"{known.receipt:.2f} milliseconds",
        f"start of the service at {known.large:,} entries": f"{known.start:.1f} seconds",
        f"most memory of a verification, {known.large:,} entries": f"{known.memory:,.0f} MiB",
    }
    table = "".join(f"| {name} | {value} |\n" for name, value in lines.items())
    return f"| constant | value |\n|---|--:|\n{table}"


def _needs(known: Constants) -> str:
    rows = "".join(
        f"| {need.sites:,} | {_count(need.daily)} | {need.densest:,.1f} | {_count(need.yearly)} | "
        f"{size(need.stored)} | {span(need.verifying)} | "
        f"{span(need.yearly / known.integrity)} | {need.writers:,} |\n"
        for need in (Need(sites, known) for sites in SITES)
    )
    return (
        "| sites | statements a day | a second at the densest | entries a year | "
        "database a year | verifying a year, one machine | … integrity only | ledgers |\n"
        f"|--:|--:|--:|--:|--:|--:|--:|--:|\n{rows}"
    )


def _meaning(known: Constants) -> str:
    one_writer = FILLED * known.one_by_one * DENSE_SECONDS / A_SITE_A_DAY
    one_night = NIGHT * known.verified / (A_SITE_A_DAY * ENTRIES_A_STATEMENT * _DAYS)
    many = Need(SITES[-1], known)
    return f"""\
- **10 sites** need one machine, SQLite, the service in one process, a witness elsewhere and a
  backup. Nothing is near a limit.
- **1,000 sites** need the same machine with several workers, and PostgreSQL with a standby where
  nobody may wait for a restore. Verify by night, or integrity only by day.
- **100,000 sites** are some hundreds of trials on at least {many.writers:,} databases. In one log
  they would not fit: see below.

## Where it breaks, in order

1. *A night's verification*: a year of about {_count(one_night)} sites in one log. More processors
   help with all but the part in the order of the log, which integrity only shows:
   {_count(known.integrity)} entries a second.
2. *One writer*: about {_count(one_writer)} sites that send single statements in the same hours;
   in batches {known.batches / known.one_by_one:.1f} times as many. A faster processor moves it; a
   second machine does not.
3. *What folds the whole trial*: enrolment counts, the rules over all subjects, the report. They
   read every subject.
4. *A restore*: {span(Need(SITES[1], known).yearly / known.restored)} for a year of 1,000 sites. A
   standby, not a restore, is what bridges an outage.
"""


def _count(value: float) -> str:
    """A number with two digits that matter."""
    digits = max(0, len(f"{value:.0f}") - 2)
    return f"{round(value, -digits):,.0f}"


def size(value: float) -> str:
    """A number of bytes in the unit that suits it."""
    unit = 0
    while value >= _THOUSAND and unit + 1 < len(_UNITS):
        value, unit = value / _THOUSAND, unit + 1
    return (
        f"{value:,.2g} {_UNITS[unit]}" if value < _THOUSAND / 10 else f"{value:,.0f} {_UNITS[unit]}"
    )


def span(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:,.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:,.0f} min"
    return f"{seconds / _HOUR:,.0f} h"


def main() -> int:
    """Print the page for the last run's constants."""
    page = scaling(json.loads(Path("var/bench.json").read_text(encoding="utf-8")))
    if page is None:
        sys.stderr.write("var/bench.json holds too little: run make bench.\n")
        return 1
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m benchmarks``: run the rows, write ``var/bench.json`` and the pages made of it."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from eventsourcing.persistence import PersistenceError

from benchmarks.harness import Bench, machine
from benchmarks.model import scaling
from benchmarks.page import page
from benchmarks.picture import picture
from benchmarks.postgres import any_server
from benchmarks.rows import checking, growth, http, recording
from benchmarks.stage import Sizes, Stage, stage
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.postgres import Server

GROUPS: Final[dict[str, Callable[[Bench, Stage], None]]] = {
    "single": http.single_posts,
    "batch": http.batches,
    "import": recording.importing,
    "recording": recording.recording,
    "verify": checking.verifying,
    "auditchain": checking.chained,
    "integrity": checking.integrity,
    "projections": checking.projecting,
    "growth": growth.growth,
}
FULL: Final = 1_000_000
RESULTS: Final = Path("var/bench.json")
TRIED: Final = Path("var/bench-tried")
"""Where a run that does not count leaves what a whole run writes to the documents."""

_FAILURES: Final = (
    OSError, EOFError, RuntimeError, ValueError, LookupError, ArithmeticError, LedgerError,
    PersistenceError, psycopg.Error, subprocess.SubprocessError,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; the status is 1 when a group of rows could not be run.

    A goal that is missed changes no status.
    """
    asked = _arguments().parse_args(arguments)
    scratch = asked.scratch.absolute()
    scratch.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with ExitStack() as opened:
        place = opened.enter_context(tempfile.TemporaryDirectory(prefix="b-", dir=scratch))
        bench = Bench(Path(place), quick=asked.quick, say=_say)
        server, failed = _server(opened, scratch)
        sizes = Sizes.quick() if asked.quick else Sizes(large=FULL if asked.full else asked.entries)
        ledgers = opened.enter_context(stage(bench.scratch, sizes, server, turns=bench.few + 1))
        on = machine() if server is None else machine(server.version)
        # In our order: what the last ones record would change what others measure.
        names = [name for name in GROUPS if not asked.only or name in asked.only]
        took = _run(bench, ledgers, names, failed)
    result = {
        "machine": on,
        "sizes": [sizes.tiny, sizes.small, sizes.middle, sizes.large],
        "minutes": round((time.monotonic() - began) / 60, 1),
        "seconds": took,
        "failed": failed,
        "counts": not (asked.quick or asked.only or failed),
        "rows": [row.as_object() for row in bench.rows],
    }
    _write(bench, result)
    return 1 if failed else 0


def _server(opened: ExitStack, scratch: Path) -> tuple[Server | None, list[str]]:
    """The PostgreSQL server to measure on, if there is one, and what failed."""
    try:
        server = opened.enter_context(any_server(scratch))
    except _FAILURES as error:
        _say(f"! PostgreSQL: {type(error).__name__}: {error}")
        return None, ["postgresql"]
    if server is None:
        _say("There is no PostgreSQL to measure on; its rows are left out.")
    return server, []


def _run(bench: Bench, ledgers: Stage, names: Sequence[str], failed: list[str]) -> dict[str, int]:
    """Run groups of rows and add the names of those that could not be run; seconds of each."""
    took: dict[str, int] = {}
    for name in names:
        began = time.monotonic()
        try:
            GROUPS[name](bench, ledgers)
        except _FAILURES as error:
            failed.append(name)
            _say(f"! {name}: {type(error).__name__}: {error}")
        took[name] = round(time.monotonic() - began)
        _say(f"  {name} took {took[name]} s")
    return took


def _write(bench: Bench, result: dict[str, Any]) -> None:
    """Write the results, and the documents where the run counts: whole, and at full length."""
    counts = result["counts"]
    docs = Path("docs") if counts else TRIED
    docs.mkdir(parents=True, exist_ok=True)
    written = {
        RESULTS if counts else TRIED / RESULTS.name: json.dumps(
            result, indent=2, ensure_ascii=False
        ) + "\n",
        docs / "performance.md": page(bench.rows, result),
        docs / "performance.svg": picture(bench.rows),
    }  # fmt: skip
    model = scaling(result)
    if model is not None:
        written[docs / "scaling.md"] = model
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    _say(f"Written: {', '.join(map(str, written))}")


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=sorted(GROUPS),
        help=f"a group of rows; may be given more than once; writes to {TRIED} alone",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"one short turn of everything, to see that it runs; writes to {TRIED} alone",
    )
    parser.add_argument("--full", action="store_true", help=f"growth rows at {FULL:,} entries")
    parser.add_argument("--entries", type=int, default=100_000, help="size of the growth rows")
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path("var/bench-scratch"),
        help="where the ledgers are made and thrown away; on the disk that is to be measured",
    )
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""``python -m benchmarks``: run the rows, write ``var/bench.json`` and ``docs/performance.md``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.harness import Bench, machine
from benchmarks.page import page, picture
from benchmarks.rows import checking, growth, http, recording

if TYPE_CHECKING:
    from collections.abc import Callable

GROUPS: Final[dict[str, Callable[[Bench], None]]] = {
    "single": http.single_posts,
    "batch": http.batches,
    "import": recording.importing,
    "storing": recording.storing,
    "verify": checking.verifying,
    "integrity": checking.integrity,
    "projections": checking.projecting,
    "growth": growth.growth,
}
FULL: Final = 1_000_000
RESULTS: Final = Path("var/bench.json")
PAGE: Final = Path("docs/performance.md")
PICTURE: Final = Path("docs/performance.svg")


def main() -> int:
    """Run what the arguments ask for; the status is 1 when a group of rows could not be run."""
    asked = _arguments().parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.scratch) as scratch:
        bench = Bench(Path(scratch), quick=asked.quick, say=_say)
        bench.entries = FULL if asked.full else asked.entries
        for name in asked.only or GROUPS:
            began = time.monotonic()
            try:
                GROUPS[name](bench)
            except (OSError, RuntimeError, ValueError) as error:
                failed.append(name)
                _say(f"! {name}: {error}")
            _say(f"  {name} took {time.monotonic() - began:.0f} s")
    rows = [row.as_object() for row in bench.rows]
    RESULTS.write_text(
        json.dumps({"machine": machine(), "rows": rows}, indent=2, ensure_ascii=False) + "\n"
    )
    _say(f"Written: {RESULTS}")
    if not asked.only and not asked.quick:
        PAGE.write_text(page(bench.rows, machine()))
        PICTURE.write_text(picture(bench.rows))
        _say(f"Written: {PAGE}, {PICTURE}")
    return 1 if failed else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=sorted(GROUPS),
        help="a group of rows; may be given more than once; docs/performance.md stays as it is",
    )
    parser.add_argument("--quick", action="store_true", help="one short turn of everything")
    parser.add_argument("--full", action="store_true", help=f"growth rows at {FULL:,} entries")
    parser.add_argument("--entries", type=int, default=100_000, help="size of the growth rows")
    parser.add_argument("--scratch", type=Path, help="where the ledgers are made and thrown away")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

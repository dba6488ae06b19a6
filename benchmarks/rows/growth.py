"""Growth: what one entry, one proof, one answer and one start cost in a small log and a large."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from benchmarks.growing import grow
from benchmarks.harness import Bench, Goal, Sample, compare
from benchmarks.processes import run
from benchmarks.servers import ours
from projections.reading import Projections, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.founding import Founded
    from ledger.service import TrialLedger

TINY: Final = 1_000
SMALL: Final = 10_000
_SITES: Final = 8
_PROOFS: Final = 400


def growth(bench: Bench) -> None:
    """Grow one ledger, keeping copies of it while it is small, and ask all of them the same."""
    large = 4_000 if bench.quick else bench.entries
    small = 2_000 if bench.quick else SMALL
    begin = datetime(2024, 2, 1, tzinfo=UTC)
    growing = grow(bench.scratch / "growing", sites=_SITES, at=begin + timedelta(days=40))
    growing.to(TINY)
    tiny_one = growing.copy(bench.scratch / "tiny")
    growing.to(small)
    small_one = growing.copy(bench.scratch / "small")
    size = growing.to(large)
    _ingest(bench, growing.rate(0.02, 0.1), growing.rate(0.9, 1.0), size)
    _disk(bench, growing.founded, size)
    _proofs(bench, tiny_one, growing.founded, size)
    _starts(bench, tiny_one, growing.founded, size)
    for one in (small_one, growing.founded):
        run(["projections", "rebuild", "--database", one.url])
    _answers(bench, small_one, growing.founded, sizes=(small, size))
    _memory(bench, small_one, growing.founded, sizes=(small, size))


def _ingest(bench: Bench, first: float, last: float, size: int) -> None:
    bench.row(
        f"ingest rate in the last tenth of {size:,} entries",
        Sample((last,)),
        unit="entries/s",
        against=("the first tenth", Sample((first,))),
        goal=Goal(ratio=0.8),
    )


def _disk(bench: Bench, founded: Founded, size: int) -> None:
    with founded.open() as ledger:
        own = sum(
            len(data)
            for start in range(0, size, 1_000)
            for _, data in ledger.application.store.entries(start, start + 1_000)
        )
        path = ledger.application.path
    bench.row(
        "bytes on disk for an entry",
        Sample((path.stat().st_size / size,)),
        unit="bytes",
        against=("its own bytes", Sample((own / size,))),
        goal=Goal(ratio=1.6, is_="at most"),
    )


def _proofs(bench: Bench, tiny: Founded, large: Founded, size: int) -> None:
    with tiny.open() as little, large.open() as much:
        taken = compare({"tiny": _proving(little), "large": _proving(much)}, rounds=bench.rounds)
    bench.row(
        f"a receipt at {size:,} entries",
        taken["large"],
        unit="ms",
        against=(f"at {TINY:,} entries", taken["tiny"]),
        goal=Goal(ratio=3.0, is_="at most"),
    )


def _proving(ledger: TrialLedger) -> Callable[[], float]:
    size = ledger.application.store.head().size

    def case() -> float:
        began = time.perf_counter()
        for number in range(_PROOFS):
            ledger.receipt(number * 7919 % size)
        return 1000 * (time.perf_counter() - began) / _PROOFS

    return case


def _starts(bench: Bench, tiny: Founded, large: Founded, size: int) -> None:
    def start(founded: Founded) -> Callable[[], float]:
        def case() -> float:
            began = time.perf_counter()
            with ours(founded):
                return time.perf_counter() - began

        return case

    for one in (tiny, large):
        run(["projections", "rebuild", "--database", one.url])
    taken = compare({"tiny": start(tiny), "large": start(large)}, rounds=bench.rounds)
    bench.row(
        f"start of the service at {size:,} entries",
        taken["large"],
        unit="s",
        against=(f"at {TINY:,} entries", taken["tiny"]),
        goal=Goal(ratio=2.0, is_="at most"),
    )


def _answers(bench: Bench, small: Founded, large: Founded, *, sizes: tuple[int, int]) -> None:
    for work, ask in _QUESTIONS.items():
        with opened(small.url) as little, opened(large.url) as much:
            few, many = Projections(little), Projections(much)
            taken = compare(
                {
                    "small": _asking(ask, few, sizes[0]),
                    "large": _asking(ask, many, sizes[1]),
                },
                rounds=bench.rounds,
            )
            few.close()
            many.close()
        bench.row(
            f"{work} at {sizes[1]:,} entries",
            taken["large"],
            unit="ms",
            against=(f"at {sizes[0]:,} entries", taken["small"]),
            goal=Goal(ratio=1.5, is_="at most"),
        )


def _asking(
    ask: Callable[[Projections, int], object], projections: Projections, size: int
) -> Callable[[], float]:
    def case() -> float:
        began = time.perf_counter()
        for _ in range(3):
            ask(projections, size)
        return 1000 * (time.perf_counter() - began) / 3

    return case


_QUESTIONS: Final[dict[str, Callable[[Projections, int], object]]] = {
    "known_at of one subject": lambda p, size: p.subject("SY01-0001", known_at=size - 10),
    "a page of the audit trail": lambda p, _size: p.audit_trail(limit=100),
    "a page of deviations": lambda p, _size: p.deviations(limit=100),
}


def _memory(bench: Bench, small: Founded, large: Founded, *, sizes: tuple[int, int]) -> None:
    for work, arguments in (
        ("verify", ["verify"]),
        ("rebuild", ["projections", "rebuild"]),
        ("report", ["report", "--unverified", "--out", os.devnull]),
        ("export", ["bundle"]),
    ):
        peaks = [_peak(bench, work, arguments, one) for one in (small, large)]
        bench.row(
            f"peak memory of {work} at {sizes[1]:,} entries",
            Sample((peaks[1],)),
            unit="MiB",
            against=(f"at {sizes[0]:,} entries", Sample((peaks[0],))),
            goal=Goal(ratio=1.5, is_="at most"),
        )


def _peak(bench: Bench, work: str, arguments: list[str], founded: Founded) -> float:
    out: list[str] = []
    if work == "export":
        path: Path = bench.scratch / "peak.zip"
        path.unlink(missing_ok=True)
        out = ["--out", str(path)]
    return run([*arguments, "--database", founded.url, *out]).memory

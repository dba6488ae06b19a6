"""Growth: what one entry, one proof, one answer and one start cost in a small log and a large."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import psycopg

from benchmarks.growing import GROUP, record_groups
from benchmarks.harness import Bench, Goal, Sample, compare, milliseconds, per_second
from benchmarks.processes import run
from benchmarks.rows.answers import answers
from benchmarks.rows.primitives import processors
from benchmarks.servers import ours
from benchmarks.stage import SQLITE, Stage, Standing, Standings
from ledger.storage.database import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.founding import Founded
    from ledger.service import TrialLedger

_PROOFS: Final = 200
_GROUPS_A_TURN: Final = 2
_JOBS: Final = 2


def growth(bench: Bench, stage: Stage) -> None:
    """Ask the same of a ledger that is small and of one that is large."""
    sizes = (stage.sizes.tiny, stage.sizes.small, stage.sizes.large)
    engines = stage.engines if sizes[-1] <= Standings.MOST_CARRIED else (SQLITE,)
    # All of them first: what is recorded below would else be carried along.
    every = [Standings(*(stage.at(engine, size) for size in sizes)) for engine in engines]
    for found in every:
        _disk(bench, found.large)
        _proofs(bench, found)
        _memory(bench, found)  # which also makes the projections that are asked next
        _starts(bench, found)
        answers(bench, found)
        _ingest(bench, found)


def _disk(bench: Bench, large: Standing) -> None:
    with large.founded.open() as ledger:
        own = sum(len(data) for data in _all_entries(ledger, large.entries))
    bench.row(
        "disk",
        f"bytes in the database for an entry, at {large.entries:,} entries",
        Sample((_bytes_of(large.founded) / large.entries,)),
        unit="bytes",
        against=("its own bytes", Sample((own / large.entries,))),
        goal=Goal(ratio=1.6, is_="at most"),
        database=large.founded.engine,
    )


def _all_entries(ledger: TrialLedger, size: int) -> Iterator[bytes]:
    for start in range(0, size, 1_000):
        for _, data in ledger.application.store.entries(start, start + 1_000):
            yield data


def _bytes_of(founded: Founded) -> int:
    """Tables and indexes with all they keep beside the entries: tiles, checkpoints, openings."""
    if founded.database.engine is Engine.SQLITE:
        return founded.database.path.stat().st_size
    asked = (
        "SELECT sum(pg_total_relation_size(format('%I.%I', schemaname, tablename)::regclass))"
        " FROM pg_tables WHERE schemaname = 'ledger'"
    )
    with psycopg.connect(founded.database.url) as connection:
        row = connection.execute(asked).fetchone()
    return 0 if row is None else int(row[0])


def _proofs(bench: Bench, found: Standings) -> None:
    with found.tiny.founded.open() as little, found.large.founded.open() as much:
        taken = compare({"tiny": _proving(little), "large": _proving(much)}, rounds=bench.rounds)
    bench.row(
        "receipt",
        f"a receipt with its inclusion proof, {found.end}",
        taken["large"],
        unit="ms",
        against=(found.against(found.tiny), taken["tiny"]),
        goal=Goal(ratio=3.0, is_="at most"),
        database=found.engine,
    )


def _proving(ledger: TrialLedger) -> Callable[[], float]:
    size = ledger.application.store.head().size

    def prove() -> None:
        for number in range(_PROOFS):
            ledger.receipt(number * 7919 % size)

    def case() -> float:
        return milliseconds(prove)() / _PROOFS

    return case


def _memory(bench: Bench, found: Standings) -> None:
    """Peaks of whole programs; each is a number of its own, so they may run beside each other."""
    run(["projections", "rebuild", *found.tiny.founded.arguments])
    for work, arguments in (
        ("rebuild", ["projections", "rebuild"]),
        ("verify", ["verify"]),
        ("report", ["report", "--unverified", "--out", os.devnull]),
        ("export", ["bundle"]),
    ):

        def peak(standing: Standing, work: str = work, given: list[str] = arguments) -> float:
            out = ["--out", str(bench.scratch / f"{standing.entries}-{found.engine}.zip")]
            return run(
                [*given, *standing.founded.arguments, *(out if work == "export" else [])]
            ).memory

        with ThreadPoolExecutor(_JOBS) as pool:
            large, small = pool.map(peak, (found.large, found.small))
        bench.row(
            f"memory-{work}",
            f"most memory held by {work}, {found.end}",
            Sample((large,)),
            unit="MiB",
            against=(found.against(found.small), Sample((small,))),
            goal=Goal(ratio=1.5, is_="at most"),
            database=found.engine,
        )


def _starts(bench: Bench, found: Standings) -> None:
    def start(founded: Founded) -> Callable[[], float]:
        def case() -> float:
            began = time.perf_counter()
            with ours(founded, until="/readyz"):
                return time.perf_counter() - began

        return case

    cases = {"tiny": start(found.tiny.founded), "large": start(found.large.founded)}
    taken = compare(cases, rounds=bench.few)
    bench.row(
        "start",
        f"start of the service until it is ready, {found.end}",
        taken["large"],
        unit="s",
        against=(found.against(found.tiny), taken["tiny"]),
        goal=Goal(ratio=2.0, is_="at most"),
        database=found.engine,
    )


def _ingest(bench: Bench, found: Standings) -> None:
    """The same statements recorded behind the first tenth and behind all; the ledgers grow."""
    with (
        found.small.founded.open() as little,
        found.large.founded.open() as much,
        ThreadPoolExecutor(processors()) as pool,
    ):
        cases = {
            "small": _recording(little, found.small, pool),
            "large": _recording(much, found.large, pool),
        }
        taken = compare(cases, rounds=bench.few)
    bench.row(
        "ingest",
        f"statements recorded, {found.end}",
        taken["large"],
        unit="statements/s",
        against=(found.against(found.small), taken["small"]),
        goal=Goal(ratio=0.8),
        database=found.engine,
    )


def _recording(
    ledger: TrialLedger, standing: Standing, pool: ThreadPoolExecutor
) -> Callable[[], float]:
    count = GROUP * _GROUPS_A_TURN
    turns = iter(range(0, len(standing.following), count))

    def case() -> float:
        start = next(turns)
        offered = standing.following[start : start + count]
        return per_second(len(offered), lambda: record_groups(ledger, offered, pool))()

    return case

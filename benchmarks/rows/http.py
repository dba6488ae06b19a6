"""Statements over HTTP: one by one beside the naive service, by hundreds beside the bound."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.client import Outcome, Request, drive
from benchmarks.founding import Founded, found
from benchmarks.harness import Bench, Goal, Sample, compare
from benchmarks.life import TRIAL
from benchmarks.rows.primitives import bound, postgres_insertion, sqlite_insertion
from benchmarks.servers import naive, ours
from benchmarks.stage import SQLITE, yesterday
from benchmarks.supply import Supply, supplying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.stage import Stage

PATH: Final = f"/v1/trials/{TRIAL}/events"
NAIVE_PATH: Final = "/events"
CLIENTS: Final = (16, 64)
BATCH: Final = 100
SITES: Final = 4
WORKERS: Final = 2
MOST_A_SECOND: Final = {1: 3_000, BATCH: 6_000}
"""More than any service here can take in: so many statements are prepared."""

_NAIVE: Final = "a naive honest service"


def single_posts(bench: Bench, stage: Stage) -> None:
    """Single signed POSTs at 16 and 64 clients, and the slowest answers at 16."""
    for engine in stage.engines:
        with _founded(bench, stage, engine, "single") as (founded, supply), ExitStack() as serving:
            keys = {
                staff.identity.key.kid: staff.identity.key.public.x
                for site in founded.sites
                for staff in site.staff
            }
            held = bench.scratch / f"naive-{engine}"
            place = held if stage.server is None or engine == SQLITE else stage.server.create()
            ports = {
                PATH: serving.enter_context(ours(founded, workers=WORKERS)),
                NAIVE_PATH: serving.enter_context(
                    naive(place, keys, held.with_suffix(".keys"), workers=WORKERS)
                ),
            }
            for clients in CLIENTS:
                _post_one_by_one(bench, engine, _Posting(bench, supply, ports, clients))


class _Posting:
    """Turns of both services over the same scripts, which are made for ours and then kept."""

    def __init__(self, bench: Bench, supply: Supply, ports: dict[str, int], clients: int) -> None:
        self.clients = clients
        self.slow: dict[str, list[float]] = {path: [] for path in ports}
        self._bench, self._supply, self._ports = bench, supply, ports
        self._scripts: list[list[Request]] = []

    def case(self, path: str) -> Callable[[], float]:
        """One turn of one service; gives statements a second."""

        def run() -> float:
            seconds = self._bench.seconds
            if path == PATH:
                share = int(MOST_A_SECOND[1] * seconds) // self.clients
                self._scripts = self._supply.scripts(self.clients, share, batch=1)
            outcome: Outcome = drive(self._ports[path], path, self._scripts, seconds=seconds)
            self.slow[path].append(outcome.percentile(0.99))
            return outcome.rate

        return run


def _post_one_by_one(bench: Bench, engine: str, posting: _Posting) -> None:
    clients = posting.clients
    taken = compare({path: posting.case(path) for path in posting.slow}, rounds=bench.rounds)
    bench.row(
        f"single-{clients}",
        f"single signed statements over HTTP, {clients} clients",
        taken[PATH],
        unit="statements/s",
        against=(_NAIVE, taken[NAIVE_PATH]),
        goal=Goal(ratio=2.0),
        database=engine,
    )
    slow = {path: Sample(tuple(values[-bench.rounds :])) for path, values in posting.slow.items()}
    bench.row(
        f"latency-{clients}",
        f"time within which 99 of 100 single statements are answered, {clients} clients",
        slow[PATH],
        unit="ms",
        against=(_NAIVE, slow[NAIVE_PATH]),
        goal=Goal(ratio=1.0 if clients == CLIENTS[0] else None, is_="at most"),
        database=engine,
    )


def batches(bench: Bench, stage: Stage) -> None:
    """NDJSON batches of 100 from four clients, beside verifying, validating and inserting alone."""
    for engine in stage.engines:
        insertion = (
            sqlite_insertion(bench.scratch / "raw")
            if stage.server is None or engine == SQLITE
            else postgres_insertion(stage.server.create())
        )
        with (
            _founded(bench, stage, engine, "batches") as (founded, supply),
            ours(founded, workers=WORKERS) as port,
        ):

            def post(supply: Supply = supply, port: int = port) -> float:
                share = int(MOST_A_SECOND[BATCH] * bench.seconds) // 4
                scripts = supply.scripts(4, share, batch=BATCH)
                return drive(port, PATH, scripts, seconds=bench.seconds).rate

            cases = {"ours": post, "bound": bound(founded, insertion)}
            taken = compare(cases, rounds=bench.rounds)
        bench.row(
            "batch",
            "signed batches of 100 (NDJSON) over HTTP, 4 clients",
            taken["ours"],
            unit="statements/s",
            against=("verifying, validating and inserting alone", taken["bound"]),
            goal=Goal(ratio=0.5),
            database=engine,
        )


@contextmanager
def _founded(
    bench: Bench, stage: Stage, engine: str, name: str
) -> Iterator[tuple[Founded, Supply]]:
    """A ledger of its own in a database, and statements for it."""
    begin = yesterday()
    founded = found(bench.scratch / f"{name}-{engine}", sites=SITES, at=begin)
    placed = founded if engine == SQLITE else stage.fresh(founded)
    with supplying(SITES, begin=begin) as supply:
        yield placed, supply

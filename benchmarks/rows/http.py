"""Statements over HTTP: one by one beside the naive service, by hundreds beside the bound."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from benchmarks.client import Outcome, Request, drive
from benchmarks.founding import Founded, found
from benchmarks.harness import Bench, Goal, Sample, compare
from benchmarks.life import TRIAL, Clock, life
from benchmarks.rows.primitives import bound
from benchmarks.servers import naive, ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from api.identity import SignedEvent

PATH: Final = f"/v1/trials/{TRIAL}/events"
NDJSON: Final = "application/x-ndjson"
CLIENTS: Final = (16, 64)
BATCH: Final = 100
SITES: Final = 4
WORKERS: Final = 2
MOST_A_SECOND: Final = {1: 3_500, BATCH: 8_000}
"""More than any service here can take in: so many statements are prepared."""


class Supply:
    """Scripts for clients: whole subjects, each one's statements in their order, none twice."""

    def __init__(self, founded: Founded, *, begin: datetime) -> None:
        self._sites = founded.sites
        self._clock = Clock(begin, timedelta(milliseconds=1))
        self._next = itertools.count()

    def scripts(self, clients: int, *, seconds: float, batch: int) -> list[list[Request]]:
        """Enough requests for each client."""
        share = int(MOST_A_SECOND[batch] * (seconds + 1)) // clients
        return [self._script(share, batch) for _ in range(clients)]

    def _script(self, statements: int, batch: int) -> list[Request]:
        events = itertools.islice(self._events(), statements)
        if batch == 1:
            return [Request(event.media_type, event.body) for event in events]
        return [_many(group) for group in _groups(events, batch)]

    def _events(self) -> Iterator[SignedEvent]:
        while True:
            number = next(self._next)
            site = self._sites[number % len(self._sites)]
            own = number // len(self._sites) + 1
            for offered in life(site, own, self._clock, randomize=False):
                yield offered.event


def single_posts(bench: Bench, *, workers: int = WORKERS) -> None:
    """Single signed POSTs at 16 and 64 clients, and the slowest answers at 16."""
    for clients in CLIENTS:
        taken, slow = _posted(bench, clients, workers=workers)
        bench.row(
            f"single signed POSTs, {clients} clients",
            taken["ours"],
            unit="statements/s",
            against=("naive honest service", taken["naive"]),
            goal=Goal(ratio=2.0),
        )
        if clients == CLIENTS[0]:
            bench.row(
                f"single signed POSTs, {clients} clients: p99 latency",
                slow["ours"],
                unit="ms",
                against=("naive honest service", slow["naive"]),
                goal=Goal(ratio=1.0, is_="at most"),
            )


def batches(bench: Bench, *, workers: int = WORKERS) -> None:
    """NDJSON batches of 100 from four clients, beside verifying, validating and inserting alone."""
    begin = datetime.now(UTC) - timedelta(days=1)
    founded = found(bench.scratch / "batches", sites=SITES, at=begin)
    supply = Supply(founded, begin=begin)
    with ours(founded, workers=workers) as port:

        def post() -> float:
            scripts = supply.scripts(4, seconds=bench.seconds, batch=BATCH)
            return drive(port, PATH, scripts, seconds=bench.seconds).rate

        taken = compare({"ours": post, "bound": bound(bench, founded)}, rounds=bench.rounds)
    bench.row(
        "signed batches of 100 (NDJSON), 4 clients",
        taken["ours"],
        unit="statements/s",
        against=("verify + validate + insert, nothing else", taken["bound"]),
        goal=Goal(ratio=0.5),
    )


def _posted(
    bench: Bench, clients: int, *, workers: int
) -> tuple[dict[str, Sample], dict[str, Sample]]:
    begin = datetime.now(UTC) - timedelta(days=1)
    directory = bench.scratch / f"single-{clients}"
    founded = found(directory, sites=SITES, at=begin)
    supply = Supply(founded, begin=begin)
    keys = {
        staff.identity.key.kid: staff.identity.key.public.x
        for site in founded.sites
        for staff in site.staff
    }
    slow: dict[str, list[float]] = {"ours": [], "naive": []}

    def case(name: str, port: int, path: str) -> Callable[[], float]:
        def run() -> float:
            scripts = supply.scripts(clients, seconds=bench.seconds, batch=1)
            outcome: Outcome = drive(port, path, scripts, seconds=bench.seconds)
            slow[name].append(outcome.percentile(0.99))
            return outcome.rate

        return run

    with (
        ours(founded, workers=workers) as our_port,
        naive(directory / "naive.sqlite3", keys, workers=workers) as naive_port,
    ):
        rates = compare(
            {"ours": case("ours", our_port, PATH), "naive": case("naive", naive_port, "/events")},
            rounds=bench.rounds,
        )
    return rates, {name: Sample(tuple(values)) for name, values in slow.items()}


def _groups(events: Iterator[SignedEvent], size: int) -> Iterator[Sequence[SignedEvent]]:
    while group := list(itertools.islice(events, size)):
        yield group


def _many(group: Sequence[SignedEvent]) -> Request:
    return Request(NDJSON, b"".join(event.line for event in group), len(group))

"""Requests for clients: whole subjects signed by several processes, none of them twice."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from benchmarks.client import Request
from benchmarks.life import Clock, life
from benchmarks.people import site
from benchmarks.rows.primitives import processors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from api.identity import SignedEvent
    from benchmarks.people import Site

NDJSON: Final = "application/x-ndjson"
A_SUBJECT: Final = 30
"""Fewer statements than any subject makes."""


@dataclass(slots=True)
class Supply:
    """Scripts for clients: each subject's statements in their order, in one script."""

    sites: int
    begin: datetime
    pool: ProcessPoolExecutor
    _next: int = 0

    def scripts(self, clients: int, statements: int, *, batch: int) -> list[list[Request]]:
        """That many statements for each client, in batches or one by one."""
        subjects = statements // A_SUBJECT + 1
        asked = []
        for _ in range(clients):
            asked.append((self.sites, self.begin, self._next, statements, batch))
            self._next += subjects
        return list(self.pool.map(_script, asked))


@contextmanager
def supplying(sites: int, *, begin: datetime) -> Iterator[Supply]:
    """A supply whose statements happen from an instant on."""
    with ProcessPoolExecutor(processors(), mp_context=get_context("spawn")) as pool:
        yield Supply(sites, begin, pool)


def _script(asked: tuple[int, datetime, int, int, int]) -> list[Request]:
    count, begin, first, statements, batch = asked
    sites = [site(number + 1) for number in range(count)]  # whose keys cannot be sent
    events = itertools.islice(_events(sites, begin, first), statements)
    if batch == 1:
        return [Request(event.media_type, event.body) for event in events]
    return [_many(group) for group in _groups(events, batch)]


def _events(sites: Sequence[Site], begin: datetime, first: int) -> Iterator[SignedEvent]:
    clock = Clock(begin, timedelta(milliseconds=1))
    for number in itertools.count(first):
        own = number // len(sites) + 1
        for offered in life(sites[number % len(sites)], own, clock, randomize=False):
            yield offered.event


def _groups(events: Iterator[SignedEvent], size: int) -> Iterator[Sequence[SignedEvent]]:
    while group := list(itertools.islice(events, size)):
        yield group


def _many(group: Sequence[SignedEvent]) -> Request:
    return Request(NDJSON, b"".join(event.line for event in group), len(group))

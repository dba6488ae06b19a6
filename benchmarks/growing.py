"""A ledger that grows to a number of entries, fed by a process that signs ahead of it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

from benchmarks.founding import Founded, found
from benchmarks.life import SUBJECTS_A_SITE, load
from benchmarks.people import site
from benchmarks.rows.primitives import processors
from ledger.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from multiprocessing.connection import Connection
    from pathlib import Path

    from benchmarks.life import Offered
    from ledger.recording.submission import Submission
    from ledger.service import TrialLedger

GROUP: Final = 500


@dataclass(slots=True)
class Feed:
    """Statements as another process signs them; what waits is bounded by the pipe between."""

    pipe: Connection
    _ahead: deque[Offered] = field(default_factory=deque)

    def take(self, count: int) -> list[Offered]:
        """The next statements, which are then gone."""
        self._fill(count)
        return [self._ahead.popleft() for _ in range(count)]

    def look(self, count: int) -> list[Offered]:
        """The next statements, which stay the next ones."""
        self._fill(count)
        return list(islice(self._ahead, count))

    def _fill(self, count: int) -> None:
        while len(self._ahead) < count:
            self._ahead.extend(self.pipe.recv())


@contextmanager
def feeding(sites: int, *, begin: datetime) -> Iterator[Feed]:
    """The load of so many sites from an instant on, for as many subjects as they can have."""
    context = get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_sign, args=(theirs, sites, begin), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Feed(mine)
    finally:
        mine.close()
        process.terminate()
        process.join(10)


def _sign(pipe: Connection, count: int, begin: datetime) -> None:
    sites = [site(number + 1) for number in range(count)]  # whose keys cannot be sent
    offered = load(sites, subjects=count * SUBJECTS_A_SITE, begin=begin)
    try:
        while group := list(islice(offered, GROUP)):
            pipe.send(group)
    except BrokenPipeError:
        return  # enough has been taken


@dataclass(slots=True)
class Growing:
    """A ledger and the load it is fed from."""

    founded: Founded
    feed: Feed

    def to(self, entries: int) -> int:
        """Grow until there are that many entries at least; how many there are then."""
        with self.founded.open() as ledger, ThreadPoolExecutor(processors()) as pool:
            while (size := ledger.application.store.head().size) < entries:
                missing = entries - size
                record_groups(ledger, self.feed.take(min(missing, GROUP * 20)), pool)
        return size


@contextmanager
def growing(directory: Path, *, sites: int, at: datetime) -> Iterator[Growing]:
    """A new ledger that can grow; its load begins at an instant and goes on as long as asked."""
    founded = found(directory, sites=sites, at=at)
    with feeding(sites, begin=at) as feed:
        yield Growing(founded, feed)


def record_groups(
    ledger: TrialLedger, offered: Sequence[Offered], pool: ThreadPoolExecutor
) -> None:
    """Record statements in groups, the next being verified while one is recorded.

    Raises the error of the first that does not enter.
    """
    groups = [offered[at : at + GROUP] for at in range(0, len(offered), GROUP)]
    for group, received in _received(ledger, groups, pool):
        for answer in ledger.submit_all(received, group[-1].at):
            if isinstance(answer, LedgerError):
                raise answer


def _received(
    ledger: TrialLedger, groups: Sequence[Sequence[Offered]], pool: ThreadPoolExecutor
) -> Iterator[tuple[Sequence[Offered], list[Submission]]]:
    def receive(offered: Offered) -> Submission:
        return ledger.receive(offered.event.text, offered.event.disclosures)

    ahead = [(group, pool.map(receive, group)) for group in groups[:1]]
    for following in [*groups[1:], None]:
        group, coming = ahead.pop()
        received = list(coming)
        if following is not None:
            ahead.append((following, pool.map(receive, following)))
        yield group, received

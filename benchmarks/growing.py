"""A ledger that grows to a number of entries, in groups, with its speed noted on the way."""

from __future__ import annotations

import itertools
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from benchmarks.founding import Founded, found
from benchmarks.life import load
from benchmarks.rows.primitives import processors
from ledger.errors import LedgerError
from ledger.service import LedgerFiles

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from benchmarks.life import Offered

GROUP: Final = 500


@dataclass(slots=True)
class Growing:
    """A ledger and the load it is fed from; ``seconds`` spent recording, at each size reached."""

    directory: Path
    founded: Founded
    load: itertools.chain[Offered]
    marks: list[tuple[int, float]] = field(default_factory=list)

    def to(self, entries: int) -> int:
        """Grow until there are that many entries at least; how many there are then.

        Signing the load is not counted: each group is prepared before the clock runs.
        """
        with self.founded.open() as ledger, ThreadPoolExecutor(processors()) as pool:
            size = ledger.application.store.head().size
            spent = self.marks[-1][1] if self.marks else 0.0
            while size < entries:
                group = list(itertools.islice(self.load, min(GROUP, entries - size)))
                began = time.perf_counter()
                received = list(
                    pool.map(lambda o: ledger.receive(o.event.text, o.event.disclosures), group)
                )
                for answer in ledger.submit_all(received, group[-1].at):
                    if isinstance(answer, LedgerError):
                        raise answer
                spent += time.perf_counter() - began
                size = ledger.application.store.head().size
                self.marks.append((size, spent))
        return size

    def copy(self, directory: Path) -> Founded:
        """A copy of the closed ledger as it is now, in a directory of its own."""
        shutil.copytree(self.directory, directory)
        database = directory / "ledger.sqlite3"
        return Founded(
            f"sqlite:///{database}",
            LedgerFiles.beside(database),
            self.founded.trial,
            self.founded.sites,
        )

    def rate(self, first: float, last: float) -> float:
        """Entries a second between two shares of the whole, 0 to 1."""
        whole = self.marks[-1][0]
        start = min(self.marks[:-1], key=lambda mark: abs(mark[0] - first * whole))
        end = min(self.marks[1:], key=lambda mark: abs(mark[0] - last * whole))
        if end[0] <= start[0]:
            end = next(mark for mark in self.marks if mark[0] > start[0])
        return (end[0] - start[0]) / (end[1] - start[1])


def grow(directory: Path, *, sites: int, at: datetime) -> Growing:
    """A new ledger that can grow; its load begins at an instant and goes on as long as asked."""
    founded = found(directory, sites=sites, at=at)
    subjects = sites * 9_999
    return Growing(
        directory,
        founded,
        itertools.chain(load(founded.sites, subjects=subjects, begin=at)),
    )

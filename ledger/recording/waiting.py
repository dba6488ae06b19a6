"""The line before the writer: bounded, and taken in groups of all that waits."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ledger.errors import Unavailable

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.errors import LedgerError
    from ledger.recording.admission import Commitment
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission

GROUP_LIMIT: Final = 500
"""Most submissions that one transaction takes."""

QUEUE_LIMIT: Final = 4_000
"""Most submissions that wait; more are turned away with Unavailable (back-pressure)."""


class Reply(Protocol):
    """Whoever is told an outcome, or a LedgerError in its place: a future, or a far worker."""

    def set_result(self, result: Receipted, /) -> None:
        """Tell the outcome."""

    def set_exception(self, exception: LedgerError, /) -> None:
        """Tell why there is none."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A submission in the line, with the time it came and who is told its outcome."""

    submission: Submission | Commitment
    now: datetime
    reply: Reply


class Line:
    """Submissions in the order they came; ``enter`` from any thread, ``group`` from one."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._entered = threading.Condition()
        self._wanted = 0
        self._ended = False

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, waiting: Waiting) -> None:
        """Wait for the writer; raises Unavailable ``writer.stopped`` or ``writer.busy``."""
        with self._entered:
            if self._ended:
                raise Unavailable("writer.stopped", "The ledger is shutting down.")
            if len(self._waiting) >= QUEUE_LIMIT:
                raise busy()
            self._waiting.append(waiting)
            if len(self._waiting) == self._wanted:
                self._entered.notify()

    def end(self) -> None:
        """Take nothing more in; ``group`` gives what waits and then nothing."""
        with self._entered:
            self._ended = True
            self._entered.notify()

    def group(self, wanted: int = 1, *, within: float = 0.0) -> list[Waiting]:
        """What waits, at least one; empty after the end.

        Fewer than ``wanted`` are given time to become as many: ``within`` seconds from the first.
        """
        with self._entered:
            self._await(1, None)
            self._await(min(wanted, GROUP_LIMIT), within)
            most = min(len(self._waiting), GROUP_LIMIT)
            return [self._waiting.popleft() for _ in range(most)]

    def _await(self, wanted: int, seconds: float | None) -> None:
        # Whoever enters wakes the writer once, when as many are there as it waits for.
        self._wanted = wanted
        self._entered.wait_for(lambda: self._ended or len(self._waiting) >= wanted, seconds)
        self._wanted = 0


def busy() -> Unavailable:
    """What a sender is told when the line is full."""
    return Unavailable(
        "writer.busy",
        f"{QUEUE_LIMIT} submissions are waiting already.",
        remedy="Send it again after the time in Retry-After; ids make retries safe.",
    )

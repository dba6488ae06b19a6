"""The line before the writer: bounded, and taken in groups of all that waits."""

from __future__ import annotations

import queue
import threading
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
        self._queue: queue.Queue[Waiting | None] = queue.Queue(QUEUE_LIMIT)
        self._gate = threading.Lock()
        self._ended = False

    def __len__(self) -> int:
        return self._queue.qsize()

    def enter(self, waiting: Waiting) -> None:
        """Wait for the writer; raises Unavailable ``writer.stopped`` or ``writer.busy``."""
        with self._gate:  # so that nothing is queued behind the end mark
            if self._ended:
                raise Unavailable("writer.stopped", "The ledger is shutting down.")
            try:
                self._queue.put_nowait(waiting)
            except queue.Full:
                raise busy() from None

    def end(self) -> None:
        """Take nothing more in; ``group`` gives what waits and then nothing."""
        with self._gate:
            if not self._ended:
                self._ended = True
                self._queue.put(None)

    def group(self) -> list[Waiting]:
        """What waits, at least one; empty after the end."""
        first = self._queue.get()
        group = [first] if first is not None else []
        while first is not None and len(group) < GROUP_LIMIT:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            group.append(item)
        return group


def busy() -> Unavailable:
    """What a sender is told when the line is full."""
    return Unavailable(
        "writer.busy",
        f"{QUEUE_LIMIT} submissions are waiting already.",
        remedy="Send it again after the time in Retry-After; ids make retries safe.",
    )

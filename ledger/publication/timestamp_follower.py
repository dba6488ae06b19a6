"""Having the newest published checkpoint time-stamped, once an interval, in a thread of its own.

Nothing here stands before a commit, and an outage of the authority is only reported.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.note import split_note
from ledger.signing.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ledger.clock import Clock
    from ledger.publication.timestamping import TimestampAuthority
    from ledger.storage.published import PublishedCheckpoint
    from ledger.storage.timestamps import Timestamps

INTERVAL_SECONDS = 3600.0
"""Least time between two requests to an authority, where nothing else is configured."""

CLOSE_SECONDS = 15.0
"""How long a request under way is waited for at the end."""

_log = logging.getLogger("ledger.publication.timestamping")


@dataclass(frozen=True, slots=True)
class TimestampStanding:
    """How time-stamping stands: the newest stamp kept, and what is wrong now.

    ``authority`` is the host that is asked, ``error`` None after a good answer, ``failures``
    counts the bad ones since.
    """

    authority: str
    size: int = 0
    time: datetime | None = None
    error: LedgerError | None = None
    failures: int = 0


class TimestampFollower:
    """Keeps an authority asked and what it answers kept.

    ``newest`` gives the checkpoint to stamp, None when nothing is to be stamped; ``interval`` is
    the least time between two requests, in seconds, good or bad. Until ``start`` nothing runs.
    """

    def __init__(
        self,
        authority: TimestampAuthority,
        kept: Timestamps,
        newest: Callable[[], PublishedCheckpoint | None],
        *,
        clock: Clock,
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self.standing = TimestampStanding(authority.name)
        self._authority = authority
        self._kept = kept
        self._newest = newest
        self._clock = clock
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timestamps", daemon=True)

    def start(self) -> None:
        """Begin to ask, the first time when the interval since the newest kept stamp is over."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a request under way is waited for, within bounds."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=CLOSE_SECONDS)
        self._authority.close()

    def round(self) -> None:
        """Ask once, if there is something to stamp, and keep what comes of it."""
        try:
            self._round()
        except LedgerError as error:
            failures = self.standing.failures + 1
            self.standing = replace(self.standing, error=error, failures=failures)
            if failures == 1:
                _log.warning("%s", error.message)
        except Exception:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("The newest checkpoint could not be time-stamped")

    def _run(self) -> None:
        pause = self._first_pause()
        while not self._stopped.wait(pause):
            self.round()
            pause = self._interval

    def _first_pause(self) -> float:
        """How long a start waits, so that restarts do not ask more often."""
        try:
            self._recall()
        except LedgerError as error:
            self.standing = replace(self.standing, error=error)
        if self.standing.time is None:
            return 0.0
        age = (self._clock.now() - self.standing.time).total_seconds()
        return min(max(self._interval - age, 0.0), self._interval)

    def _recall(self) -> None:
        newest = self._kept.newest()
        if newest is not None and newest.intact:
            time = parse_rfc3339(newest.time)
            self.standing = replace(self.standing, size=newest.size, time=time)

    def _round(self) -> None:
        newest = self._newest()
        if newest is None or newest.size <= self.standing.size:
            return
        text = split_note(newest.note)[0]
        stamp = self._authority.stamp(text.encode())
        self._kept.keep(
            size=newest.size,
            time=stamp.rfc3339,
            authority=stamp.authority,
            response=stamp.response,
        )
        self.standing = TimestampStanding(self._authority.name, newest.size, stamp.time)

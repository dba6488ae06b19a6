"""Following one witness: asked whenever there is something new, ever more rarely while it fails."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.cosignature import verify_cosignature

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.publication.witnessing import WitnessClient
    from ledger.storage.published import PublishedCheckpoints

PATIENCE_SECONDS = 60.0
"""Longest pause between two requests to a witness that does not answer."""

REFUSING = frozenset({"head.witness-knows-more", "head.witness-holds-another"})
"""What a witness may reveal that forbids to sign."""

_MOST_DOUBLINGS = 10
_log = logging.getLogger("ledger.publication.publishing")


@dataclass(frozen=True, slots=True)
class WitnessStanding:
    """How a witness stands: newest size it cosigned, when (POSIX seconds), what is wrong now.

    ``error`` is None after a good answer; ``failures`` counts the bad ones since.
    """

    name: str
    size: int = 0
    time: int | None = None
    error: LedgerError | None = None
    failures: int = 0


class WitnessFollower:
    """Keeps one witness asked and what it answers kept.

    ``interval`` is the least time between two requests, in seconds; once ``stopped`` is set no
    further request is made; ``halt`` is called with what forbids to sign.
    """

    def __init__(
        self,
        client: WitnessClient,
        published: PublishedCheckpoints,
        *,
        interval: float,
        stopped: threading.Event,
        halt: Callable[[LedgerError], None],
    ) -> None:
        self.name = client.witness.name
        self.standing = WitnessStanding(self.name)
        self._client = client
        self._vkey = client.witness.vkey
        self._published = published
        self._interval = interval
        self._stopped = stopped
        self._halt = halt
        self._asked = False
        self._asking = threading.Lock()

    def run(self) -> None:
        """Ask again and again until stopped."""
        pause = self._interval
        while not self._stopped.wait(pause):
            self.round()
            pause = min(self._interval * 2**self.standing.failures, PATIENCE_SECONDS)

    def round(self) -> None:
        """Ask once, if there is something to ask, and keep what comes of it."""
        with self._asking:
            try:
                self._round()
            except LedgerError as error:
                failures = min(self.standing.failures + 1, _MOST_DOUBLINGS)
                self.standing = replace(self.standing, error=error, failures=failures)
                if error.code in REFUSING:
                    self._halt(error)
                elif failures == 1:
                    _log.warning("%s", error.message)
            except Exception:  # noqa: BLE001 - the thread must outlive any fault
                _log.exception("The witness %s could not be asked", self.name)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _round(self) -> None:
        if not self._asked and (kept := self._published.newest_by(str(self._vkey))) is not None:
            at = verify_cosignature(kept.note, self._vkey)
            self.standing = replace(self.standing, size=kept.size, time=at)
        newest = self._published.newest()
        unchanged = newest is None or newest.size <= self.standing.size
        # The first time it is asked in any case: it may have seen more than this copy holds.
        if unchanged and self._asked and self.standing.error is None:
            return
        answer = self._client.ask(self.standing.size)
        self._asked = True
        self._published.add_cosignature(answer.size, str(self._vkey), answer.line)
        self.standing = WitnessStanding(self.name, answer.size, answer.time)

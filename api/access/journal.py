"""What is written down of reading: the access log behind the doors, opened when first needed."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Final

from ledger.access_log.log import SUFFIX, AccessLog
from ledger.access_log.record import UNKNOWN, Access
from ledger.errors import LedgerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from api.access.reader import Reader
    from api.access.table import Operation
    from ledger.service import LedgerFiles, TrialLedger

FAILURES: Final = 30
"""Failed log-ins written one by one in quick succession; then they are counted."""

FAILURES_PER_SECOND: Final = 0.5
SERVED: Final = "served"


def access_log_path(files: LedgerFiles) -> Path:
    """Where a ledger's access log lies: with the node's own files."""
    published = files.published
    return published.with_name(published.name.removesuffix(".published") + SUFFIX)


class Journal:
    """Writes acts of access; when it cannot, the act must not take place."""

    def __init__(self, ledger: TrialLedger, now: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._now = now
        self._lock = threading.Lock()
        self._log: AccessLog | None = None
        self._tokens, self._seen = float(FAILURES), now()
        self._uncounted = 0

    @property
    def log(self) -> AccessLog:
        """The access log; raises Unavailable ``access-log.unsound`` for one not to be continued."""
        with self._lock:
            if self._log is None:
                self._log = self._opened()
            return self._log

    def record(
        self, reader: Reader, operation: Operation, *, outcome: str, subject: str | None = None
    ) -> None:
        """Write down what a reader did; durable on return. Raises Unavailable."""
        self.log.record(
            Access(
                source=reader.source,
                role=reader.role,
                site=reader.site,
                masked=reader.masked,
                operation=operation,
                subject=subject,
                outcome=outcome,
            )
        )

    def failed(self, operation: Operation, *, outcome: str, source: str | None = None) -> None:
        """Write down a failed log-in, or count it when there are too many; never raises.

        ``source`` is one the register knows: what strangers call themselves is not written down.
        """
        with self._lock:
            now = self._now()
            refilled = self._tokens + (now - self._seen) * FAILURES_PER_SECOND
            self._tokens, self._seen = min(float(FAILURES), refilled), now
            if self._tokens < 1:
                self._uncounted += 1
                return
            self._tokens -= 1
            missed, self._uncounted = self._uncounted, 0
        try:
            if missed:
                self._count(missed)
            self.log.record(Access(source=source or UNKNOWN, operation=operation, outcome=outcome))
        except LedgerError:
            # The log-in failed anyway; it is counted with the next that can be written.
            with self._lock:
                self._uncounted += missed + 1

    def close(self) -> None:
        """Write down what was only counted, and close the file."""
        with self._lock:
            missed, self._uncounted, log = self._uncounted, 0, self._log
        if log is not None:
            try:
                if missed:
                    self._count(missed)
            finally:
                log.close()

    def _count(self, missed: int) -> None:
        self.log.record(
            Access(source=UNKNOWN, operation="token.issue", outcome="log-ins.counted", count=missed)
        )

    def _opened(self) -> AccessLog:
        ledger = self._ledger
        try:
            return AccessLog(
                access_log_path(ledger.files),
                ledger.keys,
                trial=ledger.trial,
                genesis_sha256=ledger.genesis.record.sha256,
                clock=ledger.clock,
                instance=secrets.token_hex(4),
            )
        except Unavailable:
            raise
        except LedgerError as error:
            raise Unavailable(
                "access-log.unsound",
                f"The access log cannot be continued, so nothing is shown: {error.message}",
                remedy="The operator runs trial-ledger access-log verify and acts on what it says.",
            ) from error

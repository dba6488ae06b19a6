"""The worker's side of the socket: a writer like the one in the process, in another process."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError, Unavailable
from ledger.recording.answering import tell
from ledger.recording.waiting import QUEUE_LIMIT, busy
from ledger.recording.wire import Asked, Carried, Failed, Standing, bound_sending, cut
from ledger.signing.register import Register

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from multiprocessing.connection import Connection

    from ledger.application import LedgerApplication
    from ledger.recording.admission import Commitment
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission
    from ledger.signing.register import Key

CONNECT_SECONDS: Final = 0.3
"""How long a submission waits for the connection; then its sender is told to come again."""

_RETRY_SECONDS: Final = 0.1
REFRESH_SECONDS: Final = 1.0
"""How long an unknown key waits before the register is read again; the writer knows it anyway."""

_log = logging.getLogger("ledger.recording.remote")


class RemoteWriter:
    """Submits to the writer's process; ``submit`` from any thread, as with ``Writer``.

    ``heard`` is told how the writer stands, and None when it is away.

    When the writer is away everything that waits fails with Unavailable, and so does what comes
    until it is there again. What was recorded meanwhile is found by the retry, under its id.
    """

    def __init__(
        self,
        application: LedgerApplication,
        address: str,
        *,
        key: bytes,
        heard: Callable[[Standing | None], None] = lambda standing: None,  # noqa: ARG005
    ) -> None:
        self.state = KnownKeys(application)
        self._heard = heard
        self._address = address
        self._key = key
        self._gate = threading.Lock()
        self._connection: Connection | None = None
        self._pending: dict[int, Future[Receipted]] = {}
        self._outgoing: deque[Asked] = deque()
        self._sending = threading.Lock()
        self._last = 0
        self._refusal: LedgerError | None = None
        self._stopped = False
        self._connected = threading.Event()
        threading.Thread(target=self._receive, name="remote-answers", daemon=True).start()

    def key(self, kid: str) -> Key | None:
        """The registered key of that thumbprint, as far as this worker has read the register."""
        return self.state.key(kid)

    @property
    def waiting(self) -> int:
        """How many submissions of this worker wait for their answer."""
        return len(self._pending)

    def submit(self, submission: Submission | Commitment, now: datetime) -> Future[Receipted]:
        """Send a submission, or a commitment of the ledger's own, to the writer.

        The future gives its outcome or raises LedgerError. Raises Unavailable ``writer.stopped``,
        ``writer.busy`` and ``writer.away``.
        """
        first = self.submit_all([submission], now)[0]
        if isinstance(first, LedgerError):
            raise first
        return first

    def submit_all(
        self, submissions: Sequence[Submission | Commitment], now: datetime
    ) -> list[Future[Receipted] | LedgerError]:
        """Send several in one parcel; each gets its future, or why it is not taken."""
        there = self._connected.wait(CONNECT_SECONDS)
        with self._gate:
            taken = [self._enter(one, now) if there else away() for one in submissions]
        self._flush()
        return taken

    def _enter(
        self, submission: Submission | Commitment, now: datetime
    ) -> Future[Receipted] | LedgerError:
        """Put one beside what is to be sent; the gate is held."""
        if self._refusal is not None:
            return self._refusal
        if self._stopped:
            return Unavailable("writer.stopped", "The ledger is shutting down.")
        if len(self._pending) >= QUEUE_LIMIT:
            return busy()
        if self._connection is None:
            return away()
        future: Future[Receipted] = Future()
        self._last += 1
        self._pending[self._last] = future
        self._outgoing.append(Asked(self._last, submission, now))
        return future

    def refuse(self, error: LedgerError) -> None:
        """Let this worker submit nothing more: what comes gets this error."""
        self._refusal = error

    def close(self) -> None:
        """Wait for what was sent, then stop."""
        with self._gate:
            self._stopped = True
            pending = list(self._pending.values())
        for future in pending:
            future.exception(timeout=60)
        with self._gate:
            if self._connection is not None:
                self._connection.close()

    def _flush(self) -> None:
        """Send what waits; whoever sends already takes along what others put beside it."""
        while self._outgoing and self._sending.acquire(blocking=False):
            try:
                self._send()
            finally:
                self._sending.release()

    def _send(self) -> None:
        asked = []
        with contextlib.suppress(IndexError):
            while True:
                asked.append(self._outgoing.popleft())
        connection = self._connection
        if not asked:
            return
        try:
            if connection is None:
                raise BrokenPipeError
            connection.send(asked)
        except OSError:
            if connection is not None:
                cut(connection)
            self._lose(connection, [one.number for one in asked])

    def _receive(self) -> None:
        """Connect, read answers until the writer is away, connect again."""
        while not self._stopped:
            connection = self._connect()
            if connection is None:
                time.sleep(_RETRY_SECONDS)
                continue
            self._listen(connection)
            self._lose(connection, None)

    def _listen(self, connection: Connection) -> None:
        """Take what the writer sends until it is away, or sends what cannot be read."""
        try:
            while True:
                for one in connection.recv():
                    self._take(one)
        except (EOFError, OSError):
            return
        except Exception:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("What the writer sent could not be read; it counts as away")
            cut(connection)
            time.sleep(_RETRY_SECONDS)

    def _connect(self) -> Connection | None:
        try:
            connection = Client(self._address, family="AF_UNIX", authkey=self._key)
        except (OSError, EOFError, AuthenticationError, AssertionError):
            return None  # the last for one that does not greet as the library does
        bound_sending(connection)
        with self._gate:
            self._connection = connection
        self._connected.set()
        return connection

    def _take(self, one: Carried | Failed | Standing) -> None:
        if isinstance(one, Standing):
            self._heard(one)
            return
        answer = one.error() if isinstance(one, Failed) else one.receipted()
        future = self._pending.pop(one.number, None)
        if future is not None:
            tell(future, answer)

    def _lose(self, connection: Connection | None, numbers: list[int] | None) -> None:
        """The writer is away: fail what was sent there, and connect anew with the next submission.

        With ``numbers`` only these are failed; they may never have been sent.
        """
        with self._gate:
            if connection is self._connection:
                self._connection = None
                self._connected.clear()
                self._heard(None)
            lost = list(self._pending) if numbers is None else numbers
            futures = [self._pending.pop(number, None) for number in lost]
        for future in futures:
            if future is not None:
                tell(future, away())


class KnownKeys:
    """The keys a worker knows, read from the database; the writer's own register decides."""

    def __init__(self, application: LedgerApplication) -> None:
        self._application = application
        self._read_at = 0.0
        self.register = self._read()

    def key(self, kid: str) -> Key | None:
        """The key of that thumbprint; an unknown one is looked for anew once a second."""
        found = self.register.key(kid)
        if found is None and time.monotonic() - self._read_at > REFRESH_SECONDS:
            self.register = self._read()
            found = self.register.key(kid)
        return found

    def _read(self) -> Register:
        self._read_at = time.monotonic()
        return Register(self._application.merged("trial", "access"))


def away() -> Unavailable:
    """What a sender is told while the writer's process does not answer."""
    return Unavailable(
        "writer.away",
        "The writer does not answer; the entry may or may not be recorded.",
        remedy="Send the same statement again after the time in Retry-After; its id makes it safe.",
    )

"""The worker's side of the socket: a writer like the one in the process, in another process."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError, Unavailable
from ledger.recording.wire import Asked, Carried, Failed
from ledger.recording.writer import QUEUE_LIMIT
from ledger.signing.register import Register

if TYPE_CHECKING:
    from datetime import datetime
    from multiprocessing.connection import Connection

    from ledger.application import LedgerApplication
    from ledger.recording.admission import Commitment
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission
    from ledger.signing.register import Key

REFRESH_SECONDS: Final = 1.0
"""How long an unknown key waits before the register is read again; the writer knows it anyway."""


class RemoteWriter:
    """Submits to the writer's process; ``submit`` from any thread, as with ``Writer``.

    When the writer is away everything that waits fails with Unavailable, and so does what comes
    until it is there again. What was recorded meanwhile is found by the retry, under its id.
    """

    def __init__(self, application: LedgerApplication, address: str, *, key: bytes) -> None:
        self.state = KnownKeys(application)
        self._address = address
        self._key = key
        self._gate = threading.Lock()
        self._connection: Connection | None = None
        self._pending: dict[int, Future[Receipted]] = {}
        self._outgoing: SimpleQueue[Asked | None] = SimpleQueue()
        self._last = 0
        self._refusal: LedgerError | None = None
        self._stopped = False
        self._sender = threading.Thread(target=self._send, name="remote-writer", daemon=True)
        self._sender.start()

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
        future: Future[Receipted] = Future()
        with self._gate:
            if self._refusal is not None:
                raise self._refusal
            if self._stopped:
                raise Unavailable("writer.stopped", "The ledger is shutting down.")
            if len(self._pending) >= QUEUE_LIMIT:
                raise Unavailable(
                    "writer.busy",
                    f"{QUEUE_LIMIT} submissions are waiting already.",
                    remedy="Send it again after the time in Retry-After; ids make retries safe.",
                )
            if self._connection is None:
                self._connect()
            self._last += 1
            self._pending[self._last] = future
            self._outgoing.put(Asked(self._last, submission, now))
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
        self._outgoing.put(None)
        self._sender.join(10)
        with self._gate:
            if self._connection is not None:
                self._connection.close()

    def _connect(self) -> None:
        try:
            self._connection = Client(self._address, family="AF_UNIX", authkey=self._key)
        except (OSError, EOFError, AuthenticationError) as error:
            raise _away() from error
        threading.Thread(
            target=self._receive, args=(self._connection,), name="remote-answers", daemon=True
        ).start()

    def _send(self) -> None:
        """Send what waits, all of it at once."""
        while (first := self._outgoing.get()) is not None:
            asked = [first]
            while not self._outgoing.empty() and (further := self._outgoing.get()) is not None:
                asked.append(further)
            connection = self._connection
            try:
                if connection is None:
                    raise BrokenPipeError
                connection.send(asked)
            except OSError:
                self._lose(connection, [one.number for one in asked])

    def _receive(self, connection: Connection) -> None:
        while True:
            try:
                parcel: list[Carried | Failed] = connection.recv()
            except (EOFError, OSError):
                self._lose(connection, None)
                return
            for one in parcel:
                future = self._pending.pop(one.number, None)
                if future is None:
                    continue
                if isinstance(one, Failed):
                    future.set_exception(one.error())
                else:
                    future.set_result(one.receipted())

    def _lose(self, connection: Connection | None, numbers: list[int] | None) -> None:
        """The writer is away: fail what was sent there, and connect anew with the next submission.

        With ``numbers`` only these are failed; they may never have been sent.
        """
        with self._gate:
            if connection is self._connection:
                self._connection = None
            lost = list(self._pending) if numbers is None else numbers
            futures = [self._pending.pop(number, None) for number in lost]
        for future in futures:
            if future is not None:
                future.set_exception(_away())


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


def _away() -> Unavailable:
    return Unavailable(
        "writer.away",
        "The writer does not answer; the entry may or may not be recorded.",
        remedy="Send the same statement again after the time in Retry-After; its id makes it safe.",
    )

"""The writer's side of the socket: what the workers ask goes to the one writer, answers go back.

The same ``Writer`` as in the embedded default decides and records; here it only stands in a
process of its own, so that nobody's web thread keeps it from the interpreter.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection, Listener, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol

from ledger.errors import LedgerError, Unavailable
from ledger.recording.wire import (
    Asked,
    Carried,
    Failed,
    Standing,
    bound_sending,
    carried,
    cut,
    failed,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from datetime import datetime

    from ledger.recording.admission import Commitment
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission

    Outgoing = tuple[Connection, int, Future[Receipted] | LedgerError | Standing]

STANDING_SECONDS: Final = 0.5
"""How often the workers are told how the writer stands."""

_log = logging.getLogger("ledger.recording.writing")


class Submitting(Protocol):
    """Whoever takes submissions: the ledger's ``Writer``, or ``Refusing``."""

    def submit(self, submission: Submission | Commitment, now: datetime) -> Future[Receipted]:
        """Take one; the future gives its outcome. Raises LedgerError."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """In place of a writer that could not be opened, because the ledger refuses to sign."""

    reason: LedgerError

    def submit(self, submission: Submission | Commitment, now: datetime) -> Future[Receipted]:  # noqa: ARG002 - a writer's own
        """Refuse it."""
        raise self.reason


class WritingService:
    """Serves one writer on a Unix socket until it is closed; ``address`` must not exist yet."""

    def __init__(
        self,
        writer: Submitting,
        address: str,
        *,
        key: bytes,
        standing: Callable[[], Standing] = Standing,
    ) -> None:
        self._writer = writer
        self._standing = standing
        self._listener = Listener(address, family="AF_UNIX", backlog=64, authkey=key)
        self._outgoing: SimpleQueue[Outgoing | None] = SimpleQueue()
        self._waiting: SimpleQueue[Connection] = SimpleQueue()
        self._connections: set[Connection] = set()
        self._wake_reader, self._woken = _pipe()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"writing-{work.__name__[1:]}", daemon=True)
            for work in (self._accept, self._read, self._answer, self._tell)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Take nothing more in; what was taken in is answered as far as the writer answers it."""
        self._stopped.set()
        self._listener.close()
        self._wake_reader.send_bytes(b"")
        self._outgoing.put(None)
        for thread in self._threads[1:]:  # accept() does not end with its listener everywhere
            thread.join(10)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection = self._listener.accept()
            except Exception:  # noqa: BLE001 - one stranger must not end the service for all
                if not self._stopped.is_set():
                    _log.warning("A connection was not accepted", exc_info=True)
                continue
            bound_sending(connection)
            self._waiting.put(connection)
            self._wake_reader.send_bytes(b"")

    def _read(self) -> None:
        connections = self._connections
        while not self._stopped.is_set():
            for ready in wait([self._woken, *connections]):
                if ready is self._woken:
                    self._woken.recv_bytes()
                    while not self._waiting.empty():
                        connection = self._waiting.get()
                        self._outgoing.put((connection, 0, self._standing()))
                        connections.add(connection)
                elif isinstance(ready, Connection) and not self._take(ready):
                    connections.discard(ready)
                    ready.close()

    def _take(self, connection: Connection) -> bool:
        try:
            asked: list[Asked] = connection.recv()
        except (EOFError, OSError):
            return False
        for one in asked:
            try:
                future = self._writer.submit(one.submission, one.now)
            except LedgerError as error:
                self._outgoing.put((connection, one.number, error))
                continue
            future.add_done_callback(
                lambda done, number=one.number: self._outgoing.put((connection, number, done))  # type: ignore[misc]
            )
        return True

    def _tell(self) -> None:
        while not self._stopped.wait(STANDING_SECONDS):
            try:
                standing = self._standing()
            except Exception:  # noqa: BLE001 - the thread must outlive any fault
                _log.exception("How the writer stands could not be told")
                continue
            for connection in tuple(self._connections):
                self._outgoing.put((connection, 0, standing))

    def _answer(self) -> None:
        """Send what the writer has decided, all that is ready for one worker at once.

        Nobody else sends: two threads on one connection would mix their bytes.
        """
        while (first := self._outgoing.get()) is not None:
            ready = [first]
            while not self._outgoing.empty() and (further := self._outgoing.get()) is not None:
                ready.append(further)
            parcels: dict[Connection, list[Carried | Failed | Standing]] = {}
            for connection, number, said in ready:
                parcels.setdefault(connection, []).append(_parcel(number, said))
            for connection, parcel in parcels.items():
                self._send(connection, parcel)

    @staticmethod
    def _send(connection: Connection, parcel: list[Carried | Failed | Standing]) -> None:
        try:
            connection.send(parcel)
        except OSError:  # the worker is gone; its senders ask again and get the same answer
            _log.warning("A worker went away before its answer")
            cut(connection)


def _parcel(
    number: int, said: Future[Receipted] | LedgerError | Standing
) -> Carried | Failed | Standing:
    if isinstance(said, Standing):
        return said
    if isinstance(said, LedgerError):
        return failed(number, said)
    try:
        return carried(number, said.result())
    except LedgerError as error:
        return failed(number, error)
    except Exception as error:  # noqa: BLE001 - the entry is recorded; only its proof failed
        _log.exception("An answer could not be made")
        return failed(
            number,
            Unavailable(
                "receipt.not-made",
                f"The receipt could not be made ({type(error).__name__}).",
                remedy="Send the same statement again; its id makes the retry safe.",
            ),
        )


def _pipe() -> tuple[Connection, Connection]:
    from multiprocessing import Pipe  # noqa: PLC0415 - the name is a function, not a class

    reader, writer = Pipe(duplex=False)
    return writer, reader

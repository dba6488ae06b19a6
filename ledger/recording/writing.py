"""The writer's side of the socket: what the workers ask goes to the one writer, answers go back.

The same ``Writer`` as in the embedded default decides and records; here it only stands in a
process of its own, so that nobody's web thread keeps it from the interpreter.
"""

from __future__ import annotations

import logging
import threading
from multiprocessing.connection import Connection, Listener, wait
from queue import SimpleQueue
from typing import TYPE_CHECKING

from ledger.errors import LedgerError, Unavailable
from ledger.recording.wire import Asked, Carried, Failed, carried, failed

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ledger.recording.outcomes import Receipted
    from ledger.recording.writer import Writer

    Answered = tuple[Connection, int, Future[Receipted]]

_log = logging.getLogger("ledger.recording.writing")


class WritingService:
    """Serves one writer on a Unix socket until it is closed; ``address`` must not exist yet."""

    def __init__(self, writer: Writer, address: str, *, key: bytes) -> None:
        self._writer = writer
        self._listener = Listener(address, family="AF_UNIX", backlog=64, authkey=key)
        self._answers: SimpleQueue[Answered | None] = SimpleQueue()
        self._waiting: SimpleQueue[Connection] = SimpleQueue()
        self._wake_reader, self._woken = _pipe()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"writing-{work.__name__[1:]}", daemon=True)
            for work in (self._accept, self._read, self._answer)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Take nothing more in; what was taken in is answered as far as the writer answers it."""
        self._stopped.set()
        self._listener.close()
        self._wake_reader.send_bytes(b"")
        self._answers.put(None)
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
            self._waiting.put(connection)
            self._wake_reader.send_bytes(b"")

    def _read(self) -> None:
        connections: set[Connection] = set()
        while not self._stopped.is_set():
            for ready in wait([self._woken, *connections]):
                if ready is self._woken:
                    self._woken.recv_bytes()
                    while not self._waiting.empty():
                        connections.add(self._waiting.get())
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
                self._send(connection, [failed(one.number, error)])
                continue
            future.add_done_callback(
                lambda done, number=one.number: self._answers.put((connection, number, done))  # type: ignore[misc]
            )
        return True

    def _answer(self) -> None:
        """Send what the writer has decided, all that is ready for one worker at once."""
        while (first := self._answers.get()) is not None:
            ready = [first]
            while not self._answers.empty() and (further := self._answers.get()) is not None:
                ready.append(further)
            parcels: dict[Connection, list[Carried | Failed]] = {}
            for connection, number, done in ready:
                parcels.setdefault(connection, []).append(_parcel(number, done))
            for connection, parcel in parcels.items():
                self._send(connection, parcel)

    @staticmethod
    def _send(connection: Connection, parcel: list[Carried | Failed]) -> None:
        try:
            connection.send(parcel)
        except OSError:  # the worker is gone; its senders ask again and get the same answer
            _log.warning("A worker went away before its answer")


def _parcel(number: int, done: Future[Receipted]) -> Carried | Failed:
    try:
        return carried(number, done.result())
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

"""The writer's side of the socket: what the workers ask goes to the one writer, answers go back.

The same ``Writer`` as in the embedded default decides and records; here it only stands in a
process of its own, so that nobody's web thread keeps it from the interpreter.
"""

from __future__ import annotations

import logging
import selectors
import threading
from collections import deque
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, Listener
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
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ledger.recording.admission import Commitment
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission
    from ledger.recording.waiting import Reply

    Said = Receipted | LedgerError | Standing
    Outgoing = deque[tuple[Connection, int, Said]]

STANDING_SECONDS: Final = 0.5
"""How often the workers are told how the writer stands."""

_log = logging.getLogger("ledger.recording.writing")


class Taking(Protocol):
    """Whoever takes submissions: the ledger's ``Writer``, or ``Refusing``."""

    def take(self, submission: Submission | Commitment, now: datetime, reply: Reply) -> None:
        """Take one whose outcome ``reply`` is told; raises LedgerError."""

    def on_told(self, told: Callable[[], None]) -> None:
        """Have ``told`` called after outcomes were told."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """In place of a writer that could not be opened, because the ledger refuses to sign."""

    reason: LedgerError

    def take(self, submission: Submission | Commitment, now: datetime, reply: Reply) -> None:  # noqa: ARG002 - a writer's own
        """Refuse it."""
        raise self.reason

    def on_told(self, told: Callable[[], None]) -> None:
        """Nothing is ever told."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """The worker that asked, and its number for what it asked: puts what it is told to the rest."""

    connection: Connection
    number: int
    outgoing: Outgoing

    def set_result(self, result: Receipted, /) -> None:
        self.outgoing.append((self.connection, self.number, result))

    def set_exception(self, exception: LedgerError, /) -> None:
        self.outgoing.append((self.connection, self.number, exception))


class WritingService:
    """Serves one writer on a Unix socket until it is closed; ``address`` must not exist yet."""

    def __init__(
        self,
        writer: Taking,
        address: str,
        *,
        key: bytes,
        standing: Callable[[], Standing] = Standing,
    ) -> None:
        self._writer = writer
        self._standing = standing
        self._listener = Listener(address, family="AF_UNIX", backlog=64, authkey=key)
        self._outgoing: Outgoing = deque()
        self._sending = threading.Lock()
        self._arrived: SimpleQueue[Connection] = SimpleQueue()
        self._connections: set[Connection] = set()
        self._woken, self._waker = Pipe(duplex=False)
        self._stopped = threading.Event()
        writer.on_told(self._send_all)
        self._threads = [
            threading.Thread(target=work, name=f"writing-{work.__name__[1:]}", daemon=True)
            for work in (self._accept, self._read, self._tell)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Take nothing more in; what was taken in is answered as far as the writer answers it."""
        self._stopped.set()
        self._listener.close()
        self._waker.send_bytes(b"")
        for thread in self._threads[1:]:  # accept() does not end with its listener everywhere
            thread.join(10)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection = self._listener.accept()
                bound_sending(connection)
            except Exception:  # noqa: BLE001 - one stranger must not end the service for all
                if not self._stopped.is_set():
                    _log.warning("A connection was not accepted", exc_info=True)
                continue
            self._arrived.put(connection)
            self._waker.send_bytes(b"")

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopped.is_set():
                for key, _ in selector.select():
                    ready = key.fileobj
                    if ready is self._woken:
                        self._woken.recv_bytes()
                        self._begin(selector)
                    elif isinstance(ready, Connection) and not self._take(ready):
                        selector.unregister(ready)
                        self._connections.discard(ready)
                        # Closed when nobody holds it any more: an answer on its way to it must
                        # not meet the same number of a worker that has come since.
                        cut(ready)

    def _begin(self, selector: selectors.BaseSelector) -> None:
        """Hear those who have just connected, and tell them how the writer stands."""
        while not self._arrived.empty():
            connection = self._arrived.get()
            selector.register(connection, selectors.EVENT_READ)
            self._connections.add(connection)
            self._say([connection])

    def _take(self, connection: Connection) -> bool:
        try:
            asked: list[Asked] = connection.recv()
        except (EOFError, OSError):
            return False
        except Exception:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("What a worker sent could not be read; it is let go")
            return False
        refused = False
        for one in asked:
            reply = _Asking(connection, one.number, self._outgoing)
            try:
                self._writer.take(one.submission, one.now, reply)
            except LedgerError as error:
                reply.set_exception(error)
                refused = True
        if refused:
            self._send_all()
        return True

    def _tell(self) -> None:
        while not self._stopped.wait(STANDING_SECONDS):
            self._say(tuple(self._connections))

    def _say(self, connections: Sequence[Connection]) -> None:
        """Tell workers how the writer stands."""
        try:
            standing = self._standing()
        except Exception:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("How the writer stands could not be told")
            return
        self._outgoing.extend((connection, 0, standing) for connection in connections)
        self._send_all()

    def _send_all(self) -> None:
        """Send what is to be told, all for one worker at once.

        One thread at a time: two on one connection would mix their bytes. Whoever comes meanwhile
        has put what it has beside the rest, and goes on.
        """
        while self._outgoing and self._sending.acquire(blocking=False):
            try:
                parcels: dict[Connection, list[Carried | Failed | Standing]] = {}
                while self._outgoing:
                    connection, number, said = self._outgoing.popleft()
                    parcels.setdefault(connection, []).append(_parcel(number, said))
                for connection, parcel in parcels.items():
                    self._send(connection, parcel)
            finally:
                self._sending.release()

    @staticmethod
    def _send(connection: Connection, parcel: list[Carried | Failed | Standing]) -> None:
        try:
            connection.send(parcel)
        except OSError:  # the worker is gone; its senders ask again and get the same answer
            _log.warning("A worker went away before its answer")
            cut(connection)
        except Exception:  # noqa: BLE001 - the thread that answers must outlive any fault
            _log.exception("Answers could not be sent; the worker is let go")
            cut(connection)


def _parcel(number: int, said: Said) -> Carried | Failed | Standing:
    if isinstance(said, Standing):
        return said
    if isinstance(said, LedgerError):
        return failed(number, said)
    try:
        return carried(number, said)
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

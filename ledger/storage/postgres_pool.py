"""Connections to PostgreSQL: short waits, dead servers noticed, the outcome of a commit known.

A connection is made by the thread that needs it, so a server that is away is told at once and by
its own name, and one that is back is used at once.
"""

from __future__ import annotations

import selectors
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    PersistenceError,
    ProgrammingError,
)
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.rows import DictRow, dict_row, tuple_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

AnyConnection = TypeVar("AnyConnection", bound=psycopg.Connection[Any])

LOCK_MILLISECONDS: Final = 2_000
"""How long a statement waits for another node's lock before the sender is told to come again."""

STATEMENT_MILLISECONDS: Final = 30_000
"""The longest that one statement may take; a COMMIT is bounded by COMMIT_SECONDS instead."""

COMMIT_SECONDS: Final = 10.0
"""How long a COMMIT is waited for, standbys included, before its outcome counts as unknown."""

BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

UNHURRIED: Final = "SET LOCAL statement_timeout = 0"
"""Before COMMIT: cancelling one that waits for its standby would let it stand without."""

_TIMELINE: Final = (
    "SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery()"
    " THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END"
)
_POOL_SECONDS: Final = 5.0
_POOL_SIZE: Final = 32
_LIFETIME_SECONDS: Final = 3_600.0

_DEFAULTS: Final = {
    "application_name": "trial-ledger",
    "client_encoding": "utf8",
    "connect_timeout": "3",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
}
"""What a URL leaves open. With several hosts in it, the one that takes writes is found again."""

_SESSION: Final = (
    f"-c lock_timeout={LOCK_MILLISECONDS} -c statement_timeout={STATEMENT_MILLISECONDS}"
    " -c idle_in_transaction_session_timeout=15000 -c standard_conforming_strings=on"
)


class LedgerConnection(psycopg.Connection[DictRow]):
    """A connection that keeps the warnings it was sent and commits within a time."""

    born: float = 0.0
    warned: bool = False

    def commit_within(self, seconds: float) -> None:
        """Commit the open transaction; when this returns it is durable, standbys included.

        Raises psycopg's OperationalError when the outcome is unknown: the connection is lost, the
        time is over, or the server gave up waiting for its standby and said so in a warning.
        """
        self.warned = False
        self.pgconn.send_query(b"COMMIT")
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.pgconn.socket, selectors.EVENT_READ)
            while True:
                self.pgconn.flush()
                self.pgconn.consume_input()
                if not self.pgconn.is_busy():
                    break
                if not selector.select(max(until - time.monotonic(), 0)):
                    self.close()
                    raise psycopg.OperationalError("The server did not answer the commit in time.")
        status = ""
        while (result := self.pgconn.get_result()) is not None:
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.OperationalError("The commit failed.")
            status = (result.command_status or b"").decode()
        if status != "COMMIT":
            raise psycopg.OperationalError(f"The commit was answered by {status or 'nothing'}.")
        if self.warned:
            raise psycopg.OperationalError("The server warned that the commit may not be durable.")

    @contextmanager
    def committing(self) -> Iterator[None]:
        """One write transaction: durable when the block has ended, undone when it raises.

        Raises what `commit_within` raises.
        """
        try:
            self.execute(BEGIN)
            yield
            self.execute(UNHURRIED)
        except BaseException:
            self.roll_back()
            raise
        self.commit_within(COMMIT_SECONDS)

    def roll_back(self) -> None:
        """Undo the open transaction, if there is one; a connection that cannot is closed."""
        try:
            if not self.closed and self.pgconn.transaction_status != TransactionStatus.IDLE:
                self.execute("ROLLBACK")
        except psycopg.Error:
            self.close()

    def hear(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        """Remember that the server warned."""
        if diagnostic.severity_nonlocalized == "WARNING":
            self.warned = True


def connect(settings: Mapping[str, str]) -> LedgerConnection:
    """Open one connection in autocommit mode; raises psycopg's OperationalError."""
    given = {**_DEFAULTS, **settings}
    options = f"{_SESSION} {settings.get('options', '')}".strip()
    connection = LedgerConnection.connect(
        make_conninfo("", **{**given, "options": options}), autocommit=True, row_factory=dict_row
    )
    connection.born = time.monotonic()
    connection.add_notice_handler(connection.hear)
    return connection


class Timeline:
    """The newest timeline that a process has met at the servers of a database.

    A primary that was replaced by its standby and came back still takes writes, and a URL may name
    it first. Each promotion begins a new timeline, so that a lower one than was met before is old.
    """

    def __init__(self) -> None:
        self.newest = 0
        self._guard = threading.Lock()

    def connect(
        self,
        settings: Mapping[str, str],
        connect: Callable[[Mapping[str, str]], AnyConnection],
        *,
        ask_all: bool = False,
    ) -> AnyConnection:
        """A connection to the first server that was not replaced, each host having its turn.

        ``connect`` is given the settings with another host in front each time, and connects to one
        that takes writes, in autocommit mode. With ``ask_all`` all hosts are asked before: for who
        has met no server yet. Raises psycopg's OperationalError when none can be had.
        """
        turns = list(_turns(settings))
        for turn in turns if ask_all and len(turns) > 1 else ():
            connection = connect(turn)
            self._meets(_timeline(connection))
            connection.close()
        for turn in turns:
            connection = connect(turn)
            timeline = _timeline(connection)
            if self._meets(timeline):
                return connection
            connection.close()
        raise psycopg.OperationalError(
            f"The server that answers is on timeline {timeline}, one on timeline {self.newest} "
            "had taken its place."
        )

    def _meets(self, timeline: int | None) -> bool:
        with self._guard:
            if timeline is None or timeline >= self.newest:
                self.newest = timeline or self.newest
                return True
        return False


class PostgresPool:
    """Connections of one process; at most so many at once, kept while they work.

    Servers that were replaced are passed over, as `Timeline` says.
    Raises psycopg's OperationalError when none can be had.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._timeline = Timeline()
        self._idle: list[LedgerConnection] = []
        self._free = threading.BoundedSemaphore(_POOL_SIZE)
        self._guard = threading.Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[LedgerConnection]:
        """A connection outside any transaction; a broken one is not kept."""
        if self._closed:
            raise ConnectionPoolClosedError
        if not self._free.acquire(timeout=_POOL_SECONDS):
            raise psycopg.OperationalError("All connections to the database are in use.")
        try:
            connection = self._taken() or self._timeline.connect(self._settings, connect)
            try:
                yield connection
            finally:
                self._put(connection)
        finally:
            self._free.release()

    def forget(self) -> None:
        """Close all connections that lie idle: where one was found dead, the others are too."""
        with self._guard:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Close all connections, those in use when they are put back."""
        self._closed = True
        self.forget()

    def _taken(self) -> LedgerConnection | None:
        with self._guard:
            while self._idle:
                connection = self._idle.pop()
                if time.monotonic() - connection.born < _LIFETIME_SECONDS:
                    return connection
                connection.close()
        return None

    def _put(self, connection: LedgerConnection) -> None:
        if connection.closed:
            self.forget()
            return
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.close()
            return
        with self._guard:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _turns(settings: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The settings with each of their hosts as the first in turn."""
    hosts, ports = settings.get("host", "").split(","), settings.get("port", "").split(",")
    for turn in range(len(hosts)):
        turned = {"host": ",".join((*hosts[turn:], *hosts[:turn]))}
        if len(ports) == len(hosts):
            turned["port"] = ",".join((*ports[turn:], *ports[:turn]))
        yield {**settings, **turned} if turn else settings


def _timeline(connection: psycopg.Connection[Any]) -> int | None:
    """The timeline a server writes; None for a standby, and where it does not say."""
    try:
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(_TIMELINE).fetchone()
    except (psycopg.ProgrammingError, psycopg.NotSupportedError):
        return None
    return None if row is None or row[0] is None else int(row[0][:8], 16)


_ERRORS: Final[tuple[tuple[type[psycopg.Error], type[PersistenceError]], ...]] = (
    (psycopg.InterfaceError, InterfaceError),
    (psycopg.OperationalError, OperationalError),
    (psycopg.DataError, DataError),
    (psycopg.IntegrityError, IntegrityError),
    (psycopg.InternalError, InternalError),
    (psycopg.ProgrammingError, ProgrammingError),
    (psycopg.NotSupportedError, NotSupportedError),
)


@contextmanager
def library_errors() -> Iterator[None]:
    """Give psycopg's errors the event store library's names."""
    try:
        yield
    except psycopg.Error as error:
        kind: Any = next((ours for theirs, ours in _ERRORS if isinstance(error, theirs)), None)
        raise (kind or PersistenceError)(str(error)) from error

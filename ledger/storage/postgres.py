"""The PostgreSQL recorder: entries, chain head, tree and checkpoint in one transaction.

It builds on the library's recorder and replaces what would bite (docs/decisions/0010): the head
row gives order and positions without gap, so that neither the table lock nor a sequence is needed
and the service's role may be denied UPDATE on entries; nothing is retried once a COMMIT was sent.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from eventsourcing.persistence import (
    InfrastructureFactory,
    InterfaceError,
    Notification,
    OperationalError,
    ProgrammingError,
    StoredEvent,
)
from eventsourcing.postgres import (
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from psycopg.rows import tuple_row

from ledger.storage import postgres_pool
from ledger.storage.commit import group_of
from ledger.storage.postgres_pool import PostgresPool, library_errors
from ledger.storage.postgres_schema import SCHEMA
from ledger.storage.postgres_writing import write_group
from ledger.storage.store import LedgerStore
from ledger.storage.typed import blob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from uuid import UUID

    from ledger.log.chain import ChainHead
    from ledger.storage.commit import Commit, Row
    from ledger.storage.postgres_pool import LedgerConnection

T = TypeVar("T")


class PostgresLedgerDatastore(PostgresDatastore):
    """A datastore on our own pool; it reads no environment and registers no types."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        super().__init__("", "", "", "", "", schema=SCHEMA, originator_id_type="text")
        self.pool: Any = PostgresPool(settings)

    def register_type_adapters(self) -> None:
        """Nothing: entries are sent column by column."""

    @contextmanager
    def get_connection(self) -> Iterator[LedgerConnection]:
        """A connection in autocommit mode; errors carry the library's names."""
        with library_errors(), self.pool.connection() as connection:
            yield connection


class PostgresLedgerRecorder(PostgresApplicationRecorder, LedgerStore):
    """Records entries with the chain's head swapped in the same transaction.

    The notification id of an entry is its ``seq``; ``state`` is the entry's bytes.
    """

    datastore: PostgresLedgerDatastore

    def __init__(self, datastore: PostgresLedgerDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self._signs = self._doubtful = False

    def create_table(self) -> None:
        """Nothing: tables are made by migrations (`ledger.storage.migrations`), never in passing.

        Raises ProgrammingError.
        """
        raise ProgrammingError("Tables are made by trial-ledger database migrate.")

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record a group of entries; ``commit`` says what enters with them.

        A connection found dead before its COMMIT is replaced once. When the outcome of a COMMIT
        is unknown the head is read again under a commit of its own: then either the group is
        there, durably, or the error is raised.
        Raises HeadMoved when another writer was first, and the library's OperationalError when
        the database cannot take the write now or does not say what became of it.
        """
        commit, rows = group_of(stored_events, kwargs)
        if not rows:
            return []
        self._connected(lambda connection: self._prepare(connection, commit, rows))
        return [row[0] for row in rows]

    def _prepare(self, connection: LedgerConnection, commit: Commit, rows: Sequence[Row]) -> None:
        try:
            write_group(connection, commit, rows)
        except BaseException:
            connection.roll_back()
            raise
        try:
            connection.commit_within(postgres_pool.COMMIT_SECONDS)
        except psycopg.Error as error:
            self._doubtful = True
            connection.close()  # so that it is neither kept nor tried again
            self._find_out(commit, error)

    def _find_out(self, commit: Commit, error: psycopg.Error) -> None:
        """Return when the group turns out to be recorded, durably; else raise the error."""
        self.datastore.pool.forget()
        self.settle()
        if self.head() != commit.after:
            raise OperationalError(f"The commit failed: {error}") from error

    def settle(self) -> None:
        """Wait until all that can be read here is as durable as a commit that was answered.

        A server that was restarted, or whose wait for a standby was cancelled, shows commits that
        no standby has yet. A commit behind them that is answered says that they are safe too.
        From the first call on, `head` does the same after every lost connection.
        Raises OperationalError when that cannot be had now.
        """
        self._signs = True
        self._doubtful = False
        try:
            self._connected(_barrier)
        except BaseException:
            self._doubtful = True
            raise

    def head(self) -> ChainHead:
        """The chain's head as the head row states it.

        Where entries are signed it is settled first if there is doubt: decisions, repeated
        answers and receipts all begin with it.
        """
        if self._signs and self._doubtful:
            self.settle()
        return super().head()

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The stored events of one stream; as the library's, without its ten retries."""
        order = "DESC" if desc else "ASC"
        rows = self._query(
            "SELECT originator_id, originator_version, topic, state"  # noqa: S608 - our own words
            " FROM ledger.stored_events WHERE originator_id = %s AND originator_version > %s"
            f" AND originator_version <= %s ORDER BY originator_version {order} LIMIT %s",
            (originator_id, -1 if gt is None else gt, 2**62 if lte is None else lte, limit),
        )
        return [StoredEvent(row[0], row[1], row[2], blob(row[3])) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Entries in order of the log, by position; as the library's, without its retries."""
        lowest = 0 if start is None else start if inclusive_of_start else start + 1
        rows = self._query(
            "SELECT seq, originator_id, originator_version, topic, state FROM ledger.stored_events"
            " WHERE seq >= %s AND seq <= %s AND (%s OR topic = ANY(%s)) ORDER BY seq LIMIT %s",
            (lowest, 2**62 if stop is None else stop, not topics, list(topics), limit),
        )
        return [
            Notification(
                id=row[0],
                originator_id=row[1],
                originator_version=row[2],
                topic=row[3],
                state=blob(row[4]),
            )
            for row in rows
        ]

    def max_notification_id(self) -> int | None:
        """The highest position."""
        highest: int | None = self._query("SELECT max(seq) FROM ledger.stored_events")[0][0]
        return highest

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Any:
        """Nobody subscribes: projections poll by position (ecosystem issue 305)."""
        raise NotImplementedError("Projections poll the log by position.")

    def _connected(self, act: Callable[[LedgerConnection], T]) -> T:
        """Act on a connection; on a fresh one once more if the first was found dead.

        ``act`` closes the connection itself where a second attempt is not safe.
        """
        for last in (False, True):
            with self.datastore.get_connection() as connection:
                try:
                    return act(connection)
                except psycopg.OperationalError:
                    if last or not connection.broken:
                        raise
            self._doubtful = True
            self.datastore.pool.forget()
        raise InterfaceError("The connection was lost twice.")

    def _all(self, statement: str, params: Sequence[object] = ()) -> list[Any]:
        return self._query(_spelled(statement), params)

    def _among(self, column: str, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        return f"{column} = ANY(?)", [list(values)]

    def _query(self, statement: Any, params: Sequence[object] = ()) -> list[Any]:
        def query(connection: LedgerConnection) -> list[Any]:
            with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
                return cursor.execute(statement, params).fetchall()

        return self._connected(query)


@cache
def _spelled(statement: str) -> str:
    """A statement of the port as PostgreSQL takes it: with the schema, and its own marks."""
    return statement.replace(" FROM ", f" FROM {SCHEMA}.").replace("?", "%b")


def _barrier(connection: LedgerConnection) -> None:
    with connection.committing():
        # Locking a row is written to the log of the server, so its commit waits for the standby;
        # this lock lets a writer change the head meanwhile.
        connection.execute("SELECT 1 FROM ledger.ledger_head FOR KEY SHARE")


class PostgresLedgerFactory(PostgresFactory):
    """The library's factory, with our datastore and recorder and without the environment."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        InfrastructureFactory.__init__(self, {})
        self.datastore: PostgresLedgerDatastore = PostgresLedgerDatastore(settings)

    def application_recorder(self) -> PostgresLedgerRecorder:
        """Our recorder; it creates nothing."""
        return PostgresLedgerRecorder(self.datastore)

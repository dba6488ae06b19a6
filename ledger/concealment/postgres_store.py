"""The key store in PostgreSQL, for several nodes: a database or schema apart from the ledger's.

Give it a role of its own that owns nothing of the ledger, and leave it out of the ledger's backups.
PostgreSQL keeps old row versions, its write-ahead log, replicas and archived segments: ``VACUUM
FULL`` rewrites the table without destroyed keys, but nobody can reach into what was archived. There
an erasure is complete when the key-encryption key has been rotated and the old one destroyed.
"""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql as composed
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.concealment.key_store import KeyStore, ended, tables
from ledger.errors import RejectedInput, Unavailable
from ledger.storage.postgres_pool import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT_SCHEMA: Final = "concealment"
_LAYOUT_LOCK: Final = 7_239_114_260_051_337
"""Advisory lock number under which tables are made, so that nodes may start together."""

_DEFAULTS: Final = {"connect_timeout": "10", "target_session_attrs": "read-write"}
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class PostgresKeyStore(KeyStore):
    """The key store in a schema of a PostgreSQL database; safe for threads and nodes.

    With several hosts in the URL the newest primary is used: an old one that came back does not
    know the keys made and destroyed since.
    """

    def __init__(self, url: str, *, schema: str = DEFAULT_SCHEMA) -> None:
        """Connect, and make what is missing; raises RejectedInput ``concealment.schema``."""
        if _SCHEMA.fullmatch(schema) is None:
            raise RejectedInput("concealment.schema", "The key store's schema is badly named.")
        self._schema, self._timeline = schema, Timeline()
        self._settings = {
            **_DEFAULTS,
            **{name: str(value) for name, value in conninfo_to_dict(url).items()},
        }
        self._lock = threading.RLock()
        self._connection: psycopg.Connection[Any] | None = None
        with self.transaction() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(?)", (_LAYOUT_LOCK,))
            for statement in tables("BYTEA"):
                cursor.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction, confirmed by synchronous standbys where there are any."""
        with self._connected() as connection, ended(connection) as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
            yield _QuestionMarks(cursor)

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with self._connected() as connection, ended(connection) as cursor:
            cursor.execute(_placed(sql), tuple(params))
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def scrub(self, gone: Sequence[bytes]) -> None:  # noqa: ARG002 - its files are the server's
        """Rewrite the table without the row versions that held destroyed keys."""
        with self._connected() as connection:
            connection.autocommit = True
            try:
                connection.execute("VACUUM FULL concealed_keys")
            finally:
                connection.autocommit = False

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = self._connect()
                yield self._connection
            except psycopg.Error as error:
                if isinstance(error, psycopg.OperationalError):
                    self.close()  # a new connection finds the new primary after a failover
                raise Unavailable(
                    "concealment.store", f"The key store does not answer ({type(error).__name__})."
                ) from error

    def _connect(self) -> psycopg.Connection[Any]:
        # What this process has not met before it cannot tell from old: it asks all hosts first.
        new = self._timeline.newest == 0
        connection = self._timeline.connect(self._settings, _plain, ask_all=new)
        name = composed.Identifier(self._schema)
        found = connection.execute(
            "SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,)
        ).fetchone()
        if found is None:
            connection.execute(composed.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        connection.execute(composed.SQL("SET search_path = {}").format(name))
        connection.autocommit = False
        return connection


def _plain(settings: Mapping[str, str]) -> psycopg.Connection[Any]:
    return psycopg.connect(make_conninfo("", **settings), autocommit=True)


class _QuestionMarks:
    """A cursor that takes the statements both stores share."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def execute(self, sql: str, params: Sequence[object] = ()) -> None:
        """Run a statement whose parameters are marked ``?``."""
        self._cursor.execute(_placed(sql), tuple(params))

    def fetchone(self) -> Any:
        """The next row."""
        return self._cursor.fetchone()


def _placed(sql: str) -> str:
    return sql.replace("?", "%s")

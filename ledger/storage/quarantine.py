"""Facts that were turned away for their key, subject or identifier, kept outside the log.

They are no records, but they may be true: an authorised person can look at them and submit the
fact again as ``mode: transcribed``. The table is bounded; when it is full the sender is told.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from psycopg.rows import tuple_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.storage.postgres import PostgresLedgerDatastore

MAX_ROWS = 10_000
"""How many statements are kept before new ones are no longer taken in."""

MAX_STRANGERS = 1_000
"""How many of them may be signed by keys nobody registered, so that strangers cannot fill it."""

STRANGER = "authority.unknown-key"

_TURN = 0x7175_6172_61  # the number of an advisory lock; any, but always the same one

_SCHEMA = """
CREATE TABLE IF NOT EXISTS quarantine (
    number INTEGER PRIMARY KEY,
    received_at TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    statement TEXT NOT NULL UNIQUE
)
"""


@dataclass(frozen=True, slots=True)
class QuarantinedStatement:
    """A statement kept aside: its number, when it came, why it was turned away, its text."""

    number: int
    received_at: str
    code: str
    reason: str
    statement: str


class Quarantine(Protocol):
    """The quarantine table, in the ledger's database but outside the log."""

    def keep(self, statement: str, *, received_at: str, code: str, reason: str) -> int | None:
        """Keep a statement; its number, or None when the quarantine is full.

        The same statement sent again keeps its first number. Raises sqlite3.Error or the
        library's PersistenceError when the database cannot take it now.
        """

    def listing(self, *, after: int = 0, limit: int = 100) -> list[QuarantinedStatement]:
        """Statements kept, in order of their numbers."""


class SQLiteQuarantine:
    """The quarantine in the ledger's database file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._connected() as connection:
            connection.execute(_SCHEMA)

    def keep(self, statement: str, *, received_at: str, code: str, reason: str) -> int | None:
        """Keep a statement; its number, or None when the quarantine is full.

        The same statement sent again keeps its first number.
        """
        stranger = code == STRANGER
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO quarantine (received_at, code, reason, statement)"
                " SELECT ?, ?, ?, ?"
                " WHERE (SELECT COUNT(*) FROM quarantine WHERE (code = ?) = ?) < ?"
                " ON CONFLICT (statement) DO NOTHING",
                (received_at, code, reason, statement, STRANGER, stranger, _room(code)),
            )
            row = connection.execute(
                "SELECT number FROM quarantine WHERE statement = ?", (statement,)
            ).fetchone()
        return int(row[0]) if row else None

    def listing(self, *, after: int = 0, limit: int = 100) -> list[QuarantinedStatement]:
        """Statements kept, in order of their numbers."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT number, received_at, code, reason, statement FROM quarantine"
                " WHERE number > ? ORDER BY number LIMIT ?",
                (after, limit),
            ).fetchall()
        return [QuarantinedStatement(*row) for row in rows]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=10)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


class PostgresQuarantine:
    """The quarantine in a PostgreSQL database; its table is made by migrations."""

    def __init__(self, datastore: PostgresLedgerDatastore) -> None:
        self._datastore = datastore

    def keep(self, statement: str, *, received_at: str, code: str, reason: str) -> int | None:
        """Keep a statement; its number, or None when the quarantine is full.

        The same statement sent again keeps its first number.
        """
        asked = (
            "SELECT number FROM ledger.quarantine WHERE md5(statement) = md5(%s) AND statement = %s"
        )
        with (
            self._datastore.get_connection() as connection,
            connection.committing(),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            # Numbers have no gap and the bound is exact, so those who keep take turns.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_TURN,))
            known = cursor.execute(asked, (statement, statement)).fetchone()
            if known is None:
                cursor.execute(
                    "INSERT INTO ledger.quarantine (number, received_at, code, reason, statement)"
                    " SELECT (SELECT COALESCE(max(number), 0) + 1 FROM ledger.quarantine),"
                    " %s, %s, %s, %s"
                    " WHERE (SELECT count(*) FROM ledger.quarantine WHERE (code = %s) = %s) < %s",
                    (
                        received_at,
                        code,
                        reason.replace("\0", "\ufffd"),  # which no text column takes
                        statement,
                        STRANGER,
                        code == STRANGER,
                        _room(code),
                    ),
                )
            kept = cursor.execute(asked, (statement, statement)).fetchone()
        return int(kept[0]) if kept else None

    def listing(self, *, after: int = 0, limit: int = 100) -> list[QuarantinedStatement]:
        """Statements kept, in order of their numbers."""
        with (
            self._datastore.get_connection() as connection,
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            rows = cursor.execute(
                "SELECT number, received_at, code, reason, statement FROM ledger.quarantine"
                " WHERE number > %s ORDER BY number LIMIT %s",
                (after, limit),
            ).fetchall()
        return [QuarantinedStatement(*row) for row in rows]


def _room(code: str) -> int:
    return MAX_STRANGERS if code == STRANGER else MAX_ROWS - MAX_STRANGERS

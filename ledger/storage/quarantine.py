"""Facts that were turned away for their key, subject or identifier, kept outside the log.

They are no records, but they may be true: an authorised person can look at them and submit the
fact again as ``mode: transcribed``. The table is bounded; when it is full the sender is told.
Statements are kept sealed: what was refused may hold a person's name or number.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from psycopg.rows import tuple_row

from ledger.concealment.aside import mark_of, open_aside, seal_aside
from ledger.errors import IntegrityFailure
from ledger.storage.transaction import library_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.concealment.openings import Openings
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

        The same statement sent again keeps its first number. Raises the library's
        PersistenceError when the database cannot take it now, Unavailable when the keys are not
        at hand.
        """

    def listing(self, *, after: int = 0, limit: int = 100) -> list[QuarantinedStatement]:
        """Statements kept, in order of their numbers."""


class SQLiteQuarantine:
    """The quarantine in the ledger's database file."""

    def __init__(self, path: Path, openings: Openings | None = None) -> None:
        self.path = path
        self._openings = openings
        with self._connected() as connection:
            connection.execute(_SCHEMA)

    def keep(self, statement: str, *, received_at: str, code: str, reason: str) -> int | None:
        """Keep a statement; its number, or None when the quarantine is full.

        The same statement sent again keeps its first number.
        """
        stranger = code == STRANGER
        mark, sealed = mark_of(statement), seal_aside(statement, self._openings)
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            asked = "SELECT number FROM quarantine WHERE substr(statement, 1, 64) = ?1"
            asked += " OR statement = ?2"
            known = connection.execute(asked, (mark, statement)).fetchone()
            if known is None:
                connection.execute(
                    "INSERT INTO quarantine (received_at, code, reason, statement)"
                    " SELECT ?, ?, ?, ?"
                    " WHERE (SELECT COUNT(*) FROM quarantine WHERE (code = ?) = ?) < ?",
                    (received_at, code, reason, sealed, STRANGER, stranger, _room(code)),
                )
                known = connection.execute(asked, (mark, statement)).fetchone()
        return int(known[0]) if known else None

    def listing(self, *, after: int = 0, limit: int = 100) -> list[QuarantinedStatement]:
        """Statements kept, in order of their numbers."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT number, received_at, code, reason, statement FROM quarantine"
                " WHERE number > ? ORDER BY number LIMIT ?",
                (after, limit),
            ).fetchall()
        return [_opened(QuarantinedStatement(*row), self._openings) for row in rows]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=10)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise library_error(error) from error


class PostgresQuarantine:
    """The quarantine in a PostgreSQL database; its table is made by migrations."""

    def __init__(
        self, datastore: PostgresLedgerDatastore, openings: Openings | None = None
    ) -> None:
        self._datastore = datastore
        self._openings = openings

    def keep(self, statement: str, *, received_at: str, code: str, reason: str) -> int | None:
        """Keep a statement; its number, or None when the quarantine is full.

        The same statement sent again keeps its first number.
        """
        mark, sealed = mark_of(statement), seal_aside(statement, self._openings)
        asked = "SELECT number FROM ledger.quarantine WHERE left(statement, 64) = %s"
        asked += " OR statement = %s"
        with (
            self._datastore.get_connection() as connection,
            connection.committing(),
            connection.cursor(row_factory=tuple_row) as cursor,
        ):
            # Numbers have no gap and the bound is exact, so those who keep take turns.
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_TURN,))
            known = cursor.execute(asked, (mark, statement)).fetchone()
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
                        sealed,
                        STRANGER,
                        code == STRANGER,
                        _room(code),
                    ),
                )
            kept = cursor.execute(asked, (mark, statement)).fetchone()
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
        return [_opened(QuarantinedStatement(*row), self._openings) for row in rows]


def _opened(kept: QuarantinedStatement, openings: Openings | None) -> QuarantinedStatement:
    try:
        return replace(kept, statement=open_aside(kept.statement, openings))
    except IntegrityFailure as error:
        # One that cannot be opened must not hide the others.
        return replace(kept, reason=f"{kept.reason} {error.message}", statement="")


def _room(code: str) -> int:
    return MAX_STRANGERS if code == STRANGER else MAX_ROWS - MAX_STRANGERS

"""Facts that were turned away for their key, subject or identifier, kept outside the log.

They are no records, but they may be true: an authorised person can look at them and submit the
fact again as ``mode: transcribed``. The table is bounded; when it is full the sender is told.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_ROWS = 10_000
"""How many statements are kept before new ones are no longer taken in."""

MAX_STRANGERS = 1_000
"""How many of them may be signed by keys nobody registered, so that strangers cannot fill it."""

STRANGER = "authority.unknown-key"

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


class Quarantine:
    """The quarantine table, in the ledger's database file but outside the log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._connected() as connection:
            connection.execute(_SCHEMA)

    def keep(self, statement: str, *, received_at: str, code: str, reason: str) -> int | None:
        """Keep a statement; its number, or None when the quarantine is full.

        The same statement sent again keeps its first number.
        """
        stranger = code == STRANGER
        limit = MAX_STRANGERS if stranger else MAX_ROWS - MAX_STRANGERS
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO quarantine (received_at, code, reason, statement)"
                " SELECT ?, ?, ?, ?"
                " WHERE (SELECT COUNT(*) FROM quarantine WHERE (code = ?) = ?) < ?"
                " ON CONFLICT (statement) DO NOTHING",
                (received_at, code, reason, statement, STRANGER, stranger, limit),
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

"""The schema of the file of published checkpoints: three tables that only grow, and their counts.

A row that is removed leaves no hole that a signature would show. So each row is counted when it is
added, and its size summed up, by a trigger; the verifier compares (`ledger.verification.tally`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

_TABLES: Final = (
    """
CREATE TABLE IF NOT EXISTS published_checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS cosignatures (
    size INTEGER NOT NULL REFERENCES published_checkpoints (size),
    vkey TEXT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (size, vkey)
) WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS timestamps (
    size INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    authority TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    response BLOB NOT NULL
)
""",
    "CREATE INDEX IF NOT EXISTS cosignatures_by_key ON cosignatures (vkey, size)",
)
_TALLIES: Final = """
CREATE TABLE tallies (
    kind TEXT NOT NULL,
    vkey TEXT NOT NULL,
    number INTEGER NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (kind, vkey)
) WITHOUT ROWID
"""
_TALLIES_STAY: Final = """
CREATE TRIGGER IF NOT EXISTS tallies_no_delete BEFORE DELETE ON tallies
BEGIN SELECT RAISE(ABORT, 'tallies stay: DELETE refused'); END
"""
_COUNT: Final = """
INSERT INTO tallies SELECT '{table}', {key}, COUNT(*), SUM(size) FROM {table} GROUP BY {key}
"""
_TRIGGERS: Final = (
    """
CREATE TRIGGER IF NOT EXISTS {table}_no_update BEFORE UPDATE ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: UPDATE refused'); END
""",
    """
CREATE TRIGGER IF NOT EXISTS {table}_no_delete BEFORE DELETE ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: DELETE refused'); END
""",
    # An INSERT with OR REPLACE would pass a trigger on DELETE, so that one is refused before.
    """
CREATE TRIGGER IF NOT EXISTS {table}_no_replace BEFORE INSERT ON {table}
WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})
BEGIN SELECT RAISE(ABORT, '{table} is append-only: REPLACE refused'); END
""",
    """
CREATE TRIGGER IF NOT EXISTS {table}_counted AFTER INSERT ON {table}
BEGIN
    INSERT INTO tallies VALUES ('{table}', {new}, 1, NEW.size)
    ON CONFLICT (kind, vkey) DO UPDATE SET number = number + 1, total = total + NEW.size;
END
""",
)
_GROWING: Final = (
    {"table": "published_checkpoints", "key": "''", "new": "''", "same": "size = NEW.size"},
    {"table": "cosignatures", "key": "vkey", "new": "NEW.vkey",
     "same": "size = NEW.size AND vkey = NEW.vkey"},
    {"table": "timestamps", "key": "''", "new": "''", "same": "size = NEW.size"},
)  # fmt: skip


def make_schema(connection: sqlite3.Connection) -> None:
    """Make what a file lacks of its tables and of what keeps them append-only.

    It begins a write transaction, so that two processes do not count twice; the caller ends it.
    A file without counts, as an earlier version wrote it, is counted once.
    """
    connection.execute("BEGIN IMMEDIATE")
    for statement in _TABLES:
        connection.execute(statement)
    counted = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'tallies'"
    if connection.execute(counted).fetchone() is None:
        connection.execute(_TALLIES)
        for names in _GROWING:
            connection.execute(_COUNT.format(**names))
    for names in _GROWING:
        for statement in _TRIGGERS:
            connection.execute(statement.format(**names))
    connection.execute(_TALLIES_STAY)

"""A ledger's rows carried whole from PostgreSQL to an SQLite file, or from a file to PostgreSQL.

The tables are the same on both, so nothing is derived or signed anew: the copy is the same log, and
`verify` says whether it is whole. Files beside the database are not touched.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

from eventsourcing.persistence import PersistenceError
from psycopg import sql
from psycopg.rows import tuple_row

from ledger.errors import RejectedInput, Unavailable
from ledger.storage.evidence_postgres import PostgresEvidence
from ledger.storage.migrations import migrate
from ledger.storage.postgres_pool import connect, library_errors
from ledger.storage.postgres_schema import COLUMNS, KEYS, SCHEMA
from ledger.storage.private_file import create_private
from ledger.storage.quarantine import SQLiteQuarantine
from ledger.storage.snapshot_evidence import SnapshotEvidence
from ledger.storage.sqlite import SQLiteLedgerFactory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.storage.database import Database
    from ledger.storage.postgres_pool import LedgerConnection

_HEAD: Final = "ledger_head"
_PAGE: Final = 500
_APPENDED: Final = tuple(name for name in COLUMNS if name != _HEAD)
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_MOVE_HEAD: Final = "UPDATE ledger.ledger_head SET size = %s, hash = %s, recorded_at = %s"
_UNHURRIED: Final = (
    "SET statement_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
)


def copy_to_sqlite(source: Database, target: Path) -> int:
    """Copy a ledger in PostgreSQL, as of one moment, to a new private SQLite file; its size.

    The service may go on writing; a standby will do. What is half made when it fails is removed.
    Raises RejectedInput ``copy.exists``, Unavailable ``copy.failed``.
    """
    _require_new(target)
    create_private(target)
    try:
        factory = SQLiteLedgerFactory(str(target))
        factory.application_recorder()
        factory.close()
        SQLiteQuarantine(target)
        with (
            library_errors(),
            connect({"target_session_attrs": "any", **source.settings}) as origin,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            for statement in (*_UNHURRIED, _SNAPSHOT):
                origin.execute(_text(statement))
            copy.execute("BEGIN IMMEDIATE")
            for table in _APPENDED:
                _fill_sqlite(copy, table, _rows_of(origin, table))
            size, digest, recorded_at = _head_of(origin)
            copy.execute(
                "UPDATE ledger_head SET size = ?, hash = ?, recorded_at = ?",
                (size, digest, recorded_at),
            )
            copy.execute("COMMIT")
            copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            copy.execute("PRAGMA journal_mode = DELETE")
    except (PersistenceError, sqlite3.Error) as error:
        _remove(target)
        raise _failed(source, error) from error
    except BaseException:
        _remove(target)
        raise
    return size


def holds_entries(target: Database) -> bool:
    """Whether a PostgreSQL database holds a ledger's entries; it is migrated first.

    Raises Unavailable ``copy.failed`` when that cannot be done, and what ``migrate`` raises.
    """
    migrate(target)
    try:
        with library_errors(), connect(target.settings) as connection:
            return bool(_head_of(connection)[0])
    except PersistenceError as error:
        raise _failed(target, error) from error


def copy_to_postgres(source: Path, target: Database) -> int:
    """Copy a ledger in an SQLite file that nobody writes to into an empty database; its size.

    The database is migrated first; all rows enter in one transaction.
    Raises RejectedInput ``copy.exists`` when it holds entries already, Unavailable ``copy.failed``.
    """
    with carried_to_postgres(source, target) as carried:
        return carried.extent()


@contextmanager
def carried_to_postgres(source: Path, target: Database) -> Iterator[PostgresEvidence]:
    """Copy as `copy_to_postgres`, and give what was copied as evidence before it is committed.

    It is committed when the block has ended, and undone when the block raises.
    """
    migrate(target)
    address = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with (
            library_errors(),
            closing(sqlite3.connect(address, uri=True, isolation_level=None)) as origin,
            connect(target.settings) as copy,
        ):
            for statement in _UNHURRIED:
                copy.execute(_text(statement))
            with copy.committing():
                _carry(origin, copy, target)
                yield _Carried(copy, str(target))
    except (PersistenceError, sqlite3.Error) as error:
        raise _failed(target, error) from error


def _carry(origin: sqlite3.Connection, copy: LedgerConnection, target: Database) -> None:
    origin.execute("BEGIN")
    asked = "SELECT size, hash, recorded_at FROM ledger_head"
    head = origin.execute(asked).fetchone()
    held, _, _ = _head_of(copy)
    if held:
        raise _exists(str(target))
    copy.execute(_MOVE_HEAD, head)
    for table in _APPENDED:
        _fill_postgres(copy, table, origin)


class _Carried(PostgresEvidence):
    """Rows as they stand in a transaction that has not ended, read on its own connection."""

    def __init__(self, connection: LedgerConnection, name: str) -> None:
        SnapshotEvidence.__init__(self, head_file=None, reveal=None)
        self._connection = connection
        self._take_in(name)

    def close(self) -> None:
        """Nothing: who made the transaction ends it."""


def _fill_sqlite(copy: sqlite3.Connection, table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    names = ", ".join(COLUMNS[table])
    marks = ", ".join("?" * len(COLUMNS[table]))
    copy.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608


def _rows_of(origin: LedgerConnection, table: str) -> Iterator[tuple[Any, ...]]:
    asked = f"SELECT {', '.join(COLUMNS[table])} FROM {SCHEMA}.{table} ORDER BY {_order(table)}"  # noqa: S608
    with origin.cursor(f"copy_{table}", row_factory=tuple_row) as cursor:
        cursor.itersize = _PAGE
        cursor.execute(_text(asked))
        yield from cursor


def _fill_postgres(copy: LedgerConnection, table: str, origin: sqlite3.Connection) -> None:
    columns = COLUMNS[table]
    known = origin.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if known is None:
        return  # a quarantine that nobody has used
    names = ", ".join(columns)
    rows = origin.execute(f"SELECT {names} FROM {table} ORDER BY {_order(table)}")  # noqa: S608
    statement = f"COPY {SCHEMA}.{table} ({names}) FROM STDIN (FORMAT BINARY)"
    with copy.cursor() as cursor, cursor.copy(_text(statement)) as lines:
        lines.set_types(list(columns.values()))
        for row in rows:
            lines.write_row(row)


def _head_of(connection: LedgerConnection) -> tuple[int, str, str]:
    asked = f"SELECT size, hash, recorded_at FROM {SCHEMA}.{_HEAD}"  # noqa: S608
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_text(asked)).fetchone()
    return (0, "", "") if row is None else (row[0], row[1], row[2])


def _order(table: str) -> str:
    return ", ".join(KEYS[table][0])


def _require_new(target: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        if target.with_name(target.name + suffix).exists():
            raise _exists(target.name)


def _exists(what: str) -> RejectedInput:
    return RejectedInput(
        "copy.exists",
        f"{what} holds something already; a copy is never written over.",
        remedy="Name a new file, or an empty database.",
    )


def _failed(database: Database, error: Exception) -> Unavailable:
    return Unavailable(
        "copy.failed",
        f"The rows of {database} could not be copied: {error}.",
        remedy="Nothing was left behind. Check both URLs and the role's rights, then try again.",
    )


def _remove(target: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _text(statement: str) -> sql.SQL:
    text: Any = statement  # our own constants and names
    return sql.SQL(text)

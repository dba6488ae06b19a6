"""Numbered migrations of a ledger's schema, for both databases.

A migration is a list of statements under a number. They run in one transaction under a lock, so
that processes that start together apply each once; an applied one is never edited, only followed
by the next. Tables that an earlier version of this software made are accepted as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventsourcing.persistence import PersistenceError
from psycopg import sql
from psycopg.rows import tuple_row

from ledger.errors import Unavailable
from ledger.storage.database import Database, Engine
from ledger.storage.postgres_pool import connect, library_errors
from ledger.storage.postgres_schema import POSTGRESQL_SCHEMA, SCHEMA
from ledger.storage.private_file import create_private
from ledger.storage.sqlite import SQLiteLedgerFactory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from psycopg import Cursor

POSTGRESQL: Final[Mapping[int, Sequence[str]]] = {1: POSTGRESQL_SCHEMA}
"""What each number stands for in PostgreSQL; SQLite's are in `ledger.storage.schema`."""

VERSION: Final = max(POSTGRESQL)

_LOCK: Final = 0x7472_6961_6C  # any number, but always the same one
_PATIENCE: Final = "SET LOCAL lock_timeout = '60s'"
_VERSIONS: Final = (
    f"CREATE TABLE IF NOT EXISTS {SCHEMA}.schema_version ("
    "number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
)


def migrate(database: Database) -> list[int]:
    """Bring a database's schema up to date; the numbers applied, none when it was.

    Raises Unavailable ``database.newer`` for a schema of a later version than this software knows,
    ``database.refused`` for what a server refuses (rights, no such database, no answer).
    """
    if database.engine is Engine.SQLITE:
        return _migrate_sqlite(database)
    try:
        return _migrate_postgres(database)
    except PersistenceError as error:
        raise Unavailable(
            "database.refused",
            f"The database {database} could not be migrated: {error}.",
            remedy="Check the URL, and that the role may create a schema in the database.",
        ) from error


def version_of(database: Database) -> int:
    """The number of the last migration applied, 0 when none was.

    Raises the library's PersistenceError when the database does not answer.
    """
    if database.engine is Engine.SQLITE:
        return _sqlite_version(database)
    with (
        library_errors(),
        connect({**database.settings, "target_session_attrs": "any"}) as connection,
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        return _current(cursor) if _exists(cursor) else 0


def require_current(database: Database) -> None:
    """Refuse a schema that this software does not fit.

    Raises Unavailable ``database.not-migrated`` or ``database.newer``.
    """
    version = version_of(database)
    if version > VERSION:
        raise _newer(version)
    if database.engine is Engine.SQLITE and not version:
        return  # made before versions were recorded; the tables are those of version 1
    if version < VERSION:
        raise Unavailable(
            "database.not-migrated",
            f"The database's schema has version {version}, this software needs {VERSION}.",
            remedy="Run trial-ledger database migrate under the owner's role.",
        )


def _migrate_postgres(database: Database) -> list[int]:
    with (
        library_errors(),
        connect(database.settings) as connection,
        connection.transaction(),
        connection.cursor(row_factory=tuple_row) as cursor,
    ):
        cursor.execute(_PATIENCE)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not _exists(cursor):
            cursor.execute(_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            cursor.execute(_sql(_VERSIONS))
        return _apply(cursor)


def _migrate_sqlite(database: Database) -> list[int]:
    create_private(database.path)
    before = _sqlite_version(database)
    if before > VERSION:
        raise _newer(before)
    factory = SQLiteLedgerFactory(str(database.path))
    try:
        factory.application_recorder()  # creates what is missing, and sets the version
    finally:
        factory.close()
    return list(range(before + 1, VERSION + 1))


def _sqlite_version(database: Database) -> int:
    if not database.path.is_file():
        return 0  # and looking makes none
    factory = SQLiteLedgerFactory(str(database.path), create=False)
    try:
        return factory.schema_version()
    finally:
        factory.close()


def _apply(cursor: Cursor[tuple[Any, ...]]) -> list[int]:
    current = _current(cursor)
    if current > VERSION:
        raise _newer(current)
    numbers = [number for number in sorted(POSTGRESQL) if number > current]
    for number in numbers:
        for statement in POSTGRESQL[number]:
            cursor.execute(_sql(statement))
        cursor.execute(
            _sql(f"INSERT INTO {SCHEMA}.schema_version (number) VALUES (%s)"),  # noqa: S608
            (number,),
        )
    return numbers


def _exists(cursor: Cursor[tuple[Any, ...]]) -> bool:
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{SCHEMA}.schema_version",))
    row = cursor.fetchone()
    return row is not None and row[0] is True


def _current(cursor: Cursor[tuple[Any, ...]]) -> int:
    statement = f"SELECT COALESCE(max(number), 0) FROM {SCHEMA}.schema_version"  # noqa: S608
    cursor.execute(_sql(statement))
    row = cursor.fetchone()
    return 0 if row is None else int(row[0])


def _sql(statement: str) -> sql.SQL:
    text: Any = statement  # our own constants; nothing foreign is ever put into one
    return sql.SQL(text)


def _newer(version: int) -> Unavailable:
    return Unavailable(
        "database.newer",
        f"The database's schema has version {version}; this software knows up to {VERSION}.",
        remedy="Use the version of trial-ledger that migrated it, or a later one.",
    )

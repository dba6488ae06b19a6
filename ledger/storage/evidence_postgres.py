"""A ledger's PostgreSQL database as evidence: one read-only snapshot, damage included.

Each query stands under a savepoint, so that a value that cannot be read spoils that query alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from ledger.errors import Unavailable
from ledger.storage.postgres_check import check_postgres
from ledger.storage.postgres_pool import connect
from ledger.storage.postgres_schema import COLUMNS, SCHEMA
from ledger.storage.snapshot_evidence import LARGEST_VALUE, SnapshotEvidence

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.concealment.evidence import Reveal
    from ledger.storage.database import Database
    from ledger.storage.schema_check import StorageFinding

_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_COLUMNS_OF: Final = (
    "SELECT attname, attlen > 0, atttypid IN ('text'::regtype, 'bytea'::regtype)"
    " FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass('{table}')"
    " AND attnum > 0 AND NOT attisdropped"
)


class PostgresEvidence(SnapshotEvidence):
    """The stored values of one database from one snapshot, and its head file.

    A role that may only SELECT is enough, and a standby will do.

    Raises:
        Unavailable: ``evidence.unreadable`` when the server does not answer,
            ``evidence.no-ledger`` when the database holds no table of entries.
    """

    _error = psycopg.Error
    _kept = COLUMNS
    _schema = f"{SCHEMA}."

    def __init__(
        self, database: Database, *, head_file: Path | None = None, reveal: Reveal | None = None
    ) -> None:
        super().__init__(head_file=head_file, reveal=reveal)
        try:
            self._connection = connect({**database.settings, "target_session_attrs": "any"})
        except psycopg.Error as error:
            raise _unreadable(database, error) from error
        try:
            # A verification takes as long as it takes, and holds nobody up.
            self._connection.execute("SET statement_timeout = 0")
            self._connection.execute("SET idle_in_transaction_session_timeout = 0")
            self._connection.execute(_BEGIN)
            self._take_in(str(database))
        except psycopg.Error as error:
            self.close()
            raise _unreadable(database, error) from error
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        """End the snapshot."""
        self._connection.close()

    def storage(self) -> list[StorageFinding]:
        """What is wrong with the schema and with what the database refuses to change."""
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            return check_postgres(cursor)

    def _take_in(self, name: str) -> None:
        self._lengths: dict[tuple[str, str], str] = {}
        super()._take_in(name)

    def _columns(self, table: str) -> frozenset[str]:
        rows = self._execute(_COLUMNS_OF.format(table=f"{self._schema}{table}"))
        for name, fixed, plain in rows:
            if not fixed:
                # What is stored may be compressed: it is asked how long it is when it is read.
                self._lengths[table, name] = f"octet_length({name if plain else f'{name}::text'})"
        return frozenset(str(row[0]) for row in rows)

    def _execute(self, statement: str) -> list[tuple[Any, ...]]:
        text: Any = statement
        with (
            self._connection.transaction(),
            self._connection.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            return cursor.execute(sql.SQL(text)).fetchall()

    def _value(self, table: str, column: str) -> str:
        length = self._lengths.get((table, column))
        if length is None:
            return column
        # What was blown up is left out: it would not fit into memory.
        return f"CASE WHEN {length} <= {LARGEST_VALUE} THEN {column} END"

    def _absent(self, _column: str) -> str:
        return "NULL"

    def _bytes(self, value: bytes) -> str:
        return f"'\\x{value.hex()}'::bytea"

    def _no_integers(self, *_columns: str) -> str:
        return "FALSE"  # the columns' types see to it


def _unreadable(database: Database, error: psycopg.Error) -> Unavailable:
    return Unavailable(
        "evidence.unreadable",
        f"{database} cannot be read ({error}).",
        remedy="Check the URL, that the server runs, and that the role may read the ledger.",
    )

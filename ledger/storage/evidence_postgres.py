"""A ledger's PostgreSQL database as evidence: one read-only snapshot, damage included.

A connection of its own with plain SQL: neither the recorder nor the event store's library stands
between the verifier and the stored values. Each query stands under a savepoint, so that a value
that cannot be read spoils that query alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Self

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from ledger.errors import Unavailable
from ledger.storage.head_file import read_head_note
from ledger.storage.postgres_check import check_postgres
from ledger.storage.postgres_pool import connect
from ledger.storage.postgres_schema import COLUMNS, SCHEMA
from ledger.verification.evidence import (
    UNREADABLE,
    HeadNote,
    StoredCheckpoint,
    StoredColumns,
    StoredHead,
    StoredOpening,
    StoredRow,
    StoredTile,
    Unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ledger.concealment.evidence import Reveal
    from ledger.storage.database import Database
    from ledger.storage.schema_check import StorageFinding

_READ: Final = ("stored_events", "checkpoints", "tree_tiles", "openings", "ledger_head")
_LOWEST: Final = -(2**63)
_LARGEST_VALUE: Final = 1_000_000  # bytes as stored; nothing of ours comes near
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class PostgresEvidence:
    """The stored values of one database from one snapshot, and its head file.

    A role that may only SELECT is enough, and a standby will do.

    Raises:
        Unavailable: ``evidence.unreadable`` when the server does not answer,
            ``evidence.no-ledger`` when the database holds no table of entries.
    """

    def __init__(
        self, database: Database, *, head_file: Path | None = None, reveal: Reveal | None = None
    ) -> None:
        self._reveal = reveal
        # The head file is read before the snapshot: what is committed in between only makes the
        # file older than the database, never newer.
        self._head_note = None if head_file is None else read_head_note(head_file)
        try:
            self._connection = connect({**database.settings, "target_session_attrs": "any"})
        except psycopg.Error as error:
            raise _unreadable(database, error) from error
        try:
            # A verification takes as long as it takes, and holds nobody up.
            self._connection.execute("SET statement_timeout = 0")
            self._connection.execute("SET idle_in_transaction_session_timeout = 0")
            self._connection.execute(_BEGIN)
            self._present = {table: self._columns(table) for table in _READ}
        except psycopg.Error as error:
            self.close()
            raise _unreadable(database, error) from error
        if "seq" not in self._present["stored_events"]:
            self.close()
            raise Unavailable(
                "evidence.no-ledger",
                f"{database} holds no table of entries.",
                remedy="Name the ledger's own database.",
            )

    @property
    def keeps_openings(self) -> bool:
        """A database keeps the disclosures."""
        return True

    @property
    def links_checkpoints(self) -> bool:
        """A database keeps the size of the checkpoint before; a missing column is a fault."""
        return "previous" in self._present["checkpoints"]

    def close(self) -> None:
        """End the snapshot."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def faults(self) -> Sequence[tuple[str, str]]:
        """Tables and columns of the ledger that are missing."""
        found: list[tuple[str, str]] = []
        for table in _READ:
            present = self._present[table]
            if not present:
                found.append((table, f"The table {table} is missing."))
                continue
            found.extend(
                (f"{table}.{column}", f"The column {column} of {table} is missing.")
                for column in COLUMNS[table]
                if column not in present
            )
        return found

    def extent(self) -> int:
        """The highest position plus one, by the index or by the head row."""
        try:
            row = self._execute(f"SELECT max(seq) FROM {SCHEMA}.stored_events")  # noqa: S608
        except psycopg.Error:
            head = self.head()
            size = head.size if isinstance(head, StoredHead) else 0
            return size if isinstance(size, int) else 0
        return int(row[0][0]) + 1 if row and isinstance(row[0][0], int) else 0

    def rows(self, after: int | None, limit: int) -> Sequence[StoredRow]:
        """The next rows; those that cannot be read come as `UNREADABLE`."""
        first = _LOWEST if after is None else after + 1
        try:
            found = self._query("stored_events", f"seq >= {first} ORDER BY seq LIMIT {limit}")
        except psycopg.Error:
            stop = max(self.extent(), first)
            # A damaged page makes its neighbours unreadable too: halve until the rest is found.
            while (start := max(first, 0)) < stop:
                page = self._halved(start, min(start + limit, stop))
                if page:
                    return page
                first = start + limit
            return []
        return [_row(values) for values in found]

    def named(self, event_id: bytes) -> StoredRow | None:
        """The row kept under an event id, by the index on it."""
        condition = f"event_id = '\\x{event_id.hex()}'::bytea LIMIT 1"
        found = self._tolerant("stored_events", condition)
        return _row(found[0]) if found else None

    def checkpoints(self, after: int | None, limit: int) -> Sequence[StoredCheckpoint]:
        """The next checkpoints in order of size."""
        first = _LOWEST if after is None else after + 1
        found = self._tolerant("checkpoints", f"size >= {first} ORDER BY size LIMIT {limit}")
        return [StoredCheckpoint(*values) for values in found if isinstance(values[0], int)]

    def tile(self, level: int, index: int) -> StoredTile | None:
        """One full tile."""
        found = self._tolerant("tree_tiles", f"level = {level} AND tile = {index} LIMIT 1")
        return StoredTile(*found[0]) if found else None

    def stray_tiles(self, size: int, limit: int) -> Sequence[StoredTile]:
        """Tiles outside the tree of ``size`` entries."""
        shift = " WHEN ".join(f"{level} THEN {size >> 8 * (level + 1)}" for level in range(7))
        found = self._tolerant(
            "tree_tiles",
            f"tile < 0 OR level < 0 OR tile >= CASE level WHEN {shift} ELSE 0 END LIMIT {limit}",
        )
        return [StoredTile(*values) for values in found]

    def openings(self, first: int, last: int) -> Sequence[StoredOpening]:
        """The disclosures of a range of entries."""
        found = self._tolerant(
            "openings", f"seq >= {first} AND seq <= {last} ORDER BY seq, number LIMIT 100000"
        )
        stored = [StoredOpening(*values) for values in found]
        return stored if self._reveal is None else self._reveal(self.rows, stored)

    def stray_openings(self, size: int, limit: int) -> Sequence[StoredOpening]:
        """Disclosures kept for no entry."""
        found = self._tolerant("openings", f"seq < 0 OR seq >= {size} LIMIT {limit}")
        return [StoredOpening(*values) for values in found]

    def head(self) -> StoredHead | Literal[Unreadable.UNREADABLE] | None:
        """The head row."""
        try:
            found = self._query("ledger_head", "TRUE LIMIT 2")
        except psycopg.Error:
            return UNREADABLE
        return StoredHead(*found[0][1:]) if len(found) == 1 else None

    def head_note(self) -> HeadNote | None:
        """The head file as it was before the snapshot."""
        return self._head_note

    def storage(self) -> list[StorageFinding]:
        """What is wrong with the schema and with what the database refuses to change."""
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            return check_postgres(cursor)

    def _columns(self, table: str) -> frozenset[str]:
        rows = self._execute(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass(%s)"
            " AND attnum > 0 AND NOT attisdropped",
            (f"{SCHEMA}.{table}",),
        )
        return frozenset(str(row[0]) for row in rows)

    def _query(self, table: str, condition: str) -> list[tuple[Any, ...]]:
        present = self._present[table]
        if not present:
            return []
        names = ", ".join(
            # What was blown up is left out: it would not fit into memory.
            f"CASE WHEN pg_column_size({name}) <= {_LARGEST_VALUE} THEN {name} END"
            if name in present
            else "NULL"
            for name in COLUMNS[table]
        )
        # Table, columns and numbers are our own; nothing stored is ever put into the text.
        return self._execute(f"SELECT {names} FROM {SCHEMA}.{table} WHERE {condition}")  # noqa: S608

    def _tolerant(self, table: str, condition: str) -> list[tuple[Any, ...]]:
        try:
            return self._query(table, condition)
        except psycopg.Error:
            return []

    def _execute(self, statement: str, params: tuple[str, ...] | None = None) -> list[Any]:
        text: Any = statement
        with (
            self._connection.transaction(),
            self._connection.cursor(row_factory=tuple_row, binary=True) as cursor,
        ):
            return cursor.execute(sql.SQL(text), params).fetchall()

    def _halved(self, start: int, stop: int) -> list[StoredRow]:
        try:
            found = self._query("stored_events", f"seq >= {start} AND seq < {stop} ORDER BY seq")
            return [_row(values) for values in found]
        except psycopg.Error:
            if stop - start == 1:
                return [StoredRow(start, UNREADABLE)]
        middle = (start + stop) // 2
        return [*self._halved(start, middle), *self._halved(middle, stop)]


def _row(values: tuple[Any, ...]) -> StoredRow:
    seq, originator_id, originator_version, topic, state, event_id = values
    return StoredRow(seq, state, StoredColumns(originator_id, originator_version, topic, event_id))


def _unreadable(database: Database, error: psycopg.Error) -> Unavailable:
    return Unavailable(
        "evidence.unreadable",
        f"{database} cannot be read ({error}).",
        remedy="Check the URL, that the server runs, and that the role may read the ledger.",
    )

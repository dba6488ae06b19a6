"""The file projections lie in: its tables, its generations of rows, and the keys they die with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Self

from eventsourcing.sqlite import (
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteTrackingRecorder,
)

from ledger.errors import Unavailable
from ledger.storage.private_file import create_private
from ledger.storage.transaction import all_rows, writing
from projections.row_tables import (
    FORMAT,
    OF_A_GENERATION,
    TABLES,
    Place,
    PositionMoved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ledger.concealment.rows import RowKey as SealingKey
    from ledger.concealment.rows import RowKeys

LOCK_SECONDS = 10
"""How long a transaction waits for another process's before it gives up."""

_PRAGMAS: Final = (
    # A commit lost with the power is folded again; what is stored stays whole either way.
    "PRAGMA synchronous = NORMAL",
    # What goes is overwritten in its page.
    "PRAGMA secure_delete = ON",
)


class _Pool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        with connection.cursor() as cursor:
            for pragma in _PRAGMAS:
                cursor.execute(pragma)
        return connection


class _Datastore(SQLiteDatastore):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path), lock_timeout=LOCK_SECONDS, originator_id_type="text")
        self.pool.close()
        self.pool = _Pool(db_name=str(path), lock_timeout=LOCK_SECONDS, pool_size=5)


class RowFile(SQLiteTrackingRecorder):
    """Generations of rows in one SQLite file; one is current, others are being made.

    ``genesis_sha256`` ties the file to its ledger: ``adopt`` drops the rows of another one.
    ``keys`` seal what is written; without them rows are in clear, and sealed ones are not read.
    """

    def __init__(self, path: Path, genesis_sha256: str, keys: RowKeys | None = None) -> None:
        self.path = path
        self.keys = keys
        self._secrets: dict[int, SealingKey] = {}
        create_private(path)
        super().__init__(_Datastore(path))
        self.genesis_sha256 = genesis_sha256
        self.create_table()
        self._keep_to_format()
        if not self._all("SELECT 1 FROM projection_state"):
            self.adopt()

    def construct_create_table_statements(self) -> list[str]:
        """The library's tracking table and ours."""
        return [*super().construct_create_table_statements(), *TABLES]

    def fresh_generation(self, fingerprint: str = "") -> Place:
        """Begin a generation beside the current one, on an empty table and under a key of its own.

        ``fingerprint`` names what was erased and restricted by then.
        """
        made = None if self.keys is None else self.keys.new()
        with writing(self.datastore) as cursor:
            current = self._current(cursor)
            cursor.execute("SELECT MAX(generation) FROM projection_heads")
            highest = cursor.fetchone()[0]
            cursor.execute("SELECT MAX(generation) FROM projection_keys")
            keyed = cursor.fetchone()[0]
            generation = max(current, highest or 0, keyed or 0) + 1
            self._drop(cursor, [generation])
            cursor.execute(
                "INSERT INTO projection_keys (generation, fingerprint, kek, wrapped)"
                " VALUES (?, ?, ?, ?)",
                (
                    generation,
                    fingerprint,
                    "" if made is None else made.kek,
                    None if made is None else made.wrapped,
                ),
            )
        if made is not None:
            self._secrets[generation] = made
        return Place(generation, 0, "")

    def swap(self, place: Place) -> None:
        """Make a rebuilt generation the current one and drop all others.

        Raises PositionMoved when it is not at the place named, or was dropped meanwhile: its key
        went with it, and without that nobody else could read what is written under it.
        """
        with writing(self.datastore) as cursor:
            cursor.execute(
                "SELECT 1 FROM projection_keys WHERE generation = ?", (place.generation,)
            )
            kept = cursor.fetchone() is not None
            if not kept or self._place(cursor, place.generation) != place:
                raise PositionMoved
            cursor.execute("UPDATE projection_state SET generation = ?", (place.generation,))
            for table in OF_A_GENERATION:
                cursor.execute(
                    f"DELETE FROM {table} WHERE generation <> ?",  # noqa: S608
                    (place.generation,),
                )
        self._secrets = {g: key for g, key in self._secrets.items() if g == place.generation}

    def fits(self, generation: int, fingerprint: str) -> bool:
        """Whether a generation was made under a fingerprint, and can be read with our keys."""
        rows = self._all(
            "SELECT fingerprint, wrapped FROM projection_keys WHERE generation = ?", (generation,)
        )
        if not rows:
            return self.keys is None and not fingerprint
        if rows[0][0] != fingerprint or (rows[0][1] is None) != (self.keys is None):
            return False
        return self.keys is None or self._secret(generation) is not None

    @property
    def sealed(self) -> bool:
        """Whether the rows there are stand under a key."""
        return bool(self._all("SELECT 1 FROM projection_keys WHERE wrapped IS NOT NULL"))

    def scrub(self) -> bool:
        """Empty the write-ahead log, so that what was deleted is in no file; False if not now."""
        with (
            self.datastore.get_connection(commit=False) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            row = cursor.fetchone()
        return row is None or row[0] == 0

    def copied(self, path: Path) -> Self:
        """The file as of one moment, copied to a path and opened there; others write meanwhile."""
        create_private(path)
        with (
            closing(sqlite3.connect(self.path, timeout=LOCK_SECONDS)) as source,
            closing(sqlite3.connect(path)) as copy,
        ):
            source.backup(copy)
        return type(self)(path, self.genesis_sha256, self.keys)

    def close(self) -> None:
        """Close the file."""
        self.datastore.close()

    @property
    def adopted(self) -> bool:
        """Whether the rows are of this ledger."""
        rows = self._all("SELECT genesis_sha256 FROM projection_state WHERE id = 1")
        return [row[0] for row in rows] == [self.genesis_sha256]

    def adopt(self) -> None:
        """Drop rows that are of another ledger and begin anew for this one."""
        if self.adopted:
            return
        with writing(self.datastore) as cursor:
            cursor.execute("SELECT generation FROM projection_heads")
            self._drop(cursor, [found[0] for found in cursor.fetchall()])
            cursor.execute(
                "INSERT OR REPLACE INTO projection_state (id, generation, genesis_sha256)"
                " VALUES (1, 1, ?)",
                (self.genesis_sha256,),
            )

    @staticmethod
    def _drop(cursor: SQLiteCursor, generations: Iterable[int]) -> None:
        for generation in generations:
            for table in OF_A_GENERATION:
                cursor.execute(
                    f"DELETE FROM {table} WHERE generation = ?",  # noqa: S608
                    (generation,),
                )
            cursor.execute(
                "DELETE FROM tracking WHERE application_name = ?", (tracking_name(generation),)
            )

    def _keep_to_format(self) -> None:
        """Drop rows that another version stored; they are made again as if there had been none."""
        if self._all("PRAGMA user_version")[0][0] == FORMAT:
            return
        with writing(self.datastore) as cursor:
            cursor.execute("SELECT generation FROM projection_heads")
            self._drop(cursor, [found[0] for found in cursor.fetchall()])
            cursor.execute("DELETE FROM projection_state")
            cursor.execute("DROP TABLE projection_rows")
            for table in TABLES:
                cursor.execute(table)
            cursor.execute(f"PRAGMA user_version = {FORMAT}")

    def _secret(self, generation: int) -> SealingKey | None:
        """The key of a generation; None where its rows are in clear or cannot be read."""
        if generation not in self._secrets:
            rows = self._all(
                "SELECT kek, wrapped FROM projection_keys WHERE generation = ?", (generation,)
            )
            kept = rows[0] if rows and rows[0][1] is not None else None
            found = self.keys.unwrap(kept[0], bytes(kept[1])) if kept and self.keys else None
            if found is None:
                return None
            self._secrets[generation] = found
        return self._secrets[generation]

    def _sealer(self, generation: int) -> Callable[..., str | bytes]:
        secret = self._secret(generation)
        if secret is not None:
            return secret.seal
        if self.keys is not None:
            raise PositionMoved  # made by somebody without keys; it is to be made anew
        return lambda text, *_: text

    def _opened(self, stored: str | bytes, generation: int, *place: str) -> str:
        if isinstance(stored, str):
            return stored
        secret = self._secret(generation)
        if secret is None:
            raise Unavailable(
                "projections.behind",
                "The projections are being made anew.",
                remedy="Ask again; they follow the log.",
            )
        return secret.open(stored, *place)

    def _place(self, cursor: SQLiteCursor, generation: int | None) -> Place:
        wanted = self._current(cursor) if generation is None else generation
        position = self._max_tracking_id(tracking_name(wanted), cursor) or 0
        cursor.execute("SELECT entry_sha256 FROM projection_heads WHERE generation = ?", (wanted,))
        row = cursor.fetchone()
        return Place(wanted, position, row[0] if row else "")

    @staticmethod
    def _current(cursor: SQLiteCursor) -> int:
        cursor.execute("SELECT generation FROM projection_state WHERE id = 1")
        row = cursor.fetchone()
        return int(row[0]) if row else 1

    def _all(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        return all_rows(self.datastore, sql, params)


def tracking_name(generation: int) -> str:
    """The name under which the library tracks how far a generation goes."""
    return f"projections/{generation}"

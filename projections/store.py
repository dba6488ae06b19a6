"""Where projections are kept: rows and position in one transaction, in a file of their own.

It builds on the library's tracking recorder. The ledger's database has one writer and grants no
right to change rows, so they lie in an SQLite file of each node, ``<database>.projections``; it
can be thrown away at any time and is made again.

Rows hold opened text, so their bodies are sealed under a key of their generation, which is
destroyed with it: rows made before an erasure cannot be read from any copy's freed pages.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from eventsourcing.persistence import Tracking
from eventsourcing.sqlite import SQLiteCursor, SQLiteDatastore, SQLiteTrackingRecorder

from ledger.errors import Unavailable
from ledger.signing.strict_json import canonical
from ledger.storage.private_file import create_private
from ledger.storage.transaction import all_rows, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ledger.concealment.rows import RowKey as SealingKey
    from ledger.concealment.rows import RowKeys
    from ledger.signing.strict_json import JsonObject

LOCK_SECONDS = 10
"""How long a transaction waits for another process's before it gives up."""

RowKey: TypeAlias = tuple[str, str]
"""Projection and key."""

_PARKED: Final = "parked"
_OF_A_GENERATION: Final = (
    "projection_rows",
    "parked_entries",
    "projection_heads",
    "projection_keys",
)

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS projection_rows (
    generation INTEGER NOT NULL,
    projection TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (generation, projection, key)
) WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS parked_entries (
    generation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (generation, seq)
) WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS projection_heads (
    generation INTEGER PRIMARY KEY,
    entry_sha256 TEXT NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS projection_keys (
    generation INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    kek TEXT NOT NULL,
    wrapped BLOB
)
""",
    """
CREATE TABLE IF NOT EXISTS projection_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL,
    genesis_sha256 TEXT NOT NULL
)
""",
)


class PositionMoved(Exception):
    """Somebody else folded on, or swapped the rows, since the position was read."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the rows of a generation go: ``position`` counts the entries folded.

    ``entry_sha256`` is the hash of the last of them, empty at position 0.
    """

    generation: int
    position: int
    entry_sha256: str


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry that could not be folded and why; it needs somebody's attention."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Fold:
    """What one page of entries makes of the rows; a body of None takes the row away."""

    before: Place
    after: Place
    rows: Mapping[RowKey, JsonObject | None]
    parked: Sequence[Parked]


class ProjectionStore(SQLiteTrackingRecorder):
    """Rows ``(projection, key) -> canonical JSON`` by generation; one generation is current.

    ``genesis_sha256`` ties the file to its ledger: ``adopt`` drops the rows of another one.
    ``keys`` seal what is written; without them rows are in clear, and sealed ones are not read.
    """

    def __init__(self, path: Path, genesis_sha256: str, keys: RowKeys | None = None) -> None:
        self.path = path
        self.keys = keys
        self._secrets: dict[int, SealingKey] = {}
        create_private(path)
        super().__init__(
            SQLiteDatastore(str(path), lock_timeout=LOCK_SECONDS, originator_id_type="text")
        )
        self.genesis_sha256 = genesis_sha256
        self.create_table()
        if not self._all("SELECT 1 FROM projection_state"):
            self.adopt()

    def construct_create_table_statements(self) -> list[str]:
        """The library's tracking table and ours."""
        return [*super().construct_create_table_statements(), *_TABLES]

    def place(self, generation: int | None = None) -> Place:
        """How far a generation goes, the current one unless another is named."""
        with self.datastore.transaction(commit=False) as cursor:
            return self._place(cursor, generation)

    def commit(self, fold: Fold) -> None:
        """Write rows, parked entries and position in one transaction, exactly once.

        Raises PositionMoved when the place is no longer the one the page was folded from.
        """
        generation = fold.before.generation
        with self._writing() as cursor:
            if self._place(cursor, generation) != fold.before:
                raise PositionMoved
            secret = self._sealer(generation)
            self._write_rows(cursor, generation, fold.rows, secret)
            cursor.executemany(
                "INSERT INTO parked_entries (generation, seq, code, message) VALUES (?, ?, ?, ?)",
                [
                    (generation, row.seq, row.code, secret(row.message, _PARKED, str(row.seq)))
                    for row in fold.parked
                ],
            )
            cursor.execute(
                "INSERT INTO projection_heads (generation, entry_sha256) VALUES (?, ?)"
                " ON CONFLICT (generation) DO UPDATE SET entry_sha256 = excluded.entry_sha256",
                (generation, fold.after.entry_sha256),
            )
            self._insert_tracking(cursor, Tracking(_name(generation), fold.after.position))

    def fresh_generation(self, fingerprint: str = "") -> Place:
        """Begin a generation beside the current one, on an empty table and under a key of its own.

        ``fingerprint`` names what was erased and restricted by then.
        """
        made = None if self.keys is None else self.keys.new()
        with self._writing() as cursor:
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

    def swap(self, place: Place) -> None:
        """Make a rebuilt generation the current one and drop all others.

        Raises PositionMoved when it is not at the place named.
        """
        with self._writing() as cursor:
            if self._place(cursor, place.generation) != place:
                raise PositionMoved
            cursor.execute("UPDATE projection_state SET generation = ?", (place.generation,))
            for table in _OF_A_GENERATION:
                cursor.execute(
                    f"DELETE FROM {table} WHERE generation <> ?",  # noqa: S608
                    (place.generation,),
                )
        self._secrets = {g: key for g, key in self._secrets.items() if g == place.generation}

    def row(self, projection: str, key: str) -> str | None:
        """The body of a row, as canonical JSON."""
        found = self._all(
            "SELECT body, projection_rows.generation FROM projection_rows, projection_state"
            " WHERE id = 1 AND projection_rows.generation = projection_state.generation"
            " AND projection = ? AND key = ?",
            (projection, key),
        )
        return self._opened(found[0][0], found[0][1], projection, key) if found else None

    def rows(
        self, projection: str, *, after: str = "", limit: int = -1, generation: int | None = None
    ) -> list[tuple[str, str]]:
        """Keys and bodies of a projection in order of keys, from after ``after`` on."""
        return [
            (row[0], self._opened(row[1], row[2], projection, row[0]))
            for row in self._all(
                "SELECT key, body, generation FROM projection_rows WHERE projection = ? AND key > ?"
                " AND generation = COALESCE(?, (SELECT generation FROM projection_state))"
                " ORDER BY key LIMIT ?",
                (projection, after, generation, limit),
            )
        ]

    def sections(self, key: str) -> dict[str, str]:
        """All rows of one key, by projection, as of one moment."""
        return {
            row[0]: self._opened(row[1], row[2], row[0], key)
            for row in self._all(
                "SELECT projection, body, projection_rows.generation"
                " FROM projection_rows, projection_state WHERE id = 1"
                " AND projection_rows.generation = projection_state.generation AND key = ?",
                (key,),
            )
        }

    def dump(self, *, after: RowKey = ("", ""), limit: int = 500) -> list[tuple[str, str, str]]:
        """All rows of the current generation in order of projection and key, by pages."""
        return [
            (row[0], row[1], self._opened(row[2], row[3], row[0], row[1]))
            for row in self._all(
                "SELECT projection, key, body, generation FROM projection_rows"
                " WHERE generation = (SELECT generation FROM projection_state)"
                " AND (projection, key) > (?, ?) ORDER BY projection, key LIMIT ?",
                (*after, limit),
            )
        ]

    def parked(self, generation: int | None = None) -> list[Parked]:
        """The entries that could not be folded."""
        return [
            Parked(row[0], row[1], self._opened(row[2], row[3], _PARKED, str(row[0])))
            for row in self._all(
                "SELECT seq, code, message, generation FROM parked_entries WHERE generation ="
                " COALESCE(?, (SELECT generation FROM projection_state)) ORDER BY seq",
                (generation,),
            )
        ]

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
        with self._writing() as cursor:
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
            for table in _OF_A_GENERATION:
                cursor.execute(
                    f"DELETE FROM {table} WHERE generation = ?",  # noqa: S608
                    (generation,),
                )
            cursor.execute("DELETE FROM tracking WHERE application_name = ?", (_name(generation),))

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

    @staticmethod
    def _write_rows(
        cursor: SQLiteCursor,
        generation: int,
        rows: Mapping[RowKey, JsonObject | None],
        sealed: Callable[..., str | bytes],
    ) -> None:
        cursor.executemany(
            "INSERT INTO projection_rows (generation, projection, key, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (generation, projection, key) DO UPDATE SET body = excluded.body",
            [
                (generation, projection, key, sealed(canonical(body).decode(), projection, key))
                for (projection, key), body in rows.items()
                if body is not None
            ],
        )
        cursor.executemany(
            "DELETE FROM projection_rows WHERE generation = ? AND projection = ? AND key = ?",
            [
                (generation, projection, key)
                for (projection, key), body in rows.items()
                if body is None
            ],
        )

    def _place(self, cursor: SQLiteCursor, generation: int | None) -> Place:
        wanted = self._current(cursor) if generation is None else generation
        position = self._max_tracking_id(_name(wanted), cursor) or 0
        cursor.execute("SELECT entry_sha256 FROM projection_heads WHERE generation = ?", (wanted,))
        row = cursor.fetchone()
        return Place(wanted, position, row[0] if row else "")

    @staticmethod
    def _current(cursor: SQLiteCursor) -> int:
        cursor.execute("SELECT generation FROM projection_state WHERE id = 1")
        row = cursor.fetchone()
        return int(row[0]) if row else 1

    @contextmanager
    def _writing(self) -> Iterator[SQLiteCursor]:
        with writing(self.datastore) as cursor:
            cursor.execute("PRAGMA secure_delete = ON")  # what goes is overwritten in its page
            yield cursor

    def _all(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        return all_rows(self.datastore, sql, params)


def _name(generation: int) -> str:
    return f"projections/{generation}"

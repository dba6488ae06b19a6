"""Where projections are kept: rows and position in one transaction, in a file of their own.

It builds on the library's tracking recorder. The ledger's database has one writer and grants no
right to change rows, so they lie in an SQLite file of each node, ``<database>.projections``; it
can be thrown away at any time and is made again.

Rows hold opened text, so their bodies are sealed under a key of their generation, which is
destroyed with it: rows made before an erasure cannot be read from any copy's freed pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventsourcing.persistence import Tracking

from ledger.storage.transaction import writing
from projections.kept import body_of
from projections.row_file import RowFile, tracking_name
from projections.row_tables import (
    Fold,
    Parked,
    Place,
    PositionMoved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eventsourcing.sqlite import (
        SQLiteCursor,
    )

    from ledger.signing.strict_json import JsonObject
    from projections.row_tables import RowKey


_PARKED = "parked"


class ProjectionStore(RowFile):
    """Rows ``(projection, key) -> JSON`` by generation, with the position they go to.

    ``genesis_sha256`` and ``keys`` are those of the file.
    """

    def place(self, generation: int | None = None) -> Place:
        """How far a generation goes, the current one unless another is named."""
        with self.datastore.transaction(commit=False) as cursor:
            return self._place(cursor, generation)

    def commit(self, fold: Fold) -> None:
        """Write rows, parked entries and position in one transaction, exactly once.

        Raises PositionMoved when the place is no longer the one the page was folded from.
        """
        generation = fold.before.generation
        with writing(self.datastore) as cursor:
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
            self._insert_tracking(cursor, Tracking(tracking_name(generation), fold.after.position))

    def row(self, projection: str, key: str) -> str | None:
        """The body of a row, as canonical JSON."""
        found = self._all(
            "SELECT body, projection_rows.generation FROM projection_rows, projection_state"
            " WHERE id = 1 AND projection_rows.generation = projection_state.generation"
            " AND projection = ? AND key = ?",
            (projection, key),
        )
        return self._opened(found[0][0], found[0][1], projection, key) if found else None

    def row_of(self, generation: int, projection: str, key: str) -> str | None:
        """The body of a row of a generation."""
        found = self._all(
            "SELECT body FROM projection_rows WHERE generation = ? AND projection = ? AND key = ?",
            (generation, projection, key),
        )
        return self._opened(found[0][0], generation, projection, key) if found else None

    def keys_of(self, generation: int, projection: str, first: str, stop: str) -> list[str]:
        """The keys of a projection of a generation with ``first <= key < stop``, in order."""
        rows = self._all(
            "SELECT key FROM projection_rows WHERE generation = ? AND projection = ?"
            " AND key >= ? AND key < ? ORDER BY key",
            (generation, projection, first, stop),
        )
        return [row[0] for row in rows]

    def rows(
        self,
        projection: str,
        *,
        after: str = "",
        limit: int = -1,
    ) -> list[tuple[str, str]]:
        """Keys and bodies of a projection in order of keys, from after ``after`` on."""
        return [
            (row[0], self._opened(row[1], row[2], projection, row[0]))
            for row in self._between(projection, after, None, limit)
        ]

    def chosen(
        self,
        projection: str,
        wanted: Callable[[str], bool],
        *,
        after: str,
        stop: str | None = None,
        limit: int,
    ) -> tuple[list[tuple[str, str]], str | None]:
        """Of the next ``limit`` rows those whose keys are wanted, and the last key looked at.

        The key is None when there are no more rows.
        """
        rows = self._between(projection, after, stop, limit)
        found = [
            (row[0], self._opened(row[1], row[2], projection, row[0]))
            for row in rows
            if wanted(row[0])
        ]
        return found, rows[-1][0] if len(rows) == limit else None

    def sections(self, projections: Sequence[str], key: str) -> dict[str, str]:
        """The rows of one key in some projections, as of one moment."""
        marks = ",".join("?" * len(projections))
        return {
            row[0]: self._opened(row[1], row[2], row[0], key)
            for row in self._all(
                "SELECT projection, body, generation FROM projection_rows"  # noqa: S608
                " WHERE generation = (SELECT generation FROM projection_state)"
                f" AND projection IN ({marks}) AND key = ?",
                (*projections, key),
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

    def _between(
        self, projection: str, after: str, stop: str | None, limit: int
    ) -> list[tuple[str, str | bytes, int]]:
        rows: list[tuple[str, str | bytes, int]] = self._all(
            "SELECT key, body, generation FROM projection_rows"
            " WHERE generation = (SELECT generation FROM projection_state)"
            " AND projection = ? AND key > ? AND (? IS NULL OR key < ?) ORDER BY key LIMIT ?",
            (projection, after, stop, stop, limit),
        )
        return rows

    @staticmethod
    def _write_rows(
        cursor: SQLiteCursor,
        generation: int,
        rows: Mapping[RowKey, str | None],
        sealed: Callable[..., str | bytes],
    ) -> None:
        cursor.executemany(
            "INSERT INTO projection_rows (generation, projection, key, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (generation, projection, key) DO UPDATE SET body = excluded.body",
            [
                (generation, projection, key, sealed(text, projection, key))
                for (projection, key), text in rows.items()
                if text is not None
            ],
        )
        cursor.executemany(
            "DELETE FROM projection_rows WHERE generation = ? AND projection = ? AND key = ?",
            [
                (generation, projection, key)
                for (projection, key), text in rows.items()
                if text is None
            ],
        )


class StoredRows:
    """The rows of one generation, as a fold goes on from them."""

    def __init__(self, store: ProjectionStore, generation: int) -> None:
        self._store, self._generation = store, generation

    def one(self, projection: str, key: str) -> JsonObject | None:
        """The body of a row."""
        text = self._store.row_of(self._generation, projection, key)
        return None if text is None else body_of(text)

    def keys(self, projection: str, first: str, stop: str) -> list[str]:
        """The keys of a projection with ``first <= key < stop``, in order."""
        return self._store.keys_of(self._generation, projection, first, stop)

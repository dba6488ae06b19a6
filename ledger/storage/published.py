"""Published checkpoints and the cosignatures they have gathered, in a file of their own.

Beside the ledger's database and not in it, so that the ledger's file keeps its one writer and a
slow witness never stands before a commit. Rows are only ever added, and counted when they are: a
row that is gone is missed by `ledger.verification.tally`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import Unavailable
from ledger.log.cosignature import add_signatures
from ledger.storage.published_schema import make_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_SECONDS = 5


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    """A published checkpoint: tree size, and the note with every signature line it has."""

    size: int
    note: str


class PublishedCheckpoints:
    """The file of published checkpoints; any thread and any process may use it.

    Raises:
        Unavailable: ``published.unavailable`` when the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._connected() as connection:
            make_schema(connection)

    def publish(self, size: int, note: str) -> None:
        """Keep a checkpoint's note with the log's own lines; one already kept stays."""
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO published_checkpoints (size, note) SELECT ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM published_checkpoints WHERE size = ?)",
                (size, note, size),
            )

    def add_cosignature(self, size: int, vkey: str, line: str) -> None:
        """Keep a cosigner's line (with its newline) for a published checkpoint; the first stays."""
        with self._connected() as connection:
            connection.execute(
                "INSERT INTO cosignatures (size, vkey, line) SELECT ?, ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM cosignatures WHERE size = ? AND vkey = ?)",
                (size, vkey, line, size, vkey),
            )

    def newest(self) -> PublishedCheckpoint | None:
        """The newest published checkpoint."""
        with self._connected() as connection:
            row = connection.execute("SELECT MAX(size) FROM published_checkpoints").fetchone()
            return self._read(connection, row[0]) if row[0] is not None else None

    def at(self, size: int) -> PublishedCheckpoint | None:
        """The published checkpoint of a size."""
        with self._connected() as connection:
            return self._read(connection, size)

    def up_to(self, size: int) -> PublishedCheckpoint | None:
        """The newest published checkpoint of a tree of at most ``size`` entries."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT MAX(size) FROM published_checkpoints WHERE size <= ?", (size,)
            ).fetchone()
            return self._read(connection, row[0]) if row[0] is not None else None

    def after(self, size: int, *, limit: int) -> list[PublishedCheckpoint]:
        """Published checkpoints of larger trees, in order of size."""
        sql = "SELECT size FROM published_checkpoints WHERE size > ? ORDER BY size LIMIT ?"
        return self._all(sql, (size, limit))

    def cosigned_after(self, size: int, *, limit: int) -> list[PublishedCheckpoint]:
        """The newest published checkpoints of larger trees that have cosignatures, newest first."""
        sql = "SELECT DISTINCT size FROM cosignatures WHERE size > ? ORDER BY size DESC LIMIT ?"
        return self._all(sql, (size, limit))

    def newest_by(self, vkey: str) -> PublishedCheckpoint | None:
        """The newest published checkpoint that a cosigner has cosigned."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT MAX(size) FROM cosignatures WHERE vkey = ?", (vkey,)
            ).fetchone()
            return self._read(connection, row[0]) if row[0] is not None else None

    def _all(self, sql: str, params: tuple[int, int]) -> list[PublishedCheckpoint]:
        with self._connected() as connection:
            sizes = [row[0] for row in connection.execute(sql, params)]
            found = [self._read(connection, size) for size in sizes]
        return [one for one in found if one is not None]

    @staticmethod
    def _read(connection: sqlite3.Connection, size: int) -> PublishedCheckpoint | None:
        row = connection.execute(
            "SELECT note FROM published_checkpoints WHERE size = ?", (size,)
        ).fetchone()
        if row is None:
            return None
        lines = connection.execute(
            "SELECT line FROM cosignatures WHERE size = ? ORDER BY vkey", (size,)
        ).fetchall()
        return PublishedCheckpoint(size, add_signatures(row[0], (line for (line,) in lines)))

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with (
                closing(sqlite3.connect(self.path, timeout=_LOCK_SECONDS)) as connection,
                connection,
            ):
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        except sqlite3.Error as error:
            raise Unavailable(
                "published.unavailable",
                f"The file of published checkpoints {self.path.name} cannot be used ({error}).",
            ) from error

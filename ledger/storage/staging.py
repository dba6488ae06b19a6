"""A ledger's database file that is being made ready: pages of entries enter it in bulk.

Nobody else has the file open and whatever goes wrong throws it away, so nothing is synced before
`Staging.finish`, and the triggers stand aside meanwhile: what entered is verified as a whole then.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ledger.log.chain import ChainHead
    from ledger.log.tiles import FullTile
    from ledger.storage.commit import Opening

Row = tuple[int, str, int, str, bytes, bytes]
"""Position, stream, number in it, type, bytes and event id (16 bytes) of an entry."""

_UNSYNCED: Final = ("PRAGMA synchronous = OFF", "PRAGMA cache_size = -65536")
_SYNCED: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA journal_mode = DELETE",
)
_TRIGGERS: Final = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name"
_ENTRY: Final = (
    "INSERT INTO stored_events (seq, originator_id, originator_version, topic, state, event_id)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_READ: Final = (
    "SELECT seq, originator_id, originator_version, topic, state, event_id FROM stored_events"
)
_TILE: Final = "INSERT INTO tree_tiles (level, tile, hashes, root) VALUES (?, ?, ?, ?)"
_CHECKPOINT: Final = "INSERT INTO checkpoints (size, note, previous) VALUES (?, ?, ?)"
_OPENING: Final = "INSERT INTO openings (seq, number, disclosure) VALUES (?, ?, ?)"
_HEAD: Final = "UPDATE ledger_head SET size = ?, hash = ?, recorded_at = ?"


class Staging:
    """Writes to a ledger's database file that is no one's yet.

    Raises Unavailable ``restore.not-written``, IntegrityFailure ``restore.repeated`` when something
    comes in that is there already.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._triggers: list[tuple[str, str]] = self._connection.execute(_TRIGGERS).fetchall()
        for pragma in _UNSYNCED:
            self._connection.execute(pragma)
        with self._writing():
            for name, _ in self._triggers:
                self._connection.execute(f'DROP TRIGGER "{name}"')

    def add(
        self,
        rows: Sequence[Row],
        tiles: Iterable[FullTile],
        checkpoints: Iterable[tuple[int, str, int]],
        head: ChainHead,
    ) -> None:
        """Add entries with the tiles they complete and the checkpoints over them.

        ``checkpoints`` are size, note and the size of the one before; ``head`` is the chain's end.
        """
        with self._writing(rows[0][0]):
            self._connection.executemany(_ENTRY, rows)
            self._connection.executemany(
                _TILE, [(tile.level, tile.index, tile.hashes, tile.root) for tile in tiles]
            )
            self._connection.executemany(_CHECKPOINT, checkpoints)
            self._connection.execute(_HEAD, (head.size, head.hash, head.recorded_at))

    def rows_of(self, streams: Sequence[str]) -> Iterator[Row]:
        """The entries of some streams that are there, in order."""
        return self._rows("originator_id", streams)

    def rows_at(self, positions: Sequence[int]) -> list[Row]:
        """The entries at some positions, in order."""
        return [*self._rows("seq", positions)]

    def keep(self, openings: Sequence[Opening]) -> None:
        """Add openings of entries that are there."""
        if openings:
            with self._writing(openings[0].seq):
                self._connection.executemany(
                    _OPENING, [(one.seq, one.number, one.disclosure) for one in openings]
                )

    def finish(self) -> None:
        """Put the triggers back and make all of it durable, in one file without a log beside."""
        with self._writing():
            for _, sql in self._triggers:
                self._connection.execute(sql)
        try:
            for pragma in _SYNCED:
                self._connection.execute(pragma).fetchall()
        except sqlite3.Error as error:
            raise _not_written(error) from error

    def close(self) -> None:
        """Close the file, finished or not."""
        self._connection.close()

    def _rows(self, column: str, values: Sequence[str] | Sequence[int]) -> Iterator[Row]:
        marks = ", ".join("?" * len(values))
        # The column is our own; what it is compared with is bound.
        asked = f"{_READ} WHERE {column} IN ({marks}) ORDER BY seq"
        return iter(self._connection.execute(asked, values))

    @contextmanager
    def _writing(self, position: int = 0) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise
        except sqlite3.IntegrityError as error:
            raise IntegrityFailure(
                "restore.repeated",
                f"From entry {position} on something stands twice ({error}).",
                where=str(position),
                remedy="This copy is not of the log. Keep it, and look for another copy.",
            ) from error
        except sqlite3.Error as error:
            raise _not_written(error) from error


def _not_written(error: sqlite3.Error) -> Unavailable:
    return Unavailable(
        "restore.not-written",
        f"What came back could not be written ({error}).",
        remedy="Make room on the disk, then try again; nothing was put in place.",
    )

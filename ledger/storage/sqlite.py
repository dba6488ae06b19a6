"""The SQLite recorder: entries, chain head, tree and checkpoint in one transaction.

It builds on the library's recorder and replaces what would bite: positions are ours and have no
gap, the write lock is taken before anything is read, nothing stored can be overwritten, and the
file is set up for full durability (WAL with ``synchronous=FULL``).
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from eventsourcing.persistence import (
    OperationalError,
    ProgrammingError,
    StoredEvent,
)
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteFactory,
)

from ledger.log.chain import ChainHead, StreamHead
from ledger.log.entry import parse_entry
from ledger.log.tree import leaf_hash
from ledger.storage.commit import Commit, HeadMoved
from ledger.storage.schema import PAGE_SIZE, SQLITE_PRAGMAS, SQLITE_SCHEMA
from ledger.storage.transaction import all_rows, writing
from ledger.storage.typed import blob, other_type

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

LOCK_SECONDS = 10
"""How long a writer waits for another process's transaction before it gives up."""

_PAUSE_SECONDS = 0.01

_INSERT = (
    "INSERT INTO stored_events (seq, originator_id, originator_version, topic, state, event_id)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_SWAP_HEAD = (
    "UPDATE ledger_head SET size = ?, hash = ?, recorded_at = ? WHERE size = ? AND hash = ?"
)


class LedgerPool(SQLiteConnectionPool):
    """Connections with the page size, cache and durability a ledger needs."""

    def _create_connection(self) -> SQLiteConnection:
        self._lay_out()
        connection = super()._create_connection()
        with connection.cursor() as cursor:
            for pragma in SQLITE_PRAGMAS:
                cursor.execute(pragma)
        return connection

    def _lay_out(self) -> None:
        # The page size counts only before the file has its first page; switching to WAL writes it.
        # SQLite's own time-out does not cover that switch when several processes start together.
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            fresh = sqlite3.connect(self.db_name, uri=True, timeout=LOCK_SECONDS)
            try:
                if fresh.execute("PRAGMA page_count").fetchone()[0] == 0:
                    fresh.execute(PAGE_SIZE)
                if fresh.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    fresh.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if time.monotonic() > deadline:
                    raise OperationalError(error) from error
                time.sleep(_PAUSE_SECONDS)
            else:
                return
            finally:
                fresh.close()


class SQLiteLedgerRecorder(SQLiteApplicationRecorder):
    """Records entries with the chain's head swapped in the same transaction.

    The notification id of an entry is its ``seq``; ``state`` is the entry's bytes.
    """

    def construct_create_table_statements(self) -> list[str]:
        """The tables and the triggers that keep them append-only."""
        return list(SQLITE_SCHEMA)

    def create_table(self) -> None:
        """Create what is missing; safe when several processes start together."""
        with self._writing() as cursor:
            self._create_table(cursor)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record a group of entries; ``commit`` says what enters with them.

        Raises HeadMoved when another writer was first, and the library's OperationalError when
        the database cannot take the write now.
        """
        commit = kwargs.pop("commit", None)
        kwargs.pop("tracking", None)
        if not isinstance(commit, Commit):
            raise ProgrammingError("Entries are recorded together with a Commit only.")
        if not stored_events:
            return []
        with self._writing() as cursor:
            self._swap_head(cursor, commit)
            first = commit.before.size
            cursor.executemany(
                _INSERT,
                [
                    (
                        first + n,
                        event.originator_id,
                        event.originator_version,
                        event.topic,
                        event.state,
                        event_id,
                    )
                    for n, (event, event_id) in enumerate(
                        zip(stored_events, kwargs["event_ids"], strict=True)
                    )
                ],
            )
            cursor.executemany(
                "INSERT INTO openings (seq, number, disclosure) VALUES (?, ?, ?)",
                [(o.seq, o.number, o.disclosure) for o in commit.openings],
            )
            cursor.executemany(
                "INSERT INTO tree_tiles (level, tile, hashes, root) VALUES (?, ?, ?, ?)",
                [(t.level, t.index, t.hashes, t.root) for t in commit.tiles],
            )
            cursor.execute(
                "INSERT INTO checkpoints (size, note, previous) VALUES (?, ?, ?)",
                (commit.after.size, commit.checkpoint, commit.before.size),
            )
        return list(range(first, first + len(stored_events)))

    def settle(self) -> None:
        """Nothing: what SQLite shows is synced, and nobody else keeps a copy of it."""

    def head(self) -> ChainHead:
        """The chain's head as the head row states it."""
        row = self._one("SELECT size, hash, recorded_at FROM ledger_head")
        if row is None:
            return ChainHead()
        if tuple(map(type, row)) != (int, str, str):
            raise other_type("ledger_head")
        return ChainHead(row[0], row[1], row[2])

    def entries(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Positions and bytes of the entries in ``start <= seq < stop``, in order."""
        return [
            (row[0], blob(row[1]))
            for row in self._all(
                "SELECT seq, state FROM stored_events WHERE seq >= ? AND seq < ? ORDER BY seq",
                (start, stop),
            )
        ]

    def entry(self, seq: int) -> bytes | None:
        """The bytes of one entry."""
        row = self._one("SELECT state FROM stored_events WHERE seq = ?", (seq,))
        return blob(row[0]) if row else None

    def position_of(self, event_id: str) -> int | None:
        """The position of the entry that holds an event id."""
        row = self._one("SELECT seq FROM stored_events WHERE event_id = ?", (UUID(event_id).bytes,))
        return row[0] if row else None

    def positions_of(self, event_ids: Sequence[str]) -> dict[str, int]:
        """The positions of the entries that hold these event ids; what is not there is left out."""
        given = {UUID(event_id).bytes: event_id for event_id in event_ids}
        marks = ",".join("?" * len(given))
        sql = f"SELECT seq, event_id FROM stored_events WHERE event_id IN ({marks})"  # noqa: S608
        return {given[row[1]]: row[0] for row in self._all(sql, tuple(given))}

    def positions_of_types(self, types: Sequence[str], *, start: int = 0) -> list[int]:
        """The positions of all entries of some types, in order."""
        marks = ",".join("?" * len(types))
        sql = f"SELECT seq FROM stored_events WHERE seq >= ? AND topic IN ({marks}) ORDER BY seq"  # noqa: S608
        return [row[0] for row in self._all(sql, (start, *types))]

    def stream_head(self, stream: str) -> StreamHead:
        """Where a stream ends, read from its last entry."""
        row = self._one(
            "SELECT state FROM stored_events WHERE originator_id = ?"
            " ORDER BY originator_version DESC LIMIT 1",
            (stream,),
        )
        if row is None:
            return StreamHead()
        entry = parse_entry(blob(row[0]))
        return StreamHead(entry.stream_seq + 1, entry.link_hash())

    def streams(self, prefix: str) -> list[str]:
        """The streams whose names begin with ``prefix``, in order of their names."""
        return [
            row[0]
            for row in self._all(
                "SELECT DISTINCT originator_id FROM stored_events"
                " WHERE originator_id >= ? AND originator_id < ? ORDER BY originator_id",
                (prefix, prefix + "\U0010ffff"),
            )
        ]

    def checkpoint_covering(self, size: int) -> tuple[int, str] | None:
        """The first checkpoint of a tree of at least ``size`` entries: its size and note."""
        row = self._one(
            "SELECT size, note FROM checkpoints WHERE size >= ? ORDER BY size LIMIT 1", (size,)
        )
        return (row[0], row[1]) if row else None

    def last_checkpoint(self) -> tuple[int, str] | None:
        """The newest checkpoint: its size and note."""
        row = self._one("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")
        return (row[0], row[1]) if row else None

    def checkpoints(self, *, after: int, limit: int) -> list[tuple[int, str]]:
        """Checkpoints of trees larger than ``after``, in order."""
        return [
            (row[0], row[1])
            for row in self._all(
                "SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?",
                (after, limit),
            )
        ]

    def openings(self, start: int, stop: int) -> dict[int, list[str]]:
        """The disclosures kept for entries in ``start <= seq < stop``."""
        found: dict[int, list[str]] = {}
        for row in self._all(
            "SELECT seq, disclosure FROM openings WHERE seq >= ? AND seq < ? ORDER BY seq, number",
            (start, stop),
        ):
            found.setdefault(row[0], []).append(row[1])
        return found

    def full_tile(self, level: int, index: int) -> bytes:
        """A full tile's 8,192 bytes, empty when it is not stored."""
        row = self._one(
            "SELECT hashes FROM tree_tiles WHERE level = ? AND tile = ?", (level, index)
        )
        return blob(row[0], "tree_tiles") if row else b""

    def tile_roots(self, level: int, first: int, count: int) -> list[bytes]:
        """The roots of consecutive full tiles of a level."""
        return [
            blob(row[0], "tree_tiles")
            for row in self._all(
                "SELECT root FROM tree_tiles WHERE level = ? AND tile >= ? AND tile < ?"
                " ORDER BY tile",
                (level, first, first + count),
            )
        ]

    def leaf_hashes(self, first: int, count: int) -> list[bytes]:
        """The leaf hashes of consecutive entries, computed from their bytes."""
        return [leaf_hash(data) for _, data in self.entries(first, first + count)]

    @staticmethod
    def _swap_head(cursor: SQLiteCursor, commit: Commit) -> None:
        before, after = commit.before, commit.after
        cursor.execute(
            _SWAP_HEAD, (after.size, after.hash, after.recorded_at, before.size, before.hash)
        )
        if cursor.sqlite_cursor.rowcount != 1:
            raise HeadMoved("Another writer extended the log first.")

    def _writing(self) -> AbstractContextManager[SQLiteCursor]:
        return writing(self.datastore)

    def _all(self, sql: str, params: Sequence[object] = ()) -> list[Any]:
        return all_rows(self.datastore, sql, params)

    def _one(self, sql: str, params: Sequence[object] = ()) -> Any:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(sql, params)
            return cursor.fetchone()


class SQLiteLedgerFactory(SQLiteFactory):
    """The library's factory, with our pool and recorder."""

    application_recorder_class = SQLiteLedgerRecorder

    def __init__(self, db_name: str, *, create: bool = True) -> None:
        super().__init__(
            {
                self.SQLITE_DBNAME: db_name,
                self.SQLITE_LOCK_TIMEOUT: str(LOCK_SECONDS),
                self.ORIGINATOR_ID_TYPE: "text",
                self.CREATE_TABLE: "yes" if create else "no",
            }
        )
        self.datastore.close()
        self.datastore = LedgerDatastore(db_name)

    def schema_version(self) -> int:
        """The number of the last migration; 0 for a file from before they were numbered."""
        return int(all_rows(self.datastore, "PRAGMA user_version")[0][0])


class LedgerDatastore(SQLiteDatastore):
    """A datastore whose connections come from LedgerPool; stream names are its originator ids."""

    def __init__(self, db_name: str) -> None:
        super().__init__(db_name, lock_timeout=LOCK_SECONDS, originator_id_type="text")
        self.pool.close()
        self.pool = LedgerPool(
            db_name=db_name,
            lock_timeout=LOCK_SECONDS,
            pool_size=8,
            max_overflow=56,
            pool_timeout=LOCK_SECONDS,
        )

"""The SQLite recorder: entries, chain head, tree and checkpoint in one transaction.

It builds on the library's recorder and replaces what would bite: positions are ours and have no
gap, the write lock is taken before anything is read, nothing stored can be overwritten, and the
file is set up for full durability (WAL with ``synchronous=FULL``).
"""

from __future__ import annotations

import sqlite3
import time
from itertools import chain
from typing import TYPE_CHECKING, Any

from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
    SQLiteFactory,
)

from ledger.storage.commit import HeadMoved, group_of
from ledger.storage.schema import PAGE_SIZE, SQLITE_PRAGMAS, SQLITE_SCHEMA
from ledger.storage.store import LedgerStore
from ledger.storage.transaction import all_rows, library_error, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsourcing.persistence import StoredEvent

    from ledger.storage.commit import Commit

LOCK_SECONDS = 10
"""How long a writer waits for another process's transaction before it gives up."""

AT_ONCE = 8
"""Entries of one statement; the list of types in their partial index is laid out for each one."""

_PAUSE_SECONDS = 0.01

_ASIDE_IN_MEMORY = "PRAGMA temp_store = MEMORY"
"""For each row that triggers may refuse SQLite puts the pages it touches aside first."""

_INSERT = (
    "INSERT INTO stored_events (seq, originator_id, originator_version, topic, state, event_id)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)
_INSERT_SOME = _INSERT + ", (?, ?, ?, ?, ?, ?)" * (AT_ONCE - 1)
_SWAP_HEAD = (
    "UPDATE ledger_head SET size = ?, hash = ?, recorded_at = ? WHERE size = ? AND hash = ?"
)


class LedgerPool(SQLiteConnectionPool):
    """Connections with the page size, cache and durability a ledger needs."""

    def _create_connection(self) -> SQLiteConnection:
        # Not by the library's own, which keeps one compiled statement: an INSERT with its triggers
        # would be compiled anew for each group.
        try:
            self._lay_out()
            connection = sqlite3.connect(
                self.db_name,
                uri=True,
                timeout=LOCK_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.row_factory = sqlite3.Row
            for pragma in (*SQLITE_PRAGMAS, _ASIDE_IN_MEMORY):
                connection.execute(pragma)
        except sqlite3.Error as error:
            raise library_error(error) from error
        return SQLiteConnection(connection, self.max_age)

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
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
            else:
                return
            finally:
                fresh.close()


class SQLiteLedgerRecorder(SQLiteApplicationRecorder, LedgerStore):
    """Records entries with the chain's head swapped in the same transaction.

    The notification id of an entry is its ``seq``; ``state`` is the entry's bytes.
    """

    def construct_create_table_statements(self) -> list[str]:
        """The tables and the triggers that keep them append-only."""
        return list(SQLITE_SCHEMA)

    def create_table(self) -> None:
        """Create what is missing; safe when several processes start together."""
        with writing(self.datastore) as cursor:
            self._create_table(cursor)

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record a group of entries; ``commit`` says what enters with them.

        Raises HeadMoved when another writer was first, and the library's OperationalError when
        the database cannot take the write now.
        """
        commit, rows = group_of(stored_events, kwargs)
        if not rows:
            return []
        with writing(self.datastore) as cursor:
            self._swap_head(cursor, commit)
            whole = len(rows) - len(rows) % AT_ONCE
            for start in range(0, whole, AT_ONCE):
                cursor.execute(_INSERT_SOME, tuple(chain(*rows[start : start + AT_ONCE])))
            cursor.executemany(_INSERT, rows[whole:])
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
        return [row[0] for row in rows]

    def settle(self) -> None:
        """Nothing: what SQLite shows is synced, and nobody else keeps a copy of it."""

    @staticmethod
    def _swap_head(cursor: SQLiteCursor, commit: Commit) -> None:
        before, after = commit.before, commit.after
        cursor.execute(
            _SWAP_HEAD, (after.size, after.hash, after.recorded_at, before.size, before.hash)
        )
        if cursor.sqlite_cursor.rowcount != 1:
            raise HeadMoved("Another writer extended the log first.")

    def _all(self, statement: str, params: Sequence[object] = ()) -> list[Any]:
        return all_rows(self.datastore, statement, params)

    def _among(self, column: str, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        return f"{column} IN ({','.join('?' * len(values))})", values


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

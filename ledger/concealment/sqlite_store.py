"""The key store in an SQLite file of its own, beside the ledger and readable by its owner alone.

Content that is overwritten is zeroed in the file (``secure_delete``) and the write-ahead log is
emptied after each erasure and rotation, so that the bytes of a destroyed key are in none of the
store's files. Blocks that a file system or a disk has put elsewhere are out of reach: that is what
the rotation of the key-encryption key is for.
"""

from __future__ import annotations

import sqlite3
import stat
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ledger.concealment.key_store import KeyStore, ended, tables
from ledger.errors import TrustFailure, Unavailable
from ledger.storage.private_file import create_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOCK_SECONDS: Final = 10
"""How long one process waits for another's transaction."""

_PAUSE_SECONDS: Final = 0.02
_PRAGMAS: Final = (
    "PRAGMA secure_delete = ON",
    "PRAGMA synchronous = FULL",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)


class SQLiteKeyStore(KeyStore):
    """The key store in a file; safe for several threads and processes."""

    def __init__(self, path: Path) -> None:
        """Open the file, made if missing; raises TrustFailure ``concealment.open-to-others``."""
        self.path = path
        self._lock = threading.RLock()
        create_private(path)
        self._require_private()
        with _telling():
            self._connection = sqlite3.connect(
                path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._lay_out()
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction that holds the write lock."""
        with self._lock, _telling():
            self._connection.execute("BEGIN IMMEDIATE")
            with ended(self._connection) as cursor:
                yield cursor

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with self._lock, _telling():
            return self._connection.execute(sql, params).fetchall()

    def scrub(self, gone: Sequence[bytes]) -> None:
        """Empty the write-ahead log into the file, then look for what should be gone."""
        deadline = time.monotonic() + LOCK_SECONDS
        while not self._emptied():
            if time.monotonic() > deadline:
                raise Unavailable(
                    "concealment.store-busy",
                    "Another process keeps reading the key store, so it cannot be cleaned.",
                    remedy="The erasure goes on at the next start, or when it is asked for again.",
                )
            time.sleep(_PAUSE_SECONDS)
        held = b"".join(path.read_bytes() for path in self.files() if path.exists())
        if any(value in held for value in gone):
            raise Unavailable(
                "concealment.not-cleaned",
                "The bytes of a destroyed key are still in the key store's files.",
                remedy="Ask for the erasure again; then rotate the key-encryption key.",
            )

    def files(self) -> list[Path]:
        """The store's file and those SQLite puts beside it."""
        return [self.path.with_name(self.path.name + suffix) for suffix in ("", "-wal", "-journal")]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _emptied(self) -> bool:
        with self._lock, _telling():
            row = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(row[0] == 0)

    def _lay_out(self) -> None:
        # SQLite's own time-out does not cover the switch to WAL when processes start together.
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE_SECONDS)
        for pragma in _PRAGMAS:
            self._connection.execute(pragma)
        with self.transaction() as cursor:
            for statement in tables("BLOB"):
                cursor.execute(statement)

    def _require_private(self) -> None:
        try:
            mode = self.path.stat().st_mode
        except OSError as error:
            raise _silent(error) from error
        if not stat.S_ISREG(mode) or mode & 0o077:
            raise TrustFailure(
                "concealment.open-to-others",
                f"The key store {self.path.name} can be read by others.",
                remedy=f"Run chmod 600 {self.path.name}, then trial-ledger concealment rotate.",
            )


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _silent(error) from error


def _silent(error: Exception) -> Unavailable:
    return Unavailable(
        "concealment.store", f"The key store does not answer ({type(error).__name__})."
    )

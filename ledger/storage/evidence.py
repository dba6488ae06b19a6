"""A ledger's SQLite database as evidence: opened read-only, read as it is, damage included.

Plain ``sqlite3`` on purpose, and nothing here can write.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ledger.errors import Unavailable
from ledger.storage.published_evidence import open_published
from ledger.storage.schema_check import StorageFinding, check_storage
from ledger.storage.snapshot_evidence import LARGEST_VALUE, SnapshotEvidence
from ledger.verification.evidence import UNREADABLE, Unreadable
from ledger.verification.run import Progress, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ledger.concealment.evidence import Reveal
    from ledger.verification.cosignatures import Asked
    from ledger.verification.report import RootOfTrust, VerificationReport

_BUSY_SECONDS: Final = 10
_KEYS: Final = (("stored_events", "seq"), ("checkpoints", "size"))


class DatabaseEvidence(SnapshotEvidence):
    """The stored values of one database file, from one read transaction, and its head file.

    Raises:
        Unavailable: ``evidence.unreadable`` when the file cannot be opened or is no database,
            ``evidence.no-ledger`` when it holds no table of entries.
    """

    _error = sqlite3.Error

    def __init__(
        self, path: Path, *, head_file: Path | None = None, reveal: Reveal | None = None
    ) -> None:
        super().__init__(head_file=head_file, reveal=reveal)
        self._connection = _open(path)
        try:
            self._take_in(path.name)
        except sqlite3.Error as error:
            self.close()
            raise _unreadable(path, error) from error
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        """End the read transaction."""
        self._connection.close()

    def faults(self) -> Sequence[tuple[str, str]]:
        """Tables and columns that are missing, and keys that are none: a row could hide there."""
        found = [*super().faults()]
        found.extend(
            (f"{table}.{column}", f"The column {column} is not the key of {table}.")
            for table, column in _KEYS
            if column in self._present[table] and not self._is_key(table, column)
        )
        return found

    def storage(self) -> list[StorageFinding]:
        """What is wrong with the file's own structure and with what it refuses to change."""
        return check_storage(self._connection)

    def _is_key(self, table: str, column: str) -> bool:
        """Whether a column can hold nothing but whole numbers, and none of them twice."""
        # Table and column are our own.
        asked = f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = 1"  # noqa: S608
        try:
            plan = self._execute(asked)
        except sqlite3.Error:
            return False
        return len(plan) == 1 and "USING INTEGER PRIMARY KEY" in str(plan[0][-1])

    def _columns(self, table: str) -> frozenset[str]:
        return frozenset(str(row[1]) for row in self._execute(f"PRAGMA table_info({table})"))

    def _execute(self, statement: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement).fetchall()

    def _value(self, _table: str, column: str) -> str:
        return column  # the connection refuses what is larger

    def _absent(self, column: str) -> str:
        return f"NULL AS {column}"

    def _bytes(self, value: bytes) -> str:
        return f"x'{value.hex()}'"

    def _no_integers(self, *columns: str) -> str:
        return " OR ".join(f"typeof({column}) <> 'integer'" for column in columns)


def verify_ledger(
    path: Path,
    *,
    head_file: Path | None = None,
    trust: RootOfTrust | None = None,
    progress: Progress | None = None,
    published: Path | None = None,
    asked: Asked | None = None,
) -> VerificationReport:
    """Verify a ledger's database and head file; see `ledger.verification.run.verify`.

    ``published`` is the file of published checkpoints; where there is none, none is checked.

    Raises:
        Unavailable: as `DatabaseEvidence`: what cannot be opened cannot be checked.
    """
    with (
        open_published(published) as beside,
        DatabaseEvidence(path, head_file=head_file) as source,
    ):
        return verify(source, trust=trust, progress=progress, published=beside, asked=asked)


def _open(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise Unavailable("evidence.unreadable", f"There is no file {path}.")
    address = f"file:{quote(str(path.resolve()))}?mode=ro"
    attempts: list[Callable[[], sqlite3.Connection]] = [lambda: _connect(address)]
    if not path.with_name(path.name + "-wal").exists():
        # A database in WAL mode on read-only media has no shared memory to open.
        attempts.append(lambda: _connect(address + "&immutable=1"))
    return _first(path, attempts)


def _first(path: Path, attempts: Iterable[Callable[[], sqlite3.Connection]]) -> sqlite3.Connection:
    failure: sqlite3.Error | None = None
    for attempt in attempts:
        try:
            return attempt()
        except sqlite3.Error as error:
            failure = error
    raise _unreadable(path, failure) from failure


def _connect(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.text_factory = _text
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _text(data: bytes) -> str | Unreadable:
    """Text that is not UTF-8 is no text, nor is it the bytes that a column may hold."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return UNREADABLE


def _unreadable(path: Path, error: sqlite3.Error | None) -> Unavailable:
    return Unavailable(
        "evidence.unreadable",
        f"{path.name} cannot be read as a database ({error}).",
        remedy="Check that the file is the ledger's database and that you may read it; a copy "
        "needs its -wal file beside it.",
    )

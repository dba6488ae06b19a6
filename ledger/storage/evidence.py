"""A ledger's SQLite database as evidence: opened read-only, read as it is, damage included.

Plain ``sqlite3`` on purpose: neither the recorder nor the event store's library stands between
the verifier and the stored values, and nothing here can write.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, Literal, Self
from urllib.parse import quote

from ledger.errors import Unavailable
from ledger.storage.published_evidence import open_published
from ledger.storage.schema_check import StorageFinding, check_storage
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
from ledger.verification.run import Progress, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ledger.concealment.evidence import Reveal
    from ledger.verification.cosignatures import Asked
    from ledger.verification.report import RootOfTrust, VerificationReport

_COLUMNS: Final = {
    "stored_events": (
        "seq",
        "originator_id",
        "originator_version",
        "topic",
        "state",
        "event_id",
    ),
    "checkpoints": ("size", "note", "previous"),
    "tree_tiles": ("level", "tile", "hashes", "root"),
    "openings": ("seq", "number", "disclosure"),
    "ledger_head": ("size", "hash", "recorded_at"),
}
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**63 - 1
_LARGEST_VALUE: Final = 1_000_000  # bytes; nothing we store comes near, a bomb would
_BUSY_SECONDS: Final = 10
_LONGEST_HEAD_FILE: Final = 1_000_000


class DatabaseEvidence:
    """The stored values of one database file, from one read transaction, and its head file.

    Raises:
        Unavailable: ``evidence.unreadable`` when the file cannot be opened or is no database,
            ``evidence.no-ledger`` when it holds no table of entries.
    """

    def __init__(
        self, path: Path, *, head_file: Path | None = None, reveal: Reveal | None = None
    ) -> None:
        self._reveal = reveal
        # The head file is read before the snapshot: what is committed in between only makes the
        # file older than the database, never newer.
        self._head_note = None if head_file is None else _read_head_file(head_file)
        self._connection = _open(path)
        try:
            self._present = {table: self._columns(table) for table in _COLUMNS}
        except sqlite3.Error as error:
            self.close()
            raise _unreadable(path, error) from error
        if "seq" not in self._present["stored_events"]:
            self.close()
            raise Unavailable(
                "evidence.no-ledger",
                f"{path.name} holds no table of entries.",
                remedy="Name the ledger's own database file.",
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
        """End the read transaction."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def faults(self) -> Sequence[tuple[str, str]]:
        """Tables and columns of the ledger that are missing."""
        found: list[tuple[str, str]] = []
        for table, columns in _COLUMNS.items():
            present = self._present[table]
            if not present:
                found.append((table, f"The table {table} is missing."))
                continue
            found.extend(
                (f"{table}.{column}", f"The column {column} of {table} is missing.")
                for column in columns
                if column not in present
            )
        return found

    def extent(self) -> int:
        """The highest position plus one, by the index or by the head row."""
        try:
            row = self._connection.execute("SELECT MAX(seq) FROM stored_events").fetchone()
        except sqlite3.Error:
            head = self.head()
            size = head.size if isinstance(head, StoredHead) else 0
            return size if isinstance(size, int) else 0
        return int(row[0]) + 1 if row and isinstance(row[0], int) else 0

    def rows(self, after: int | None, limit: int) -> Sequence[StoredRow]:
        """The next rows; those that cannot be read come as `UNREADABLE`."""
        first = _LOWEST if after is None else after + 1
        try:
            found = self._query("stored_events", f"seq >= {first} ORDER BY seq LIMIT {limit}")
        except sqlite3.Error:
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
        found = self._tolerant("stored_events", f"event_id = x'{event_id.hex()}' LIMIT 1")
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
        """Tiles outside the tree of ``size`` entries, or under a name that is no number."""
        shift = " WHEN ".join(f"{level} THEN {size >> 8 * (level + 1)}" for level in range(7))
        found = self._tolerant(
            "tree_tiles",
            "typeof(level) <> 'integer' OR typeof(tile) <> 'integer' OR tile < 0 OR level < 0"
            f" OR tile >= CASE level WHEN {shift} ELSE 0 END LIMIT {limit}",
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
        found = self._tolerant(
            "openings",
            f"typeof(seq) <> 'integer' OR seq < 0 OR seq >= {size} LIMIT {limit}",
        )
        return [StoredOpening(*values) for values in found]

    def head(self) -> StoredHead | Literal[Unreadable.UNREADABLE] | None:
        """The head row."""
        try:
            found = self._query("ledger_head", "TRUE LIMIT 2")
        except sqlite3.Error:
            return UNREADABLE
        return StoredHead(*found[0]) if len(found) == 1 else None

    def head_note(self) -> HeadNote | None:
        """The head file as it was before the snapshot."""
        return self._head_note

    def storage(self) -> list[StorageFinding]:
        """What is wrong with the file's own structure and with what it refuses to change."""
        return check_storage(self._connection)

    def _columns(self, table: str) -> frozenset[str]:
        rows = self._connection.execute(f"PRAGMA table_info({table})").fetchall()
        return frozenset(str(row[1]) for row in rows)

    def _query(self, table: str, condition: str) -> list[tuple[Any, ...]]:
        present = self._present[table]
        if not present:
            return []
        names = ", ".join(
            name if name in present else f"NULL AS {name}" for name in _COLUMNS[table]
        )
        # Table, columns and numbers are our own; nothing stored is ever put into the text.
        statement = f"SELECT {names} FROM {table} WHERE {condition}"  # noqa: S608
        return self._connection.execute(statement).fetchall()

    def _tolerant(self, table: str, condition: str) -> list[tuple[Any, ...]]:
        try:
            return self._query(table, condition)
        except sqlite3.Error:
            return []

    def _halved(self, start: int, stop: int) -> list[StoredRow]:
        try:
            found = self._query("stored_events", f"seq >= {start} AND seq < {stop} ORDER BY seq")
            return [_row(values) for values in found]
        except sqlite3.Error:
            if stop - start == 1:
                return [StoredRow(start, UNREADABLE)]
        middle = (start + stop) // 2
        return [*self._halved(start, middle), *self._halved(middle, stop)]


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
        raise Unavailable("evidence.unreadable", f"There is no file {path.name}.")
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
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("BEGIN")
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _text(data: bytes) -> str | bytes:
    """Text that is not UTF-8 is handed on as bytes, which no column may hold."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def _row(values: tuple[Any, ...]) -> StoredRow:
    seq, originator_id, originator_version, topic, state, event_id = values
    return StoredRow(seq, state, StoredColumns(originator_id, originator_version, topic, event_id))


def _read_head_file(path: Path) -> HeadNote:
    try:
        with path.open("rb") as file:
            return HeadNote(file.read(_LONGEST_HEAD_FILE + 1), path.name)
    except OSError:
        return HeadNote(None, path.name)


def _unreadable(path: Path, error: sqlite3.Error | None) -> Unavailable:
    return Unavailable(
        "evidence.unreadable",
        f"{path.name} cannot be read as a database ({error}).",
        remedy="Check that the file is the ledger's database and that you may read it; a copy "
        "needs its -wal file beside it.",
    )

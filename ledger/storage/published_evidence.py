"""The file of published checkpoints as evidence: read as it is, damage included, never written.

It is copied to a temporary database at once, because a reader that stays would keep the publisher
from writing; the copy spills to disk by itself, so memory stays bounded.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

from ledger.storage.published_schema import make_schema
from ledger.verification.evidence import (
    UNREADABLE,
    StoredCosignature,
    StoredPublished,
    StoredTally,
    StoredTimestamp,
    Unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BUSY_SECONDS: Final = 10
_LARGEST_VALUE: Final = 1_000_000
_MOST_LINES: Final = 100_000
_MOST_LISTED: Final = 20
_LOWEST: Final = -(2**63)
_PUBLISHED: Final = (
    "EXISTS (SELECT 1 FROM published_checkpoints p WHERE p.size = cosignatures.size)"
)
_COLUMNS: Final = {
    "published_checkpoints": "size, note",
    "cosignatures": "size, vkey, line",
    "timestamps": "size, time, authority, sha256, response",
    "tallies": "kind, vkey, number, total",
}
_KEYS: Final = {
    "published_checkpoints": ("size",),
    "cosignatures": ("size", "vkey"),
    "timestamps": ("size",),
}
"""What a row is told by; it stands first among the columns."""


class PublishedFile:
    """What one file holds at one moment; a file that is no database holds faults alone."""

    holds_own_lines_alone = True
    keeps_timestamps = True

    def __init__(self, path: Path) -> None:
        self.where = path.name
        self._unreadable: str | None = None
        self._copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            address = f"file:{quote(str(path.resolve()))}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as source:
                source.backup(self._copy)
            self._copy.text_factory = _text
            self._copy.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
            self._copy.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            self._unreadable = f"It cannot be read as a database ({error})."

    def close(self) -> None:
        """Throw the copy away."""
        self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def faults(self) -> Sequence[tuple[str, str]]:
        """What is wrong with the file as such, and with its schema."""
        if self._unreadable is not None:
            return [(self.where, self._unreadable)]
        try:
            return [*self._problems(), *self._schema_faults()]
        except sqlite3.Error as error:
            return [(self.where, str(error))]

    def published(self, after: int | None, limit: int) -> Sequence[StoredPublished]:
        """The next published checkpoints."""
        rows = self._each("published_checkpoints", f"{_behind(after)} ORDER BY size", limit)
        return [StoredPublished(*row) for row in rows]

    def cosignatures(self, first: int, last: int) -> Sequence[StoredCosignature]:
        """The lines of a range of published checkpoints."""
        within = f"size BETWEEN {first} AND {last} AND {_PUBLISHED} ORDER BY size, vkey"
        rows = self._each("cosignatures", within, _MOST_LINES)
        return [StoredCosignature(*row) for row in rows]

    def stray_cosignatures(self, limit: int) -> Sequence[StoredCosignature]:
        """The lines of no published checkpoint."""
        # The keys alone: a line that is too large to be read is there all the same.
        apart = f"NOT {_PUBLISHED} ORDER BY size"
        rows = self._rows("cosignatures", apart, limit, columns="size, vkey, NULL")
        rows = rows or self._rows("cosignatures", apart, limit, columns="size, NULL, NULL")
        return [StoredCosignature(*row) for row in rows or ()]

    def timestamps(self, after: int | None, limit: int) -> Sequence[StoredTimestamp]:
        """The next time stamps."""
        rows = self._each("timestamps", f"{_behind(after)} ORDER BY size", limit)
        return [StoredTimestamp(*row) for row in rows]

    def tallies(self) -> Sequence[StoredTally] | None:
        """What the file counted; None when it cannot be read at all, which is a fault."""
        if self._unreadable is not None:
            return None
        return [StoredTally(*row) for row in self._rows("tallies", "TRUE", _MOST_LINES) or ()]

    def _problems(self) -> Iterator[tuple[str, str]]:
        for (text,) in self._copy.execute(f"PRAGMA integrity_check({_MOST_LISTED})").fetchall():
            if text != "ok":
                yield self.where, str(text)

    def _schema_faults(self) -> Iterator[tuple[str, str]]:
        expected, present = _expected(), _schema(self._copy)
        for (kind, name), sql in expected.items():
            if (kind, name) not in present:
                yield f"{kind} {name}", "It is missing."
            elif present[kind, name] != sql:
                yield f"{kind} {name}", "It is another than the ledger makes."
        for kind, name in sorted(present.keys() - expected.keys()):
            if kind == "trigger":
                yield f"trigger {name}", "No ledger made it."

    def _each(self, table: str, condition: str, limit: int) -> list[tuple[Any, ...]]:
        """The rows of a query; one that cannot be read comes as `UNREADABLE` behind its key."""
        found = self._rows(table, condition, limit)
        if found is not None:
            return found
        found = []
        key, number = _KEYS[table], _COLUMNS[table].count(",") + 1
        one = " AND ".join(f"{column} = ?" for column in key)
        for values in self._rows(table, condition, limit, columns=", ".join(key)) or ():
            unreadable = (*values, *[UNREADABLE] * (number - len(key)))
            found += self._rows(table, one, 1, values=values) or [unreadable]
        return found

    def _rows(
        self,
        table: str,
        condition: str,
        limit: int,
        *,
        columns: str | None = None,
        values: Sequence[object] = (),
    ) -> list[tuple[Any, ...]] | None:
        """None for a damaged page or a missing table, which are named among the faults."""
        if self._unreadable is not None:
            return []
        # Table, columns and numbers are our own; nothing stored is ever put into the text.
        wanted = columns or _COLUMNS[table]
        sql = f"SELECT {wanted} FROM {table} WHERE {condition} LIMIT {limit}"  # noqa: S608
        try:
            return self._copy.execute(sql, values).fetchall()
        except sqlite3.Error:
            return None


@contextmanager
def open_published(path: Path | None) -> Iterator[PublishedFile | None]:
    """What was published beside a ledger, None where there is no such file.

    To be opened before the database, so that nothing published is newer than what that holds.
    """
    if path is None or not path.exists():
        yield None
        return
    with PublishedFile(path) as found:
        yield found


def _behind(after: int | None) -> str:
    # What is no whole number is no size; the schema, which lets none in, is checked apart.
    return f"size >= {_LOWEST if after is None else after + 1} AND typeof(size) = 'integer'"


def _text(data: bytes) -> str | Unreadable:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return UNREADABLE


def _expected() -> dict[tuple[str, str], object]:
    """The schema of the file as this version of SQLite writes it down."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        make_schema(connection)
        return _schema(connection)


def _schema(connection: sqlite3.Connection) -> dict[tuple[str, str], object]:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    return {
        (str(kind), str(name)): " ".join(sql.split()) if isinstance(sql, str) else sql
        for kind, name, sql in rows
    }

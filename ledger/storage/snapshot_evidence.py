"""A snapshot of a ledger's database as evidence: read as it is, damage included.

What both engines have in common. Plain SQL on a connection of its own: neither the recorder nor
the event store's library stands between the verifier and the stored values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from ledger.errors import Unavailable
from ledger.storage.head_file import read_head_note
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

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ledger.concealment.evidence import Reveal
    from ledger.storage.schema_check import StorageFinding

READ: Final[Mapping[str, Sequence[str]]] = {
    "stored_events": ("seq", "originator_id", "originator_version", "topic", "state", "event_id"),
    "checkpoints": ("size", "note", "previous"),
    "tree_tiles": ("level", "tile", "hashes", "root"),
    "openings": ("seq", "number", "disclosure"),
    "ledger_head": ("size", "hash", "recorded_at"),
}
"""The columns that are read of each table, in the order of the values they become."""

LARGEST_VALUE: Final = 1_000_000
"""In bytes; nothing we store comes near, a value that was blown up would."""

_FARTHEST: Final = 10_000_000
"""Positions walked through in search of the next row where none can be listed."""

_LOWEST: Final = -(2**63)
_LEVELS: Final = range(7)


class SnapshotEvidence(ABC):
    """The stored values of one database from one read transaction, and its head file.

    An engine opens the connection, calls `_take_in`, and gives `_execute` and its own words.
    """

    _error: ClassVar[type[Exception]]
    """What the engine raises when it cannot read."""
    _kept: ClassVar[Mapping[str, Collection[str]]] = READ
    """The tables and columns that must be there."""
    _schema: ClassVar[str] = ""
    """What stands before the name of a table."""

    def __init__(self, *, head_file: Path | None, reveal: Reveal | None) -> None:
        self._reveal = reveal
        # The head file is read before the snapshot: what is committed in between only makes the
        # file older than the database, never newer.
        self._head_note = None if head_file is None else read_head_note(head_file)
        self._present: dict[str, frozenset[str]] = {}
        self._selects: dict[str, str] = {}
        self._bare = ""

    def _take_in(self, name: str) -> None:
        """Look which tables and columns there are; raises Unavailable when this is no ledger."""
        self._present = {table: self._columns(table) for table in READ}
        self._selects = {
            # Table and columns are our own; nothing stored is ever put into the text.
            table: f"SELECT {self._selected(table)} FROM {self._schema}{table}"  # noqa: S608
            for table, present in self._present.items()
            if present
        }
        events = self._present["stored_events"]
        seq, state = (
            self._value("stored_events", c) if c in events else self._absent(c)
            for c in ("seq", "state")
        )
        self._bare = f"SELECT {seq}, {state} FROM {self._schema}stored_events"  # noqa: S608
        if "seq" not in self._present["stored_events"]:
            raise Unavailable(
                "evidence.no-ledger",
                f"{name} holds no table of entries.",
                remedy="Name the ledger's own database.",
            )

    def _selected(self, table: str) -> str:
        present = self._present[table]
        return ", ".join(
            self._value(table, c) if c in present else self._absent(c) for c in READ[table]
        )

    @abstractmethod
    def close(self) -> None:
        """End the read transaction."""

    @abstractmethod
    def storage(self) -> list[StorageFinding]:
        """What is wrong with the database's own structure and with what it refuses to change."""

    @abstractmethod
    def _columns(self, table: str) -> frozenset[str]:
        """The columns that a table has, none when it is missing."""

    @abstractmethod
    def _execute(self, statement: str) -> list[tuple[Any, ...]]:
        """All rows of a query; raises `_error`, and can be called again after that."""

    @abstractmethod
    def _value(self, table: str, column: str) -> str:
        """A table's column in a SELECT, bounded by LARGEST_VALUE."""

    @abstractmethod
    def _absent(self, column: str) -> str:
        """What is selected in place of a column that is missing."""

    @abstractmethod
    def _bytes(self, value: bytes) -> str:
        """Bytes in a condition."""

    @abstractmethod
    def _no_integers(self, *columns: str) -> str:
        """The condition that one of some columns holds no whole number."""

    @property
    def keeps_openings(self) -> bool:
        """A database keeps the disclosures."""
        return True

    @property
    def links_checkpoints(self) -> bool:
        """A database keeps the size of the checkpoint before; a missing column is a fault."""
        return "previous" in self._present["checkpoints"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def faults(self) -> Sequence[tuple[str, str]]:
        """Tables and columns of the ledger that are missing."""
        found: list[tuple[str, str]] = []
        for table, present in self._present.items():
            if not present:
                found.append((table, f"The table {table} is missing."))
                continue
            found.extend(
                (f"{table}.{column}", f"The column {column} of {table} is missing.")
                for column in self._kept[table]
                if column not in present
            )
        return found

    def extent(self) -> int:
        """The highest position plus one, by the index or by the head row."""
        try:
            rows = self._execute(f"SELECT max(seq) FROM {self._schema}stored_events")  # noqa: S608
        except self._error:
            head = self.head()
            size = head.size if isinstance(head, StoredHead) else 0
            return size if isinstance(size, int) else 0
        return int(rows[0][0]) + 1 if rows and isinstance(rows[0][0], int) else 0

    def rows(self, after: int | None, limit: int) -> Sequence[StoredRow]:
        """The next rows; those that cannot be read come as `UNREADABLE`."""
        within = f"seq >= {_first(after)} ORDER BY seq LIMIT {limit}"
        try:
            found = self._query("stored_events", within)
        except self._error:
            positions = self._keys("stored_events", within, "seq")
            if positions is None:
                return self._walked(_first(after), limit)
            return self._readable([seq for (seq,) in positions if isinstance(seq, int)])
        return [_row(values) for values in found if isinstance(values[0], int)]

    def entries(self, after: int | None, limit: int) -> Sequence[tuple[object, object]]:
        """As `rows`, position and bytes alone."""
        within = f"WHERE seq >= {_first(after)} ORDER BY seq LIMIT {limit}"
        try:
            found = self._execute(f"{self._bare} {within}")
        except self._error:
            return [(row.seq, row.data) for row in self.rows(after, limit)]
        return [values for values in found if isinstance(values[0], int)]

    def named(self, event_id: bytes) -> StoredRow | None:
        """The row kept under an event id, by the index on it."""
        found = self._tolerant("stored_events", f"event_id = {self._bytes(event_id)} LIMIT 1")
        return _row(found[0]) if found else None

    def checkpoints(self, after: int | None, limit: int) -> Sequence[StoredCheckpoint]:
        """The next checkpoints in order of size."""
        within = f"size >= {_first(after)} ORDER BY size LIMIT {limit}"
        found = self._each("checkpoints", within, "size")
        return [StoredCheckpoint(*values) for values in found if isinstance(values[0], int)]

    def tile(self, level: int, index: int) -> StoredTile | None:
        """One full tile."""
        found = self._tolerant("tree_tiles", f"level = {level} AND tile = {index} LIMIT 1")
        return StoredTile(*found[0]) if found else None

    def stray_tiles(self, size: int, limit: int) -> Sequence[StoredTile]:
        """Tiles outside the tree of ``size`` entries, or under a name that is no number."""
        ends = " WHEN ".join(f"{level} THEN {size >> 8 * (level + 1)}" for level in _LEVELS)
        apart = (
            f"{self._no_integers('level', 'tile')} OR tile < 0 OR level < 0"
            f" OR tile >= CASE level WHEN {ends} ELSE 0 END LIMIT {limit}"
        )
        found = self._keys("tree_tiles", apart, "level", "tile") or ()
        return [StoredTile(level, tile, None, None) for level, tile in found]

    def openings(self, first: int, last: int) -> Sequence[StoredOpening]:
        """The disclosures of a range of entries."""
        within = f"seq >= {first} AND seq <= {last} ORDER BY seq, number LIMIT 100000"
        found = self._each("openings", within, "seq", "number")
        stored = [StoredOpening(*values) for values in found]
        return stored if self._reveal is None else self._reveal(self.rows, stored)

    def stray_openings(self, size: int, limit: int) -> Sequence[StoredOpening]:
        """Disclosures kept for no entry."""
        apart = f"{self._no_integers('seq')} OR seq < 0 OR seq >= {size} LIMIT {limit}"
        found = self._keys("openings", apart, "seq", "number") or ()
        return [StoredOpening(seq, number, None) for seq, number in found]

    def head(self) -> StoredHead | Literal[Unreadable.UNREADABLE] | None:
        """The head row."""
        try:
            found = self._query("ledger_head", "TRUE LIMIT 2")
        except self._error:
            return UNREADABLE
        return StoredHead(*found[0]) if len(found) == 1 else None

    def head_note(self) -> HeadNote | None:
        """The head file as it was before the snapshot."""
        return self._head_note

    def _query(self, table: str, condition: str) -> list[tuple[Any, ...]]:
        select = self._selects.get(table)
        # The conditions are our own words and numbers.
        return [] if select is None else self._execute(f"{select} WHERE {condition}")

    def _tolerant(self, table: str, condition: str) -> list[tuple[Any, ...]]:
        try:
            return self._query(table, condition)
        except self._error:
            return []

    def _keys(self, table: str, condition: str, *columns: str) -> list[tuple[Any, ...]] | None:
        """The key of each row of a query, None when not even that can be read.

        A row is there however large its values are; a key that is too large comes as None.
        """
        present = self._present[table]
        if not present:
            return []
        for names in (columns, columns[:1], ()):
            wanted = [
                self._value(table, c) if c in names and c in present else self._absent(c)
                for c in columns
            ]
            # Table and columns are our own, the conditions our own words and numbers.
            asked = f"SELECT {', '.join(wanted)} FROM {self._schema}{table}"  # noqa: S608
            try:
                return self._execute(f"{asked} WHERE {condition}")
            except self._error:
                continue
        return None

    def _each(self, table: str, condition: str, *key: str) -> list[tuple[Any, ...]]:
        """As `_tolerant`, but a row that cannot be read comes as `UNREADABLE` behind its key."""
        try:
            return self._query(table, condition)
        except self._error:
            found: list[tuple[Any, ...]] = []
        for values in self._keys(table, condition, *key) or ():
            unreadable = (*values, *[UNREADABLE] * (len(READ[table]) - len(key)))
            one = " AND ".join(f"{c} = {v}" for c, v in zip(key, values, strict=True))
            whole = all(isinstance(value, int) for value in values)
            found += (self._tolerant(table, one) if whole else []) or [unreadable]
        return found

    def _walked(self, first: int, limit: int) -> list[StoredRow]:
        """The next rows, by every position they may have: not even positions can be listed."""
        # A damaged page makes its neighbours unreadable too: halve until the rest is found.
        start, end = max(first, 0), self.extent()
        stop = min(end, start + _FARTHEST)
        for at in range(start, stop, limit):
            page = self._readable(range(at, min(at + limit, stop)))
            if page:
                return page
        return self._readable(range(end - 1, end)) if stop < end else []

    def _readable(self, positions: Sequence[int]) -> list[StoredRow]:
        """The rows at some positions, in order, each that cannot be read as `UNREADABLE`."""
        if not positions:
            return []
        within = f"seq >= {positions[0]} AND seq <= {positions[-1]} ORDER BY seq"
        try:
            found = self._query("stored_events", within)
        except self._error:
            if len(positions) == 1:
                return [StoredRow(positions[0], UNREADABLE)]
            middle = len(positions) // 2
            return [*self._readable(positions[:middle]), *self._readable(positions[middle:])]
        return [_row(values) for values in found if isinstance(values[0], int)]


def _first(after: int | None) -> int:
    return _LOWEST if after is None else after + 1


def _row(values: tuple[Any, ...]) -> StoredRow:
    seq, originator_id, originator_version, topic, state, event_id = values
    return StoredRow(seq, state, StoredColumns(originator_id, originator_version, topic, event_id))

"""The port to a ledger's database, and the readings that are the same whatever keeps the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from ledger.log.chain import ChainHead, StreamHead
from ledger.log.entry import parse_entry
from ledger.log.tree import leaf_hash
from ledger.storage.schema import OF_REGISTERED_TYPES, REGISTERED_TYPES
from ledger.storage.typed import blob, other_type, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsourcing.persistence import StoredEvent

_HEAD: Final = "SELECT size, hash, recorded_at FROM ledger_head"
_ENTRIES: Final = "SELECT seq, state FROM stored_events WHERE seq >= ? AND seq < ? ORDER BY seq"
_ENTRY: Final = "SELECT state FROM stored_events WHERE seq = ?"
_POSITION: Final = "SELECT seq FROM stored_events WHERE event_id = ?"
_POSITIONS: Final = "SELECT seq, event_id FROM stored_events WHERE "
_OF_TYPES: Final = "SELECT seq FROM stored_events WHERE seq >= ? AND "
_LAST_OF_STREAM: Final = (
    "SELECT state FROM stored_events WHERE originator_id = ?"
    " ORDER BY originator_version DESC LIMIT 1"
)
_STREAMS: Final = (
    "SELECT DISTINCT originator_id FROM stored_events"
    " WHERE originator_id >= ? AND originator_id < ? ORDER BY originator_id"
)
_COVERING: Final = "SELECT size, note FROM checkpoints WHERE size >= ? ORDER BY size LIMIT 1"
_LAST_CHECKPOINT: Final = "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1"
_CHECKPOINTS: Final = "SELECT size, note FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?"
_OPENINGS: Final = (
    "SELECT seq, disclosure FROM openings WHERE seq >= ? AND seq < ? ORDER BY seq, number"
)
_TILE: Final = "SELECT hashes FROM tree_tiles WHERE level = ? AND tile = ?"
_ROOTS: Final = (
    "SELECT root FROM tree_tiles WHERE level = ? AND tile >= ? AND tile < ? ORDER BY tile"
)


class LedgerStore(ABC):
    """Entries, chain head, tree, checkpoints and openings of one ledger.

    Reads raise the library's PersistenceError when the database does not answer, and
    IntegrityFailure ``storage.column-type`` for a value of a type that was never written.
    """

    @abstractmethod
    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record a group of entries with all its ``commit`` names, in one transaction.

        ``event_ids`` are the entries' ids, 16 bytes each. Raises HeadMoved when another writer
        was first, IntegrityError for what the database refuses, OperationalError when the outcome
        is not known or the database cannot take the write now.
        """

    @abstractmethod
    def select_events(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The stored events of one stream, in order."""

    @abstractmethod
    def settle(self) -> None:
        """Wait until all that can be read here is as durable as a commit that was answered.

        Called by whoever is going to sign on what is read, once before the first reading.
        Raises OperationalError when that cannot be had now.
        """

    @abstractmethod
    def _all(self, statement: str, params: Sequence[object] = ()) -> list[Any]:
        """All rows of a query in SQLite's spelling, with ``?`` for each parameter."""

    @abstractmethod
    def _among(self, column: str, values: Sequence[object]) -> tuple[str, Sequence[object]]:
        """The condition that a column holds one of some values, and its parameters."""

    def _one(self, statement: str, params: Sequence[object] = ()) -> Any:
        rows = self._all(statement, params)
        return rows[0] if rows else None

    def head(self) -> ChainHead:
        """The chain's head as the head row states it."""
        row = self._one(_HEAD)
        if row is None:
            return ChainHead()
        if tuple(map(type, row)) != (int, str, str):
            raise other_type("ledger_head")
        return ChainHead(row[0], row[1], row[2])

    def entries(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Positions and bytes of the entries in ``start <= seq < stop``, in order."""
        return [(row[0], blob(row[1])) for row in self._all(_ENTRIES, (start, stop))]

    def entry(self, seq: int) -> bytes | None:
        """The bytes of one entry."""
        row = self._one(_ENTRY, (seq,))
        return blob(row[0]) if row else None

    def position_of(self, event_id: str) -> int | None:
        """The position of the entry that holds an event id."""
        row = self._one(_POSITION, (UUID(event_id).bytes,))
        return row[0] if row else None

    def positions_of(self, event_ids: Sequence[str]) -> dict[str, int]:
        """The positions of the entries that hold these event ids; what is not there is left out."""
        given = {UUID(event_id).bytes: event_id for event_id in event_ids}
        among, params = self._among("event_id", list(given))
        return {given[row[1]]: row[0] for row in self._all(_POSITIONS + among, params)}

    def positions_of_types(self, types: Sequence[str], *, start: int = 0) -> list[int]:
        """The positions of all entries of some types, in order."""
        among, params = self._among("topic", types)
        if _REGISTERED.issuperset(types):
            # Said in the words of their index, which no engine finds by the parameters alone.
            among = f"{among} AND {OF_REGISTERED_TYPES}"
        rows = self._all(f"{_OF_TYPES}{among} ORDER BY seq", (start, *params))
        return [row[0] for row in rows]

    def stream_head(self, stream: str) -> StreamHead:
        """Where a stream ends, read from its last entry."""
        row = self._one(_LAST_OF_STREAM, (stream,))
        if row is None:
            return StreamHead()
        entry = parse_entry(blob(row[0]))
        return StreamHead(entry.stream_seq + 1, entry.link_hash())

    def streams(self, prefix: str) -> list[str]:
        """The streams whose names begin with ``prefix``, in order of their names."""
        return [row[0] for row in self._all(_STREAMS, (prefix, prefix + "\U0010ffff"))]

    def checkpoint_covering(self, size: int) -> tuple[int, str] | None:
        """The first checkpoint of a tree of at least ``size`` entries: its size and note."""
        row = self._one(_COVERING, (size,))
        return (row[0], row[1]) if row else None

    def last_checkpoint(self) -> tuple[int, str] | None:
        """The newest checkpoint: its size and note."""
        row = self._one(_LAST_CHECKPOINT)
        return (row[0], row[1]) if row else None

    def checkpoints(self, *, after: int, limit: int) -> list[tuple[int, str]]:
        """Checkpoints of trees larger than ``after``, in order."""
        return [(row[0], row[1]) for row in self._all(_CHECKPOINTS, (after, limit))]

    def openings(self, start: int, stop: int) -> dict[int, list[str]]:
        """The disclosures kept for entries in ``start <= seq < stop``.

        Raises IntegrityFailure ``storage.column-type``.
        """
        found: dict[int, list[str]] = {}
        for row in self._all(_OPENINGS, (start, stop)):
            found.setdefault(row[0], []).append(text(row[1], "openings"))
        return found

    def full_tile(self, level: int, index: int) -> bytes:
        """A full tile's 8,192 bytes, empty when it is not stored."""
        row = self._one(_TILE, (level, index))
        return blob(row[0], "tree_tiles") if row else b""

    def tile_roots(self, level: int, first: int, count: int) -> list[bytes]:
        """The roots of consecutive full tiles of a level."""
        rows = self._all(_ROOTS, (level, first, first + count))
        return [blob(row[0], "tree_tiles") for row in rows]

    def leaf_hashes(self, first: int, count: int) -> list[bytes]:
        """The leaf hashes of consecutive entries, computed from their bytes."""
        return [leaf_hash(data) for _, data in self.entries(first, first + count)]


_REGISTERED: Final = frozenset(REGISTERED_TYPES)

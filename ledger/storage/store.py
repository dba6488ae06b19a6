"""The port to a ledger's database: what every recorder offers, whatever it keeps the rows in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventsourcing.persistence import StoredEvent

    from ledger.log.chain import ChainHead, StreamHead


class LedgerStore(Protocol):
    """Entries, chain head, tree, checkpoints and openings of one ledger.

    Reads raise the library's PersistenceError when the database does not answer, and
    IntegrityFailure ``storage.column-type`` for a value of a type that was never written.
    """

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """Record a group of entries with all its ``commit`` names, in one transaction.

        ``event_ids`` are the entries' ids, 16 bytes each. Raises HeadMoved when another writer
        was first, IntegrityError for what the database refuses, OperationalError when the outcome
        is not known or the database cannot take the write now.
        """

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

    def settle(self) -> None:
        """Wait until all that can be read here is as durable as a commit that was answered.

        Called by whoever is going to sign on what is read, once before the first reading.
        Raises OperationalError when that cannot be had now.
        """

    def head(self) -> ChainHead:
        """The chain's head as the head row states it."""

    def entries(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Positions and bytes of the entries in ``start <= seq < stop``, in order."""

    def entry(self, seq: int) -> bytes | None:
        """The bytes of one entry."""

    def position_of(self, event_id: str) -> int | None:
        """The position of the entry that holds an event id."""

    def positions_of(self, event_ids: Sequence[str]) -> dict[str, int]:
        """The positions of the entries that hold these event ids; what is not there is left out."""

    def positions_of_types(self, types: Sequence[str], *, start: int = 0) -> list[int]:
        """The positions of all entries of some types, in order."""

    def stream_head(self, stream: str) -> StreamHead:
        """Where a stream ends, read from its last entry."""

    def streams(self, prefix: str) -> list[str]:
        """The streams whose names begin with ``prefix``, in order of their names."""

    def checkpoint_covering(self, size: int) -> tuple[int, str] | None:
        """The first checkpoint of a tree of at least ``size`` entries: its size and note."""

    def last_checkpoint(self) -> tuple[int, str] | None:
        """The newest checkpoint: its size and note."""

    def checkpoints(self, *, after: int, limit: int) -> list[tuple[int, str]]:
        """Checkpoints of trees larger than ``after``, in order."""

    def openings(self, start: int, stop: int) -> dict[int, list[str]]:
        """The disclosures kept for entries in ``start <= seq < stop``."""

    def full_tile(self, level: int, index: int) -> bytes:
        """A full tile's 8,192 bytes, empty when it is not stored."""

    def tile_roots(self, level: int, first: int, count: int) -> list[bytes]:
        """The roots of consecutive full tiles of a level."""

    def leaf_hashes(self, first: int, count: int) -> list[bytes]:
        """The leaf hashes of consecutive entries, computed from their bytes."""

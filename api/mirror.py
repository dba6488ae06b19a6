"""What a monitor has fetched of a remote log, and how far it was found sound: its own state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from uuid import UUID

from ledger.errors import LedgerError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.entry import entry_hash
from ledger.log.note import split_note
from ledger.log.tiles import full_tiles
from ledger.storage.monitor_state import MonitorState
from ledger.verification.evidence import (
    HeadNote,
    StoredCheckpoint,
    StoredCosignature,
    StoredHead,
    StoredOpening,
    StoredPublished,
    StoredRow,
    StoredTally,
    StoredTile,
    StoredTimestamp,
    Unreadable,
)
from ledger.verification.peeked import peek
from ledger.verification.reading import read_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ledger.log.note import VerifierKey


class Mirror:
    """The state file of one monitor; evidence for a verification up to a checkpoint.

    Raises:
        Unavailable: ``monitor.state`` when the file cannot be used.
    """

    def __init__(self, path: Path, tile: Callable[[int, int], object]) -> None:
        self._tile = tile
        self._size = 0
        self._note = ""
        self._state = MonitorState(path)

    def close(self) -> None:
        """Close the file."""
        self._state.close()

    # --- state --------------------------------------------------------------------------------

    @property
    def fetched(self) -> int:
        """How many entries are at hand, from the first without a gap."""
        return self._state.fetched

    def last_verified(self) -> tuple[int, str] | None:
        """Size and note of the last checkpoint under which everything was sound."""
        return self._state.last_verified()

    def keep(self, first: int, entries: Iterable[bytes]) -> None:
        """Keep entries from a position on; what is at hand already stays."""
        self._state.keep((first + n, data, peek(data).event_id) for n, data in enumerate(entries))

    def judge(self, size: int, note: str) -> None:
        """From now on this is the evidence under one checkpoint of the remote log."""
        self._size, self._note = size, note

    def vouch(self) -> None:
        """Go on from here the next time: everything was sound."""
        self._state.vouch(self._size, self._note)

    def forget(self) -> None:
        """Fetch again the next time what was not verified before."""
        self._state.forget()

    # --- evidence -----------------------------------------------------------------------------

    @property
    def keeps_openings(self) -> bool:
        """The tiles carry no openings."""
        return False

    @property
    def links_checkpoints(self) -> bool:
        """A monitor sees some checkpoints only."""
        return False

    def faults(self) -> Sequence[tuple[str, str]]:
        """A remote log has no tables."""
        return ()

    def extent(self) -> int:
        """How many entries are judged."""
        return self._size

    def rows(self, after: int | None, limit: int) -> Sequence[StoredRow]:
        """The next entries below the checkpoint's size."""
        return [StoredRow(seq, data) for seq, data in self.entries(after, limit)]

    def entries(self, after: int | None, limit: int) -> Sequence[tuple[int, bytes]]:
        """As `rows`, position and bytes alone."""
        return self._state.entries(-1 if after is None else after, self._size, limit)

    def named(self, event_id: bytes) -> StoredRow | None:
        """The first entry that states an event id."""
        found = self._state.named(event_id, _event_id)
        return None if found is None else StoredRow(*found)

    def checkpoints(self, after: int | None, limit: int) -> Sequence[StoredCheckpoint]:
        """The checkpoints verified before, and the one that is judged."""
        found = [*self._state.verified(self._size), (self._size, self._note)]
        first = -1 if after is None else after
        return [StoredCheckpoint(size, note) for size, note in found if size > first][:limit]

    def tile(self, level: int, index: int) -> StoredTile | None:
        """One full tile, as the remote log serves it."""
        if index >= full_tiles(level, self._size):
            return None
        return StoredTile(level, index, self._tile(level, index), None)

    def stray_tiles(self, size: int, limit: int) -> Sequence[StoredTile]:  # noqa: ARG002
        """Nobody can list what a remote log serves."""
        return ()

    def openings(self, first: int, last: int) -> Sequence[StoredOpening]:  # noqa: ARG002
        """The tiles carry none."""
        return ()

    def stray_openings(self, size: int, limit: int) -> Sequence[StoredOpening]:  # noqa: ARG002
        """The tiles carry none."""
        return ()

    def head(self) -> StoredHead | Literal[Unreadable.UNREADABLE] | None:
        """There is no head row: the end of what was fetched stands for it."""
        rows = self.rows(self._size - 2, 1)
        read = read_row(rows[0]) if rows else None
        if read is None or read.entry is None or not isinstance(read.row.data, bytes):
            return Unreadable.UNREADABLE
        return StoredHead(self._size, entry_hash(read.row.data), read.entry.recorded_at)

    def head_note(self) -> HeadNote | None:
        """The monitor compares what it verified before by itself."""
        return None


class Served:
    """The checkpoints a log serves as published, with every line they have."""

    where = "served checkpoints"
    holds_own_lines_alone = False
    keeps_timestamps = False

    def __init__(self, notes: dict[int, str]) -> None:
        self._notes = notes

    @classmethod
    def of(cls, newest: str, cosigned: str | None, vkey: VerifierKey) -> Served | None:
        """The newest checkpoint, where it is published, and the newest cosigned one.

        A note that cannot be read as a checkpoint is kept under size 0, to be named. None where
        nothing published is served.
        """
        notes: dict[int, str] = {}
        if _lines(newest, vkey) > 1:
            notes[_size(newest)] = newest
        if cosigned is not None:
            notes.setdefault(_size(cosigned), cosigned)
        return cls(notes) if notes else None

    def faults(self) -> Sequence[tuple[str, str]]:
        """There is no file."""
        return ()

    def published(self, after: int | None, limit: int) -> Sequence[StoredPublished]:
        """The checkpoints in order of size."""
        sizes = sorted(size for size in self._notes if after is None or size > after)
        return [StoredPublished(size, self._notes[size]) for size in sizes[:limit]]

    def cosignatures(self, first: int, last: int) -> Sequence[StoredCosignature]:  # noqa: ARG002
        """The lines stand in the notes."""
        return ()

    def stray_cosignatures(self, limit: int) -> Sequence[StoredCosignature]:  # noqa: ARG002
        """There can be none."""
        return ()

    def timestamps(self, after: int | None, limit: int) -> Sequence[StoredTimestamp]:  # noqa: ARG002
        """Not read over the network."""
        return ()

    def tallies(self) -> Sequence[StoredTally] | None:
        """Nobody can count what a remote log published."""
        return None


def _lines(note: str, vkey: VerifierKey) -> int:
    """How many lines of the log's own name a note holds."""
    try:
        return sum(line.name == vkey.name for line in split_note(note)[1])
    except LedgerError:
        return 0


def _size(note: str) -> int:
    try:
        return parse_checkpoint(split_note(note)[0]).size
    except LedgerError:
        return 0


def _event_id(data: bytes) -> bytes | None:
    event = read_row(StoredRow(0, data)).event
    return UUID(event.id).bytes if event is not None else None

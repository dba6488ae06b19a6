"""What a verifier reads: stored values as they are found, from wherever they are kept.

A source only reads. It never judges, repairs or leaves out: a value of the wrong type is handed
on as it is, a row that cannot be read is `UNREADABLE`. A database is one source; a bundle or the
tiles behind an address are others, which have no columns beside the entry's bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Unreadable(Enum):
    """Stands for a value that is stored but cannot be read."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE


class StoredColumns(NamedTuple):
    """What a database keeps beside an entry's bytes, each value of whatever type was found."""

    originator_id: object
    originator_version: object
    topic: object
    event_id: object


class StoredRow(NamedTuple):
    """One stored entry: the position it is kept under, its bytes, the columns beside them."""

    seq: int
    data: object
    columns: StoredColumns | None = None


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed checkpoint under the size it is kept for.

    ``previous`` is the size of the checkpoint before it, None where a source keeps none.
    """

    size: int
    note: object
    previous: object = None


@dataclass(frozen=True, slots=True)
class StoredTile:
    """A full tile; ``root`` is None where a source keeps no roots."""

    level: object
    index: object
    hashes: object
    root: object


@dataclass(frozen=True, slots=True)
class StoredOpening:
    """A disclosure kept for the entry at ``seq``.

    ``disclosure`` is its text, still encrypted (``c1.…``) where the keys are not at hand, or an
    `ErasedOpening` or `AlteredOpening`.
    """

    seq: object
    number: object
    disclosure: object


@dataclass(frozen=True, slots=True)
class ErasedOpening:
    """Stands for a disclosure whose key was destroyed: its digest as signed, and by which act."""

    digest: str
    act: str


@dataclass(frozen=True, slots=True)
class AlteredOpening:
    """Stands for a disclosure that is kept encrypted and does not open: why not."""

    reason: str


@dataclass(frozen=True, slots=True)
class StoredHead:
    """The head row: number of entries, hash of the last, its ``recorded_at``, as found."""

    size: object
    hash: object
    recorded_at: object


@dataclass(frozen=True, slots=True)
class HeadNote:
    """What the head file holds; ``note`` is None when the file is missing or cannot be read."""

    note: bytes | None
    where: str


@dataclass(frozen=True, slots=True)
class StoredPublished:
    """A published checkpoint under the size it is kept for; ``note`` as it was published."""

    size: int
    note: object


@dataclass(frozen=True, slots=True)
class StoredCosignature:
    """A cosigner's line (with its newline) for a published checkpoint, beside its key."""

    size: int
    vkey: object
    line: object


@dataclass(frozen=True, slots=True)
class StoredTimestamp:
    """An RFC 3161 response for the checkpoint of a size, with what is kept beside it."""

    size: int
    time: object
    authority: object
    sha256: object
    response: object


@dataclass(frozen=True, slots=True)
class StoredTally:
    """How many rows of a kind were ever added, and the sum of their sizes.

    ``kind`` is ``published_checkpoints``, ``cosignatures`` (one tally for each ``vkey``) or
    ``timestamps``.
    """

    kind: object
    vkey: object
    rows: object
    sizes: object


class PublishedSource(Protocol):
    """Where published checkpoints, cosignatures and time stamps are read from, page by page.

    Like `EvidenceSource` it only reads, and never raises on damage.
    """

    @property
    def where(self) -> str:
        """What the findings call it."""

    @property
    def holds_own_lines_alone(self) -> bool:
        """Whether notes must hold the log's own two lines and nothing else."""

    @property
    def keeps_timestamps(self) -> bool:
        """Whether time stamps are among what this source should hold."""

    def faults(self) -> Sequence[tuple[str, str]]:
        """Parts of the file that are missing or altered: the artefact and a sentence."""

    def published(self, after: int | None, limit: int) -> Sequence[StoredPublished]:
        """The next published checkpoints of a size above ``after``, in order."""

    def cosignatures(self, first: int, last: int) -> Sequence[StoredCosignature]:
        """The lines kept for the checkpoints of sizes from ``first`` to ``last``, in order."""

    def stray_cosignatures(self, limit: int) -> Sequence[StoredCosignature]:
        """Lines kept for a checkpoint that is not there."""

    def timestamps(self, after: int | None, limit: int) -> Sequence[StoredTimestamp]:
        """The next time stamps of a size above ``after``, in order."""

    def tallies(self) -> Sequence[StoredTally] | None:
        """How much was ever kept; None where a source does not count."""


class EvidenceSource(Protocol):
    """Where stored values are read from; page by page, so that memory stays bounded.

    Each method raises `ledger.errors.Unavailable` when the place cannot be read at all (no such
    file, locked, no ledger in it). Damage is never raised.
    """

    @property
    def keeps_openings(self) -> bool:
        """Whether disclosures are among what this source should hold."""

    @property
    def links_checkpoints(self) -> bool:
        """Whether each checkpoint is kept with the size of the one before it."""

    def faults(self) -> Sequence[tuple[str, str]]:
        """Tables or columns that are missing: the artefact and a sentence."""

    def extent(self) -> int:
        """How many entries there seem to be; for progress alone."""

    def rows(self, after: int | None, limit: int) -> Sequence[StoredRow]:
        """The next rows with a position above ``after`` (None: from the lowest), in order."""

    def entries(self, after: int | None, limit: int) -> Sequence[tuple[object, object]]:
        """As `rows`, position and bytes alone; what cannot be read is anything but bytes."""

    def named(self, event_id: bytes) -> StoredRow | None:
        """The row kept for an event id (16 bytes), None when none is found."""

    def checkpoints(self, after: int | None, limit: int) -> Sequence[StoredCheckpoint]:
        """The next checkpoints of a size above ``after``, in order."""

    def tile(self, level: int, index: int) -> StoredTile | None:
        """One full tile, None when it is not kept."""

    def stray_tiles(self, size: int, limit: int) -> Sequence[StoredTile]:
        """Tiles kept that a tree of ``size`` entries does not have."""

    def openings(self, first: int, last: int) -> Sequence[StoredOpening]:
        """The disclosures of the entries from ``first`` to ``last``, in order."""

    def stray_openings(self, size: int, limit: int) -> Sequence[StoredOpening]:
        """Disclosures kept for no position below ``size``."""

    def head(self) -> StoredHead | Literal[Unreadable.UNREADABLE] | None:
        """The head row; None when it is missing."""

    def head_note(self) -> HeadNote | None:
        """The head file; None when this source has none by its nature."""


PAGE: Final = 512
"""Entries read at once: two tiles' width, so that a page ends where a tile ends."""


def all_checkpoints(source: EvidenceSource) -> Iterator[StoredCheckpoint]:
    """Every checkpoint in order of size, a page in memory at a time."""
    after: int | None = None
    while page := source.checkpoints(after, PAGE):
        yield from page
        after = page[-1].size


def all_rows(source: EvidenceSource, after: int | None = None) -> Iterator[Sequence[StoredRow]]:
    """Every page of rows in order of position."""
    while page := source.rows(after, PAGE):
        yield page
        after = page[-1].seq


def all_published(source: PublishedSource) -> Iterator[StoredPublished]:
    """Every published checkpoint in order of size, a page in memory at a time."""
    after: int | None = None
    while page := source.published(after, PAGE):
        yield from page
        after = page[-1].size


def all_timestamps(source: PublishedSource) -> Iterator[StoredTimestamp]:
    """Every time stamp in order of size; a page of these is short, since a token is long."""
    after: int | None = None
    while page := source.timestamps(after, PAGE // 8):
        yield from page
        after = page[-1].size

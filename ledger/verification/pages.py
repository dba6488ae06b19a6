"""Pages of stored rows as they are examined, and what a run remembers between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ledger.verification.evidence import StoredColumns, StoredOpening, StoredRow
    from ledger.verification.reading import ReadEntry
    from ledger.verification.sound import Columns, Row


@dataclass(frozen=True, slots=True)
class Last:
    """The last entry read, as far as it could be."""

    seq: int
    sha256: str | None
    recorded_at: str | None

    @classmethod
    def of(cls, read: ReadEntry) -> Last:
        """The end of the log at an entry."""
        return cls(read.seq, read.sha256, read.entry.recorded_at if read.entry else None)


@dataclass(frozen=True, slots=True)
class Page:
    """Stored rows and the disclosures kept for them, by position."""

    stored: Sequence[StoredRow]
    openings: Mapping[int, Sequence[StoredOpening]]

    def rows(self) -> list[Row]:
        """The rows as an examiner takes them."""
        return [
            (
                row.seq,
                row.data if isinstance(row.data, bytes) else None,
                None if row.columns is None else _plain(row.columns),
                [(kept.number, kept.disclosure) for kept in self.openings[row.seq]]
                if row.seq in self.openings
                else (),
            )
            for row in self.stored
        ]


def _plain(columns: StoredColumns) -> Columns:
    return (*columns,)


class Signed:
    """The valid checkpoints in order, one ahead."""

    def __init__(self, checkpoints: Iterator[tuple[int, bytes]]) -> None:
        self._checkpoints = checkpoints
        self._following = next(checkpoints, None)

    @property
    def following(self) -> int | None:
        """The next size that was signed, None when there is none."""
        return None if self._following is None else self._following[0]

    def at(self, size: int) -> list[bytes]:
        """The roots signed for a size that was just reached."""
        found: list[bytes] = []
        while self._following is not None and self._following[0] <= size:
            if self._following[0] == size:
                found.append(self._following[1])
            self._following = next(self._checkpoints, None)
        return found

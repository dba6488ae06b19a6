"""What one transaction carries, and what can go wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventsourcing.persistence import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.log.chain import ChainHead
    from ledger.log.tiles import FullTile


@dataclass(frozen=True, slots=True)
class Opening:
    """A disclosure kept beside the log: entry position, number within the entry, its text."""

    seq: int
    number: int
    disclosure: str


@dataclass(frozen=True, slots=True)
class Commit:
    """All that enters with a group of entries, in the same transaction as they.

    ``before`` and ``after`` are the chain heads the head row is swapped between;
    ``checkpoint`` is the signed note over the tree of size ``after.size``.
    """

    before: ChainHead
    after: ChainHead
    checkpoint: str
    tiles: Sequence[FullTile]
    openings: Sequence[Opening]


class HeadMoved(IntegrityError):
    """The head row is not the one the group was decided against; nothing was written."""

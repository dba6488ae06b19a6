"""What one transaction carries, and what can go wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from eventsourcing.persistence import IntegrityError, ProgrammingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eventsourcing.persistence import StoredEvent

    from ledger.log.chain import ChainHead
    from ledger.log.tiles import FullTile

Row: TypeAlias = tuple[int, str, int, str, bytes, bytes]
"""Position, stream, number in the stream, type, the entry's bytes, the event's id."""


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


def group_of(
    stored_events: Sequence[StoredEvent], given: Mapping[str, Any]
) -> tuple[Commit, list[Row]]:
    """What a recorder is given for one transaction: all that enters, and the rows of its entries.

    ``given`` holds the ``commit`` and for each entry one of ``event_ids``. Raises ProgrammingError
    for entries without a commit, which is the library's own way in.
    """
    commit = given.get("commit")
    if not isinstance(commit, Commit):
        raise ProgrammingError("Entries are recorded together with a Commit only.")
    if not stored_events:
        return commit, []
    numbered = enumerate(
        zip(stored_events, given["event_ids"], strict=True), start=commit.before.size
    )
    return commit, [
        (seq, str(e.originator_id), e.originator_version, e.topic, e.state, event_id)
        for seq, (e, event_id) in numbered
    ]

"""Following what other processes recorded: from the head last seen, not from the beginning.

A node that rebuilt its state after every commit of another one would hardly get a turn beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError
from ledger.log.chain import ChainHead, StreamHead
from ledger.log.checkpoint import open_checkpoint
from ledger.log.entry import entry_hash
from ledger.log.tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.application import LedgerApplication
    from ledger.log.note import VerifierKey
    from ledger.log.tree import Frontier
    from ledger.record import Record
    from ledger.recording.log_end import LogEnd

MOST_FOLLOWED: Final = 5_000
"""Most entries followed one by one; behind by more, everything is read anew."""


@dataclass(frozen=True, slots=True)
class CommittedSource:
    """The records before the end: what another process adds meanwhile is not seen half.

    Whether something was erased the writer looks before each group, not at each stream.
    """

    application: LedgerApplication
    end: LogEnd

    def stream(self, name: str) -> Sequence[Record]:
        """The records of one stream, in order."""
        if not self.end.stream_head(name).size:  # which whoever begins a stream asks anyhow
            return ()
        return self._before(self.application.stream_as_read(name))

    def of_types(self, types: Sequence[str]) -> Sequence[Record]:
        """The records of some types over all streams, in order of the log."""
        return self._before(self.application.of_types(types))

    def _before(self, records: Sequence[Record]) -> Sequence[Record]:
        size = self.end.head.size
        if not records or records[-1].seq < size:
            return records
        return [record for record in records if record.seq < size]


@dataclass(frozen=True, slots=True)
class Followed:
    """What stands between two heads: records, leaves, the tree's frontier and its signed note."""

    records: Sequence[Record]
    leaves: list[bytes]
    frontier: Frontier
    note: str

    @property
    def stream_heads(self) -> dict[str, StreamHead]:
        """Where the streams that were extended end now."""
        return {
            record.stream: StreamHead(record.entry.stream_seq + 1, record.entry.link_hash())
            for record in self.records
        }


def follow(
    application: LedgerApplication,
    known: ChainHead,
    frontier: Frontier,
    *,
    head: ChainHead,
    vkey: VerifierKey,
) -> Followed | None:
    """What was recorded from ``known`` to ``head``, None unless it is seen to extend ``known``.

    Every entry must continue the chain and the tree must have the root of the signed checkpoint;
    where it has not, the caller reads everything anew and says what is wrong.
    """
    if not known.size < head.size <= known.size + MOST_FOLLOWED:
        return None
    store = application.store
    covering = store.checkpoint_covering(head.size)
    if covering is None or covering[0] != head.size:
        return None
    try:
        records = application.records(known.size, head.size)
        at, leaves = known, []
        for record in records:
            data = record.entry.to_bytes()
            if (record.seq, record.entry.prev) != (at.size, at.hash):
                return None
            at = ChainHead(record.seq + 1, entry_hash(data), record.entry.recorded_at)
            leaves.append(leaf_hash(data))
        extended = frontier.extend(leaves)
        if at != head or open_checkpoint(covering[1], vkey).root != extended.root():
            return None
    except LedgerError:
        return None
    return Followed(records, leaves, extended, covering[1])

"""What becomes of a submission, and what its sender is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ledger.errors import RejectedInput, Unavailable
from ledger.history import REFUSED, kind_of
from ledger.recording.admission import Recorded
from ledger.vocabulary import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.application import LedgerApplication
    from ledger.log.proof import Receipt
    from ledger.record import Record
    from ledger.recording.submission import Submission
    from ledger.signing.statement import Statement
    from ledger.storage.tree_reader import StoredTree


class Provable(Protocol):
    """A tree that receipts can be had from."""

    def receipt(self, seq: int, *, size: int, note: str) -> Receipt:
        """The receipt of an entry under a checkpoint of a tree of ``size`` leaves."""


@dataclass(frozen=True, slots=True)
class Receipted:
    """An outcome under a checkpoint: the tree to prove from, its size and the signed note.

    ``entries`` holds the bytes of what was recorded just now, by position, so that nobody has to
    read them back.
    """

    outcome: Recorded
    tree: Provable
    size: int
    note: str
    repeated: bool = False
    entries: Mapping[int, bytes] = field(default_factory=dict)


def outcome_of(application: LedgerApplication, record: Record) -> Recorded:
    """What became of a recorded statement: with a command, its result is the next entry."""
    if kind_of(record.type) is not Kind.COMMAND:
        return Recorded(record.seq)
    result = application.record(record.seq + 1)
    return Recorded(record.seq, result.seq, refused=result.type == REFUSED)


def receipted(application: LedgerApplication, tree: StoredTree, outcome: Recorded) -> Receipted:
    """An outcome recorded earlier, under the checkpoint its receipt was first given with."""
    last = outcome.seq if outcome.result_seq is None else outcome.result_seq
    covering = application.store.checkpoint_covering(last + 1)
    if covering is None:
        raise Unavailable("receipt.no-checkpoint", "No checkpoint covers the entry yet.")
    return Receipted(outcome, tree, covering[0], covering[1], repeated=True)


def require_same(recorded: Statement, submission: Submission) -> None:
    """Refuse other content or signers under an id; raises RejectedInput ``event.id-conflict``."""
    offered = submission.statement
    if recorded.payload != offered.payload or recorded.signers != offered.signers:
        raise RejectedInput(
            "event.id-conflict",
            f"The id {submission.event.id} was recorded before with other content or signers.",
            where="/id",
            remedy="An id names one event for ever. Use a new id for a new event.",
        )

"""What passes between a web worker and the writer's process, as plain values.

Both ends are processes of one service on one machine, of the same version; the socket lies in a
directory that only their user can enter, and each end proves that it knows a key made at the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, TrustFailure, Unavailable
from ledger.log.proof import Receipt
from ledger.recording.outcomes import Receipted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ledger.recording.admission import Commitment, Recorded
    from ledger.recording.submission import Submission

_FAMILIES: Final[Mapping[str, type[LedgerError]]] = {
    family.__name__: family
    for family in (RejectedInput, IntegrityFailure, TrustFailure, Unavailable)
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A submission on its way to the writer; ``number`` is the worker's own."""

    number: int
    submission: Submission | Commitment
    now: datetime


@dataclass(frozen=True, slots=True)
class Carried:
    """An outcome on its way back: whole, so that the worker needs neither database nor tree.

    ``entries`` are bytes and ``paths`` inclusion paths by position.
    """

    number: int
    outcome: Recorded
    size: int
    note: str
    repeated: bool
    entries: Mapping[int, bytes]
    paths: Mapping[int, tuple[bytes, ...]]

    def receipted(self) -> Receipted:
        """The outcome as the worker gives it on."""
        return Receipted(
            self.outcome, self, self.size, self.note, repeated=self.repeated, entries=self.entries
        )

    def receipt(self, seq: int, *, size: int, note: str) -> Receipt:
        """The receipt that the writer made; ``size`` is that of the outcome's own checkpoint."""
        if size != self.size:
            raise RejectedInput("tree.out-of-range", "Only the outcome's own receipt is at hand.")
        return Receipt(index=seq, path=self.paths[seq], checkpoint_note=note)


@dataclass(frozen=True, slots=True)
class Failed:
    """An error on its way back."""

    number: int
    family: str
    code: str
    message: str
    where: str | None
    remedy: str | None

    def error(self) -> LedgerError:
        """The error as the worker raises it."""
        family = _FAMILIES[self.family]
        return family(self.code, self.message, where=self.where, remedy=self.remedy)


def carried(number: int, answer: Receipted) -> Carried:
    """An outcome with its receipts made."""
    outcome = answer.outcome
    positions = [outcome.seq, *([] if outcome.result_seq is None else [outcome.result_seq])]
    return Carried(
        number,
        outcome,
        answer.size,
        answer.note,
        answer.repeated,
        {seq: answer.entries[seq] for seq in positions if seq in answer.entries},
        {
            seq: answer.tree.receipt(seq, size=answer.size, note=answer.note).path
            for seq in positions
        },
    )


def failed(number: int, error: LedgerError) -> Failed:
    """An error by its family, for classes of one module alone do not travel."""
    family = next(name for name, kind in _FAMILIES.items() if isinstance(error, kind))
    return Failed(number, family, error.code, error.message, error.where, error.remedy)

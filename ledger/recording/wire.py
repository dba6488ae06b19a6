"""What passes between a web worker and the writer's process, as plain values.

Both ends are processes of one service on one machine, of the same version; the socket lies in a
directory that only their user can enter, and each end proves that it knows a key made at the start.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, TrustFailure, Unavailable
from ledger.log.proof import Receipt
from ledger.recording.outcomes import Receipted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from multiprocessing.connection import Connection

    from ledger.publication.timestamp_follower import TimestampStanding
    from ledger.publication.witness_follower import WitnessStanding
    from ledger.recording.admission import Commitment, Recorded
    from ledger.recording.submission import Submission

_FAMILIES: Final[Mapping[str, type[LedgerError]]] = {
    family.__name__: family
    for family in (RejectedInput, IntegrityFailure, TrustFailure, Unavailable)
}


SEND_SECONDS: Final = 10
"""How long the other end may leave what it is sent unread; then the connection is given up."""


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


@dataclass(frozen=True, slots=True)
class Standing:
    """How the writer's process stands: told to each worker when it connects, then every moment.

    ``waiting`` counts the submissions in the writer's queue, ``list_root`` is that of the
    allocation list it holds. Witnesses and the time-stamping
    authority are followed by that process alone; the workers only say how they stand.
    """

    refusal: Failed | None = None
    waiting: int = 0
    list_root: str | None = None
    witnesses: tuple[Told[WitnessStanding], ...] = ()
    stamping: Told[TimestampStanding] | None = None


_T = TypeVar("_T", "WitnessStanding", "TimestampStanding")

Told = tuple[_T, Failed | None]
"""A standing without its error, and the error: errors do not travel by themselves."""


def told(standing: _T) -> Told[_T]:
    """A standing ready to travel."""
    error = standing.error
    return replace(standing, error=None), None if error is None else failed(0, error)


def heard(arrived: Told[_T]) -> _T:
    """A standing as it was before it travelled."""
    standing, error = arrived
    return standing if error is None else replace(standing, error=error.error())


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


def bound_sending(connection: Connection) -> None:
    """Let sending fail after SEND_SECONDS: one process that hangs must not stop the other."""
    with socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))


def cut(connection: Connection) -> None:
    """End a connection for both ends, and for a thread of this one that waits for what it gives."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as own:
        own.shutdown(socket.SHUT_RDWR)

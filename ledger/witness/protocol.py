"""What a witness answers, as C2SP tlog-witness orders its checks: no clock, no file, no key.

``admit`` holds the checks that need only the trusted log keys, ``decide`` those that need the
newest head cosigned; ``decide`` and keeping the new head must be one step for the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, TrustFailure
from ledger.log.cosignature import verifier_of
from ledger.log.note import VerifierKey, open_note
from ledger.log.tree import EMPTY_ROOT, verify_consistency
from ledger.witness.request import AddCheckpoint

if TYPE_CHECKING:
    from ledger.log.checkpoint import Checkpoint

TrustedLogs = Mapping[str, Sequence[VerifierKey]]
"""The keys trusted for each origin."""

MAX_CLOCK_STEP_SECONDS = 300
"""How far the clock may lie behind the last cosignature and still be held at its time."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest head cosigned of a log: its size and root (32 bytes)."""

    size: int
    root: bytes


EMPTY_HEAD = Head(0, EMPTY_ROOT)
"""What stands for a log of which nothing was cosigned yet."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is cosigned: HTTP status, stable code, a sentence.

    ``latest`` is the newest size cosigned, with status 409 alone.
    """

    status: HTTPStatus
    code: str
    message: str
    latest: int | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """An admitted request: the log itself has signed this checkpoint.

    ``note`` carries the signatures of trusted keys and no others.
    """

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    note: str

    @property
    def head(self) -> Head:
        """The head that is to be cosigned."""
        return Head(self.checkpoint.size, self.checkpoint.root)


def admit(body: bytes, logs: TrustedLogs) -> Submission | Refusal:
    """Check form (400), origin (404) and signature (403) of a request, in this order."""
    try:
        request = AddCheckpoint.parse(body)
    except IntegrityFailure as error:
        return Refusal(HTTPStatus.BAD_REQUEST, error.code, str(error))
    keys = logs.get(request.checkpoint.origin)
    if keys is None:
        return Refusal(
            HTTPStatus.NOT_FOUND, "witness.unknown-log", "This witness does not know that log."
        )
    try:
        opened = open_note(request.note, [verifier_of(key) for key in keys])
    except TrustFailure as error:
        return Refusal(HTTPStatus.FORBIDDEN, error.code, error.message)
    signatures = "".join(f"{line}\n" for line in opened.verified)
    note = f"{opened.text}\n{signatures}"
    return Submission(request.old, request.proof, request.checkpoint, note)


def decide(submission: Submission, head: Head) -> Refusal | None:
    """Check sizes (400, 409) and growth (422) against the newest head cosigned, in this order.

    None means that the new head may be cosigned once it is kept.
    """
    size = submission.checkpoint.size
    if submission.old > size:
        return Refusal(
            HTTPStatus.BAD_REQUEST,
            "witness.old-beyond-size",
            f"The old size {submission.old} is larger than the checkpoint's size {size}.",
        )
    if submission.old != head.size:
        return Refusal(
            HTTPStatus.CONFLICT,
            "witness.other-size",
            f"The newest size cosigned is {head.size}, not {submission.old}.",
            head.size,
        )
    try:
        verify_consistency(
            old_size=head.size,
            new_size=size,
            path=submission.proof,
            old_root=head.root,
            new_root=submission.checkpoint.root,
        )
    except IntegrityFailure as error:
        return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, error.code, error.message)
    return None


def contradicts(submission: Submission, head: Head) -> bool:
    """Say whether the log has signed two heads of one size, which no proof can ever join.

    The head of a log not cosigned yet counts too: an empty tree has one root only.
    """
    return submission.checkpoint.size == head.size and submission.checkpoint.root != head.root


def cosigning_time(now: int, last: int) -> int | Refusal:
    """Give the time to cosign at, POSIX seconds, never before the last cosignature's.

    A cosignature says that no larger head was seen up to its time, so a clock that stepped back
    a little is held; beyond ``MAX_CLOCK_STEP_SECONDS`` no time can honestly be stated (503).
    """
    if now < 1 or last - now > MAX_CLOCK_STEP_SECONDS:
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "witness.clock-behind",
            "The clock of this witness lies behind its own last cosignature.",
        )
    return max(now, last)

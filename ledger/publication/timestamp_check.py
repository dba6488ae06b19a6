"""Checking kept time stamps against the checkpoints of a database and trusted certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, TrustFailure, Unavailable
from ledger.log.note import split_note
from ledger.publication.timestamping import verify_timestamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.publication.timestamping import TrustedCertificates
    from ledger.storage.timestamps import KeptTimestamp, Timestamps
    from ledger.verification.evidence import EvidenceSource

_EVIDENCE: Final = "Keep this copy as evidence and restore the newest copy of the file."
_ELSEWHERE: Final = "Later time stamps cover these entries too. Find out who altered the file."
_WHAT: Final = {
    "timestamps.unreadable": ("The kept time stamps cannot be read.", _EVIDENCE),
    "timestamps.altered": ("A kept time stamp is not as it was kept.", _ELSEWHERE),
    "timestamps.malformed": ("A kept time stamp is no granted RFC 3161 response.", _ELSEWHERE),
    "timestamps.untrusted": (
        "A time stamp is not signed as it stands by an authority that is trusted here.",
        "If the certificates are the authority's, find out who altered the file.",
    ),
    "timestamps.other-checkpoint": (
        "A time stamp is over another text than the log's checkpoint of this size.",
        "If the checkpoint verifies, find out who altered the file.",
    ),
    "timestamps.no-checkpoint": (
        "A time stamp is kept for a size of which the log has no checkpoint.",
        "Compare with the head file and receipts: the log may have been cut.",
    ),
    "timestamps.column": (
        "The time or the authority beside a time stamp is not the token's.",
        "Rely on the token; find out who altered the file.",
    ),
}


@dataclass(frozen=True, slots=True)
class TimestampFinding:
    """What is wrong with the time stamp of a size; None for the file as a whole."""

    code: str
    size: int | None
    found: str = ""

    def __str__(self) -> str:
        """One line in the manner of the verifier's findings."""
        what, remedy = _WHAT[self.code]
        place = "log" if self.size is None else f"size {self.size}"
        found = f" Found: {self.found}." if self.found else ""
        return f"{self.code} at {place}: {what}{found} {remedy}"


def check_timestamps(
    kept: Timestamps, source: EvidenceSource, trusted: TrustedCertificates
) -> Iterator[TimestampFinding]:
    """Check every kept time stamp against the checkpoint of its size.

    Whether the log signed that checkpoint is for the kernel, which checks each of them.
    Raises Unavailable when ``source`` cannot be read.
    """
    rows = kept.all()
    while True:
        try:
            row = next(rows, None)
        except Unavailable as error:
            yield TimestampFinding("timestamps.unreadable", None, error.message.rstrip("."))
            return
        if row is None:
            return
        finding = _check(row, source, trusted)
        if finding is not None:
            yield finding


def _check(
    row: KeptTimestamp, source: EvidenceSource, trusted: TrustedCertificates
) -> TimestampFinding | None:
    if not row.intact:
        return TimestampFinding("timestamps.altered", row.size)
    text = _text(source, row.size)
    if text is None:
        return TimestampFinding("timestamps.no-checkpoint", row.size)
    try:
        stamp = verify_timestamp(row.response, text.encode(), trusted)
    except TrustFailure as error:
        code = error.code if error.code in _WHAT else "timestamps.malformed"
        return TimestampFinding(code, row.size)
    if (row.time, row.authority) != (stamp.rfc3339, stamp.authority):
        found = f"{row.time} by {row.authority}, expected {stamp.rfc3339} by {stamp.authority}"
        return TimestampFinding("timestamps.column", row.size, found)
    return None


def _text(source: EvidenceSource, size: int) -> str | None:
    page = source.checkpoints(size - 1, 1)
    if not page or page[0].size != size or not isinstance(page[0].note, str):
        return None
    try:
        return split_note(page[0].note)[0]
    except IntegrityFailure:
        return None

"""Checking who signed the kept time stamps, against trusted certificates.

What they are over, and of when, is the kernel's check (`ledger.verification.stamps`); a time stamp
that the kernel names is not named again here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import TrustFailure
from ledger.publication.timestamping import verify_timestamp
from ledger.verification.evidence import all_timestamps
from ledger.verification.stamps import checkpoint_text, judge_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.publication.timestamping import TrustedCertificates
    from ledger.verification.evidence import EvidenceSource, PublishedSource, StoredTimestamp

_WHAT: Final = {
    "timestamps.refused": (
        "A kept time stamp is none: the authority did not grant it.",
        "Later time stamps cover these entries too. Find out who altered the file.",
    ),
    "timestamps.untrusted": (
        "A time stamp is not signed as it stands by an authority that is trusted here.",
        "If the certificates are the authority's, find out who altered the file.",
    ),
    "timestamps.authority": (
        "The authority named beside a time stamp is not the one that signed it.",
        "Rely on the token; find out who altered the file.",
    ),
}


@dataclass(frozen=True, slots=True)
class TimestampFinding:
    """What is wrong with who signed the time stamp of a size."""

    code: str
    size: int
    found: str = ""

    def __str__(self) -> str:
        """One line in the manner of the verifier's findings."""
        what, remedy = _WHAT[self.code]
        found = f" Found: {self.found}." if self.found else ""
        return f"{self.code} at size {self.size}: {what}{found} {remedy}"


def check_authorities(
    source: EvidenceSource, published: PublishedSource, trusted: TrustedCertificates
) -> Iterator[TimestampFinding]:
    """Check the authority's signature under every time stamp that fits its checkpoint.

    Whether the log signed that checkpoint is for the kernel, which checks each of them.
    Raises Unavailable when ``source`` cannot be read.
    """
    for stored in all_timestamps(published):
        text = checkpoint_text(source, stored.size)
        finding = None if text is None else _signed(stored, text, trusted)
        if finding is not None:
            yield finding


def _signed(
    stored: StoredTimestamp, text: str, trusted: TrustedCertificates
) -> TimestampFinding | None:
    if judge_stamp(stored, [text.encode()]) is not None or not isinstance(stored.response, bytes):
        return None
    try:
        stamp = verify_timestamp(stored.response, text.encode(), trusted)
    except TrustFailure as error:
        code = error.code if error.code in _WHAT else "timestamps.untrusted"
        return TimestampFinding(code, stored.size)
    if stored.authority != stamp.authority:
        found = f"{stored.authority}, expected {stamp.authority}"
        return TimestampFinding("timestamps.authority", stored.size, found)
    return None

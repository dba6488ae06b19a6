"""What keys signed while they may have been misused: a second look at part of the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.signing.rfc3339 import format_recorded_at
from ledger.verification.evidence import EvidenceSource, all_rows
from ledger.verification.reading import ReadEntry, read_row

if TYPE_CHECKING:
    from ledger.signing.register import Key, Register
    from ledger.verification.report import Findings


def find_doubtful(source: EvidenceSource, register: Register, findings: Findings) -> None:
    """List the entries recorded under a key between ``compromised_since`` and its revocation.

    ``recorded_at`` decides, the one time a thief of the key could not choose. Entries before the
    earliest such time are not read again.
    """
    keys = {
        key.kid: key
        for key in register.keys.values()
        if key.compromised_since is not None and key.revoked is not None
    }
    since = {
        kid: format_recorded_at(key.compromised_since)
        for kid, key in keys.items()
        if key.compromised_since is not None
    }
    if not keys:
        return
    last = max(key.revoked or 0 for key in keys.values())
    start = _first_at(source, min(since.values()), last)
    for page in all_rows(source, start - 1):
        for row in page:
            if row.seq >= last:
                return
            _doubt(read_row(row), keys, since, findings)


def _doubt(
    read: ReadEntry, keys: dict[str, Key], since: dict[str, str], findings: Findings
) -> None:
    entry, statement, event = read.entry, read.statement, read.event
    if entry is None or statement is None or event is None:
        return
    for signature in statement.signatures:
        key = keys.get(signature.kid)
        if (
            key is not None
            and read.seq < (key.revoked or 0)
            and entry.recorded_at >= since[key.kid]
        ):
            findings.add(
                "doubtful.compromised-key", read.seq,
                expected=f"a key not in doubt since {since[key.kid]}",
                found=f"key {key.kid} of {key.owner}, revoked at {key.revoked}",
                event_id=event.id, subject=entry.stream, field=key.kid, alone=True,
            )  # fmt: skip


def _first_at(source: EvidenceSource, instant: str, last: int) -> int:
    """The first position recorded at an instant or later, found by halving."""
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        rows = source.rows(middle - 1, 1)
        entry = read_row(rows[0]).entry if rows else None
        if entry is not None and entry.recorded_at >= instant:
            high = middle
        else:
            low = middle + 1
    return low

"""What a bundle holds of what was published: checkpoints, cosignatures, stamps, and the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.cosignature import add_signatures
from ledger.log.policy import MAX_POLICY_BYTES, parse_policy
from ledger.verification.cosignatures import Asked
from ledger.verification.evidence import (
    StoredCosignature,
    StoredPublished,
    StoredTally,
    StoredTimestamp,
)
from ledger.verification.timestamp_token import MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.verification.archive import Archive
    from ledger.verification.report import Findings
    from ledger.verification.unpacked import Unpacked

POLICY: Final = "policy.txt"


class BundledPublication:
    """The published checkpoints of a bundle, in the manner of the file they came from."""

    where = "published.jsonl"
    holds_own_lines_alone = True
    keeps_timestamps = True

    def __init__(self, archive: Archive, unpacked: Unpacked) -> None:
        self._archive, self._unpacked = archive, unpacked

    def faults(self) -> Sequence[tuple[str, str]]:
        """Missing members and lines are the bundle's own findings."""
        return ()

    def published(self, after: int | None, limit: int) -> Sequence[StoredPublished]:
        """The next published checkpoints."""
        return [StoredPublished(*row) for row in self._unpacked.published(after, limit)]

    def cosignatures(self, first: int, last: int) -> Sequence[StoredCosignature]:
        """The lines of a range of published checkpoints."""
        return [StoredCosignature(*row) for row in self._unpacked.cosignatures(first, last)]

    def stray_cosignatures(self, limit: int) -> Sequence[StoredCosignature]:  # noqa: ARG002
        """A line stands with its checkpoint; there can be none apart."""
        return ()

    def timestamps(self, after: int | None, limit: int) -> Sequence[StoredTimestamp]:
        """The next time stamps, each with its response."""
        return [
            StoredTimestamp(size, time, authority, sha256, self._response(size))
            for size, time, authority, sha256 in self._unpacked.timestamps(after, limit)
        ]

    def tallies(self) -> Sequence[StoredTally] | None:
        """What the file had counted; None in a bundle without it."""
        if "tallies.jsonl" not in self._archive:
            return None
        return [StoredTally(*row) for row in self._unpacked.tallies()]

    def _response(self, size: int) -> object:
        try:
            return self._archive.read(response_name(size), most=MAX_RESPONSE_BYTES)
        except IntegrityFailure:
            return None


def response_name(size: int) -> str:
    """The member that holds the time stamp of a size."""
    return f"timestamps/{size}.tsr"


def check_responses(archive: Archive, unpacked: Unpacked, findings: Findings) -> None:
    """Name members under ``timestamps/`` that no line of ``timestamps.jsonl`` lists."""
    listed = unpacked.timestamp_sizes()
    for name in archive.names:
        if name.startswith("timestamps/"):
            size = name.removeprefix("timestamps/").removesuffix(".tsr")
            known = size.isascii() and size.isdecimal() and len(size) < 20 and int(size) in listed
            if not known or name != response_name(int(size)):
                findings.add("manifest.surplus", None, found="a time stamp", field=name[:200])


def read_policy(archive: Archive, findings: Findings) -> Asked | None:
    """The policy that the bundle says the ledger asked by; nobody vouches for it."""
    if POLICY not in archive:
        return None
    try:
        return Asked(parse_policy(archive.read(POLICY, most=MAX_POLICY_BYTES)), given=False)
    except LedgerError as error:
        findings.add("manifest.policy", None, found=error.message, field=POLICY)
        return None


def whole_note(stored: StoredPublished, lines: Iterable[StoredCosignature]) -> str | None:
    """A published checkpoint's note with every line kept for it; None when they do not fit."""
    if not isinstance(stored.note, str):
        return None
    try:
        return add_signatures(
            stored.note, [one.line if isinstance(one.line, str) else "" for one in lines]
        )
    except LedgerError:
        return None

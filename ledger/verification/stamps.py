"""Check 15: time stamps against the checkpoints they are over; not the authorities behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.note import split_note
from ledger.signing.rfc3339 import parse_recorded_at
from ledger.verification.evidence import all_timestamps
from ledger.verification.reading import read_row
from ledger.verification.tally import TIMESTAMPS, Tally
from ledger.verification.timestamp_token import StampedImprint, read_imprint

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ledger.verification.evidence import EvidenceSource, PublishedSource, StoredTimestamp
    from ledger.verification.report import Findings

TOLERANCE: Final = timedelta(minutes=5)
"""How far an authority's clock may be behind the ledger's before that is worth a word."""


@dataclass(frozen=True, slots=True)
class StampFault:
    """What the kernel finds wrong with one time stamp: code, expected, found."""

    code: str
    expected: str = ""
    found: str = ""


class StampCheck:
    """Reads every time stamp once; memory is one page of them."""

    def __init__(
        self,
        source: EvidenceSource,
        published: PublishedSource,
        text: Callable[[int], str | None],
        tally: Tally,
        findings: Findings,
    ) -> None:
        """``text`` gives what was published for a size and holds."""
        self._source, self._published, self._text = source, published, text
        self._tally, self._findings = tally, findings
        self.count = 0
        self.newest = 0

    def read(self, refused: Collection[int]) -> None:
        """Check every time stamp; ``refused`` are sizes whose stored checkpoint does not hold."""
        for stored in all_timestamps(self._published):
            self.count += 1
            self._tally.take(TIMESTAMPS, stored.size)
            texts = self._texts(stored.size, refused)
            if texts is None:
                continue  # there is a checkpoint of this size; it is named for what it is
            fault = judge_stamp(stored, texts)
            if fault is not None:
                self._tally.spoil(TIMESTAMPS)
                self._add(stored.size, fault)
            else:
                self.newest = stored.size
                self._plausible(stored)

    def _texts(self, size: int, refused: Collection[int]) -> list[bytes] | None:
        """The texts of a size that hold; None when those there are do not, which is named."""
        held = self._text(size)
        own = checkpoint_text(self._source, size)
        texts = [] if held is None else [held.encode()]
        if own is not None and size not in refused:
            texts.append(own.encode())
        page = self._published.published(size - 1, 1)
        known = own is not None or (bool(page) and page[0].size == size)
        return None if known and not texts else texts

    def _plausible(self, stored: StoredTimestamp) -> None:
        """Compare the token's time with when the last entry under the checkpoint was recorded."""
        rows = self._source.rows(stored.size - 2, 1)
        entry = read_row(rows[0]).entry if rows and rows[0].seq == stored.size - 1 else None
        if entry is None or not isinstance(stored.response, bytes):
            return
        try:
            recorded = parse_recorded_at(entry.recorded_at)
        except LedgerError:
            return
        stamped = read_imprint(stored.response).time
        if stamped + TOLERANCE < recorded:
            self._add(
                stored.size,
                StampFault("timestamps.time", f"{entry.recorded_at} or later", _shown(stamped)),
            )

    def _add(self, size: int, fault: StampFault) -> None:
        self._findings.add(
            fault.code, max(size - 1, 0), expected=fault.expected, found=fault.found,
            field=f"time stamp {size}", alone=True,
        )  # fmt: skip


def judge_stamp(stored: StoredTimestamp, texts: Collection[bytes]) -> StampFault | None:
    """What is wrong with a time stamp, as far as that shows without its authority's key.

    ``texts`` are the texts of the log's checkpoint of this size, empty when there is none.
    """
    response = stored.response
    whole = isinstance(stored.time, str) and isinstance(stored.authority, str)
    if not whole or not isinstance(response, bytes):
        return StampFault("timestamps.altered")
    if sha256(response).hexdigest() != stored.sha256:
        return StampFault("timestamps.altered")
    if not texts:
        return StampFault("timestamps.no-checkpoint")
    try:
        imprint = read_imprint(response)
    except IntegrityFailure as error:
        return StampFault("timestamps.malformed", found=error.message.rstrip("."))
    if imprint.digest not in {sha256(text).digest() for text in texts}:
        return StampFault("timestamps.other-checkpoint", found=imprint.digest.hex())
    return _beside(stored, imprint)


def _beside(stored: StoredTimestamp, imprint: StampedImprint) -> StampFault | None:
    """What is kept beside the token, for listings, against the token."""
    if stored.time not in _forms(imprint):
        return StampFault("timestamps.column", _shown(imprint.time), str(stored.time))
    if imprint.subjects and stored.authority not in imprint.subjects:
        return StampFault("timestamps.column", " or ".join(imprint.subjects), str(stored.authority))
    return None


def checkpoint_text(source: EvidenceSource, size: int) -> str | None:
    """The text of the log's checkpoint of exactly this size."""
    page = source.checkpoints(size - 1, 1)
    if not page or page[0].size != size or not isinstance(page[0].note, str):
        return None
    try:
        return split_note(page[0].note)[0]
    except LedgerError:
        return None


def _forms(imprint: StampedImprint) -> tuple[str, str]:
    """The time as it may be kept: with the fraction, or without where a library left it out."""
    return _shown(imprint.time), _shown(imprint.time.replace(microsecond=0))


def _shown(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""Check 9: disclosures kept beside the log against the digests that statements signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.record import Record, build_record
from ledger.signing.sealing import digests_of, parse_disclosure
from ledger.vocabulary import Purpose, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.verification.evidence import EvidenceSource, StoredOpening
    from ledger.verification.reading import ReadEntry
    from ledger.verification.report import Findings


class OpeningCheck:
    """Matches disclosures to digests; what is closed is counted, never guessed."""

    def __init__(self, source: EvidenceSource, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self.withheld = 0

    def page(self, first: int, last: int) -> dict[int, list[StoredOpening]]:
        """The disclosures kept for a page of entries, by position."""
        found: dict[int, list[StoredOpening]] = {}
        for opening in self._source.openings(first, last):
            if isinstance(opening.seq, int):
                found.setdefault(opening.seq, []).append(opening)
        return found

    def record(self, read: ReadEntry, kept: Sequence[StoredOpening]) -> Record | None:
        """The record with what its disclosures open; None when there is no statement to read."""
        entry, statement, event = read.entry, read.statement, read.event
        if entry is None or read.sha256 is None:
            return None
        if statement is None or event is None:
            self._findings.add(
                "statements.unreadable", read.seq, found=read.fault, subject=entry.stream
            )
            return None
        try:
            # Most entries keep no opening, and reading the digests takes as long as a signature.
            digests = set(digests_of(event.data)) if kept else set()
            fitting = self._fitting(read.seq, kept, digests)
            record = build_record(
                entry, sha256=read.sha256, disclosures=fitting, parsed=(statement, event)
            )
        except LedgerError as error:
            self._findings.add(
                "statements.unreadable", read.seq, found=error.message, event_id=event.id,
                subject=entry.stream, field=error.where,
            )  # fmt: skip
            return None
        self._closed(read.seq, record)
        if not record.withheld and [o.number for o in kept] != [*range(len(kept))]:
            self._add("openings.number", read.seq, record)
        return record

    def end(self, size: int) -> None:
        """Name disclosures kept for no entry."""
        for opening in self._source.stray_openings(size, 10_000):
            position = opening.seq if isinstance(opening.seq, int) else None
            self._findings.add(
                "openings.stray", position, field=f"opening {opening.number}", group="stray"
            )

    def _fitting(self, seq: int, kept: Iterable[StoredOpening], digests: set[str]) -> list[str]:
        fitting: list[str] = []
        for opening in kept:
            text = opening.disclosure
            try:
                digest = parse_disclosure(text).digest if isinstance(text, str) else None
            except (LedgerError, UnicodeError):
                digest = None
            if isinstance(text, str) and digest in digests:
                digests.remove(digest)
                fitting.append(text)
            else:
                self._findings.add("openings.foreign", seq, field=f"opening {opening.number}")
        return fitting

    def _closed(self, seq: int, record: Record) -> None:
        if not record.withheld or not self._source.keeps_openings:
            self.withheld += record.withheld
            return
        self.withheld += record.withheld
        rule = vocabulary().get(record.type)
        sealed = set(rule.sealed.values()) if rule else set()
        # An allocation is never erased (design, Bytes); identity and texts may be.
        code = "openings.missing" if sealed == {Purpose.ALLOCATION} else "openings.withheld"
        self._add(code, seq, record, found=f"{record.withheld} closed")

    def _add(self, code: str, seq: int, record: Record, *, found: str = "") -> None:
        self._findings.add(
            code, seq, found=found, event_id=record.id, subject=record.stream,
            field="openings",
        )  # fmt: skip

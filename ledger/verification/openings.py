"""Check 9: disclosures kept beside the log against the digests that statements signed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError
from ledger.history import ACCEPTED
from ledger.record import Record, build_record
from ledger.signing.sealing import digests_of, parse_disclosure
from ledger.verification.concealed import CONCEALED, concealed_digest
from ledger.verification.evidence import AlteredOpening, ErasedOpening
from ledger.vocabulary import Purpose, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ledger.verification.evidence import EvidenceSource, StoredOpening
    from ledger.verification.reading import ReadEntry
    from ledger.verification.report import Findings

ERASED: Final = "personal-data.erased.v1"


@dataclass(frozen=True, slots=True)
class _Erased:
    seq: int
    event_id: str
    owner: str
    act: str


class OpeningCheck:
    """Matches disclosures to digests; what is closed is counted, never guessed."""

    def __init__(self, source: EvidenceSource, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self._orders: dict[str, Record] = {}
        self._accepted: dict[str, tuple[int, str]] = {}
        self._erased: list[_Erased] = []
        self.withheld = 0
        self.concealed = 0

    @property
    def waits(self) -> bool:
        """Whether an order to erase is not answered yet."""
        return bool(self._orders)

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
            fitting, closed = self._fitting(read.seq, kept, digests)
            record = build_record(
                entry, sha256=read.sha256, disclosures=fitting, parsed=(statement, event)
            )
        except LedgerError as error:
            self._findings.add(
                "statements.unreadable", read.seq, found=error.message, event_id=event.id,
                subject=entry.stream, field=error.where,
            )  # fmt: skip
            return None
        self._order(record)
        absent = record.withheld - len(closed)
        self._closed(record, closed, absent)
        if not absent and [o.number for o in kept] != [*range(len(kept))]:
            self._add("openings.number", read.seq, record)
        return record

    def end(self, size: int) -> None:
        """Name disclosures kept for no entry, and those erased without an order."""
        for opening in self._source.stray_openings(size, 10_000):
            position = opening.seq if isinstance(opening.seq, int) else None
            self._findings.add(
                "openings.stray", position, field=f"opening {opening.number}", group="stray"
            )
        for one in self._erased:
            order = self._accepted.get(one.act)
            if order is None or one.seq > order[0] or one.owner != order[1]:
                self._findings.add(
                    "openings.erased-unordered", one.seq, found=one.act, event_id=one.event_id,
                    subject=one.owner, field="openings",
                )  # fmt: skip

    def _order(self, record: Record) -> None:
        """Remember the erasures that the log orders and the ledger accepted."""
        if record.type == ERASED:
            self._orders[record.id] = record
        request = record.data.get("request")
        order = (
            self._orders.pop(str(request.get("id")), None) if isinstance(request, dict) else None
        )
        if order is not None and record.type == ACCEPTED:
            self._accepted[order.id] = order.seq, order.stream

    def _fitting(
        self, seq: int, kept: Iterable[StoredOpening], digests: set[str]
    ) -> tuple[list[str], list[str | None]]:
        """The texts that open something, and for what fits but is closed the act, if one did it."""
        fitting: list[str] = []
        closed: list[str | None] = []
        for opening in kept:
            text = opening.disclosure
            if isinstance(text, AlteredOpening):
                self._findings.add(
                    "openings.altered", seq, found=text.reason, field=f"opening {opening.number}"
                )
                continue
            digest = _digest(text)
            if digest is None or digest not in digests:
                self._findings.add("openings.foreign", seq, field=f"opening {opening.number}")
                continue
            digests.remove(digest)
            if isinstance(text, ErasedOpening):
                closed.append(text.act)
            elif isinstance(text, str) and text.startswith(CONCEALED):
                closed.append(None)
            elif isinstance(text, str):
                fitting.append(text)
        return fitting, closed

    def _closed(self, record: Record, closed: Sequence[str | None], absent: int) -> None:
        acts = [act for act in closed if act is not None]
        self.withheld += record.withheld - (len(closed) - len(acts))
        self.concealed += len(closed) - len(acts)
        for act in dict.fromkeys(acts):
            self._erased.append(_Erased(record.seq, record.id, _owner(record.stream), act))
            self._add("openings.erased", record.seq, record, found=f"by {act}")
        if not absent or not self._source.keeps_openings:
            return
        rule = vocabulary().get(record.type)
        sealed = set(rule.sealed.values()) if rule else set()
        # An allocation is never erased (design, Bytes); identity and texts may be.
        code = "openings.missing" if sealed == {Purpose.ALLOCATION} else "openings.withheld"
        self._add(code, record.seq, record, found=f"{absent} closed")

    def _add(self, code: str, seq: int, record: Record, *, found: str = "") -> None:
        self._findings.add(
            code, seq, found=found, event_id=record.id, subject=record.stream,
            field="openings",
        )  # fmt: skip


def _digest(disclosure: object) -> str | None:
    """The digest a stored disclosure claims, encrypted or not; None when it is none."""
    if isinstance(disclosure, ErasedOpening):
        return disclosure.digest
    if not isinstance(disclosure, str):
        return None
    if disclosure.startswith(CONCEALED):
        return concealed_digest(disclosure)
    try:
        return parse_disclosure(disclosure).digest
    except (LedgerError, UnicodeError):
        return None


def _owner(stream: str) -> str:
    """Whose an erasure reaches: a subject's two streams are one subject's."""
    family, _, name = stream.partition("/")
    return f"subject/{name}" if family == "treatment" else stream

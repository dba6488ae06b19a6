"""Whether what is recorded conforms to the vocabulary: the check above the verifier's kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.events.registry import EVENT_TYPES
from ledger.record import read_record
from ledger.verification.evidence import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ledger.record import Record
    from ledger.verification.evidence import EvidenceSource, StoredRow


@dataclass(frozen=True, slots=True)
class Nonconformity:
    """An entry whose payload the vocabulary does not allow: position, type, what is wrong."""

    seq: int
    type: str
    message: str

    def __str__(self) -> str:
        """One line in the manner of the verifier's findings."""
        return (
            f"schema.invalid at seq {self.seq} ({self.type}): {self.message} Expected a payload "
            "of the published vocabulary. Compare the software version that recorded it."
        )


def check_conformance(
    source: EvidenceSource, progress: Callable[[int, int], None]
) -> Iterator[Nonconformity]:
    """Check every entry's payload against the schema of its type, with the openings at hand.

    Entries that cannot be read at all are the kernel's findings and are passed over here.
    """
    total, after = source.extent(), None
    while rows := source.rows(after, PAGE):
        after = rows[-1].seq
        openings = _openings(source, rows[0].seq, after)
        for row in rows:
            record = _record(row, openings.get(row.seq, []))
            if record is not None:
                yield from conformity(record)
        progress(min(after + 1, total), total)


def _openings(source: EvidenceSource, first: int, last: int) -> dict[object, list[str]]:
    found: dict[object, list[str]] = {}
    for opening in source.openings(first, last):
        text = opening.disclosure
        if isinstance(text, str) and not text.startswith("c1."):  # else it is encrypted
            found.setdefault(opening.seq, []).append(text)
    return found


def _record(row: StoredRow, disclosures: Sequence[str]) -> Record | None:
    if not isinstance(row.data, bytes):
        return None
    try:
        return read_record(row.data, disclosures)
    except LedgerError:
        return None


def conformity(record: Record) -> Iterator[Nonconformity]:
    """What is wrong with one record's payload; nothing when it conforms."""
    row = EVENT_TYPES.get(record.type)
    if row is None:
        yield Nonconformity(record.seq, record.type, "The type is not in the vocabulary.")
        return
    clear = sorted(set(row.rule.sealed) & set(record.event.data))
    if clear:
        yield Nonconformity(record.seq, record.type, f"{clear[0]} stands in clear.")
    try:
        row.check(record.data, withheld=record.withheld > 0)
    except LedgerError as error:
        yield Nonconformity(record.seq, record.type, error.message)

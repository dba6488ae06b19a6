"""Whether what is recorded conforms to the vocabulary: the check above the verifier's kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.events.registry import EVENT_TYPES
from ledger.record import read_record
from ledger.verification.concealed import CONCEALED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.record import Record
    from ledger.signing.envelope import Event
    from ledger.signing.strict_json import JsonObject
    from ledger.verification.evidence import StoredOpening, StoredRow
    from ledger.verification.payloads import Conforms


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


class Conformance:
    """Judges each payload against the schema of its type, with the openings at hand.

    A `ledger.verification.payloads.PayloadCheck`. Entries that cannot be read at all are the
    kernel's findings and are passed over here.
    """

    worker = "ledger.events.examining"

    def __init__(self) -> None:
        self.found: list[str] = []
        """A line for each payload that does not conform, in order of the log."""

    @property
    def conforms(self) -> Conforms:
        """As `conforms`."""
        return conforms

    def judge(self, row: StoredRow, kept: Sequence[StoredOpening]) -> None:
        """Say what is wrong with one entry's payload."""
        texts = [one.disclosure for one in kept if isinstance(one.disclosure, str)]
        record = _record(row, [text for text in texts if not text.startswith(CONCEALED)])
        if record is not None:
            self.found += map(str, conformity(record))


def conforms(event: Event, data: JsonObject, withheld: bool) -> bool:  # noqa: FBT001 - see Conforms
    """Whether a payload conforms; ``data`` is with what is opened, ``withheld`` if some is not."""
    return next(_wrong(event, data, withheld=withheld), None) is None


def _record(row: StoredRow, disclosures: Sequence[str]) -> Record | None:
    if not isinstance(row.data, bytes):
        return None
    try:
        return read_record(row.data, disclosures)
    except LedgerError:
        return None


def conformity(record: Record) -> Iterator[Nonconformity]:
    """What is wrong with one record's payload; nothing when it conforms."""
    for message in _wrong(record.event, record.data, withheld=record.withheld > 0):
        yield Nonconformity(record.seq, record.type, message)


def _wrong(event: Event, data: JsonObject, *, withheld: bool) -> Iterator[str]:
    row = EVENT_TYPES.get(event.type)
    if row is None:
        yield "The type is not in the vocabulary."
        return
    clear = sorted(set(row.rule.sealed) & set(event.data))
    if clear:
        yield f"{clear[0]} stands in clear."
    try:
        row.check(data, withheld=withheld)
    except LedgerError as error:
        yield error.message

"""A record: one entry of the log, read: its statement, its event, its openings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.entry import Entry, entry_hash, parse_entry
from ledger.signing.envelope import Event, parse_event
from ledger.signing.rfc3339 import parse_recorded_at
from ledger.signing.sealing import open_sealed, parse_disclosure
from ledger.signing.statement import Statement, parse_statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Record:
    """What folds and guards read; also the domain event of the stream's aggregate.

    ``data`` is the event's payload with the opened members merged in, as it may be served;
    ``withheld`` counts the sealed members whose openings are not at hand, ``erased`` names the
    acts by which some of them were erased.
    """

    entry: Entry
    statement: Statement
    event: Event
    data: JsonObject
    opened: Mapping[str, JsonValue]
    withheld: int
    sha256: str
    recorded_at: datetime
    erased: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The event's id."""
        return self.event.id

    @property
    def type(self) -> str:
        """The event's type."""
        return self.event.type

    @property
    def seq(self) -> int:
        """The position in the log."""
        return self.entry.seq

    @property
    def stream(self) -> str:
        """The stream the entry stands in."""
        return self.entry.stream

    @property
    def originator_id(self) -> str:
        """The stream, under the name the event store uses."""
        return self.entry.stream

    @property
    def originator_version(self) -> int:
        """The position in the stream, under the name the event store uses."""
        return self.entry.stream_seq

    @property
    def occurred_at(self) -> datetime:
        """When it happened, by the sender's claim."""
        return self.event.occurred_at


def read_record(
    data: bytes, disclosures: Sequence[str] = (), *, erased: tuple[str, ...] = ()
) -> Record:
    """Read a record from entry bytes, the disclosures at hand and the acts that erased others.

    Raises IntegrityFailure when the bytes are not an entry, hold no statement, or a disclosure
    does not belong to it.
    """
    entry = parse_entry(data)
    return build_record(entry, sha256=entry_hash(data), disclosures=disclosures, erased=erased)


def build_record(
    entry: Entry,
    *,
    sha256: str,
    disclosures: Sequence[str] = (),
    parsed: tuple[Statement, Event] | None = None,
    erased: tuple[str, ...] = (),
) -> Record:
    """Read a record from an entry whose bytes hash to ``sha256``."""
    try:
        if parsed is None:
            statement = parse_statement(entry.statement)
            event = parse_event(statement.payload)
        else:
            statement, event = parsed
        data, opened, missing = open_sealed(
            event.data, [parse_disclosure(text) for text in disclosures]
        )
    except IntegrityFailure:
        raise
    except LedgerError as error:
        raise IntegrityFailure(
            "record.unreadable",
            f"Entry {entry.seq} does not hold a readable statement: {error}",
            where=str(entry.seq),
        ) from error
    return Record(
        entry=entry,
        statement=statement,
        event=event,
        data=data,
        opened=opened,
        withheld=len(missing),
        sha256=sha256,
        recorded_at=parse_recorded_at(entry.recorded_at),
        erased=erased,
    )

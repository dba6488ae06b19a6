"""A stream as an aggregate of the event store: its records in order, nothing else.

The library reconstructs, caches and fast-forwards it; what the records mean is folded from it by
``ledger.history``. No class path is ever stored: topics are event type names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from ledger.errors import IntegrityFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ledger.record import Record


class Chronicle:
    """The records of one stream; ``version`` is the last stream position."""

    __slots__ = ("_id", "records")

    def __init__(self, stream: str, records: Sequence[Record]) -> None:
        self._id = stream
        self.records = tuple(records)

    @property
    def id(self) -> str:
        """The stream's name."""
        return self._id

    @property
    def version(self) -> int:
        """The position of the last record in the stream."""
        return self.records[-1].originator_version


def project_chronicle(chronicle: Chronicle | None, records: Iterable[Record]) -> Chronicle | None:
    """Extend a chronicle by further records; the repository's projector function."""
    known = chronicle.records if chronicle is not None else ()
    extended = (*known, *records)
    if not extended:
        return None
    return Chronicle(extended[0].stream, extended)


class RecordMapper(Mapper[str]):
    """Maps records to stored events and back: the state is the entry's bytes, untouched.

    ``read`` makes a record of an entry's bytes, with what may be served of its openings. The topic
    is checked against the event it stands beside, so a row cannot choose what code reads it.
    """

    def __init__(self, read: Callable[[bytes], Record]) -> None:
        super().__init__(JSONTranscoder())
        self._read = read

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The stored form of a record."""
        record: Record = domain_event
        return StoredEvent(
            originator_id=record.stream,
            originator_version=record.originator_version,
            topic=record.type,
            state=record.entry.to_bytes(),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The record in a stored event; raises IntegrityFailure when row and entry differ."""
        record = self._read(stored_event.state)
        if (record.stream, record.originator_version, record.type) != (
            stored_event.originator_id,
            stored_event.originator_version,
            stored_event.topic,
        ):
            raise IntegrityFailure(
                "record.row-differs", "The stored row does not match the entry it holds.",
                where=str(record.seq),
            )  # fmt: skip
        return record

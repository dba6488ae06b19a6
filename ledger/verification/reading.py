"""Stored rows read into entries, statements and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.entry import Entry, entry_hash, parse_entry
from ledger.log.tree import leaf_hash
from ledger.signing.envelope import Event, parse_event
from ledger.signing.statement import Statement, parse_statement

if TYPE_CHECKING:
    from ledger.verification.evidence import StoredRow

KnownSignatures = frozenset[str]
"""Thumbprints of the keys whose signature over one statement was found to hold."""


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """A row as far as it can be read; ``fault`` says why a later part is None.

    ``sha256`` and ``leaf`` are over the bytes as stored, whether or not they are an entry.
    """

    seq: int
    row: StoredRow
    sha256: str | None
    leaf: bytes | None
    entry: Entry | None
    statement: Statement | None
    event: Event | None
    fault: str | None

    @property
    def displaced(self) -> bool:
        """Whether the entry says it belongs elsewhere."""
        return self.entry is not None and self.entry.seq != self.seq


def read_row(row: StoredRow) -> ReadEntry:
    """Read a row as far as it goes; never raises."""
    data = row.data
    if not isinstance(data, bytes):
        fault = "The entry's bytes cannot be read, or are no bytes."
        return ReadEntry(row.seq, row, None, None, None, None, None, fault)
    entry: Entry | None = None
    statement: Statement | None = None
    event: Event | None = None
    fault_found: str | None = None
    try:
        entry = parse_entry(data)
        statement = parse_statement(entry.statement)
        event = parse_event(statement.payload)
    except LedgerError as error:
        fault_found = error.message
    return ReadEntry(
        row.seq, row, entry_hash(data), leaf_hash(data), entry, statement, event, fault_found
    )

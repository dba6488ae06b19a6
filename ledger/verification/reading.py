"""Stored rows read into entries, statements and events; signatures checked on all cores."""

from __future__ import annotations

import os
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.entry import Entry, entry_hash, parse_entry
from ledger.log.tree import leaf_hash
from ledger.signing.authority import self_certified
from ledger.signing.envelope import Event, parse_event
from ledger.signing.statement import Statement, parse_statement, verify_signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.signing.jwk import PublicJwk
    from ledger.verification.evidence import StoredRow

_CHUNK = 32

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


class SignaturePool:
    """Checks signatures on all cores; the library releases the interpreter while it works.

    A key is bound to its thumbprint by a hash, so whether a signature holds does not depend on
    where in the log the key stands; whether the key was in force there is judged afterwards.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._keys: dict[str, PublicJwk] = {}

    def start(self, entries: Sequence[ReadEntry]) -> list[Future[list[KnownSignatures]]]:
        """Begin checking a page; the futures give one set for each entry, in order."""
        for read in entries:
            if read.event is not None:
                self._learn(read.event)
        return [
            self._executor.submit(_holding, entries[start : start + _CHUNK], self._keys)
            for start in range(0, len(entries), _CHUNK)
        ]

    def _learn(self, event: Event) -> None:
        try:
            self._keys.update(self_certified(event))
        except LedgerError:
            return  # named when the statement is judged


@contextmanager
def signature_pool() -> Iterator[tuple[SignaturePool, Executor]]:
    """A pool with one thread for each core."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as executor:
        yield SignaturePool(executor), executor


def _holding(entries: Sequence[ReadEntry], keys: dict[str, PublicJwk]) -> list[KnownSignatures]:
    return [_holding_of(read.statement, keys) for read in entries]


def _holding_of(statement: Statement | None, keys: dict[str, PublicJwk]) -> KnownSignatures:
    if statement is None:
        return frozenset()
    found = set()
    for signature in statement.signatures:
        key = keys.get(signature.kid)
        if key is None:
            continue
        try:
            verify_signature(statement, signature, key)
        except LedgerError:
            continue
        found.add(signature.kid)
    return frozenset(found)

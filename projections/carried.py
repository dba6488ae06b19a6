"""What travels between a fold and the processes beside it, and how.

A module of its own, so that a process starts without what only the fold needs.
"""

from __future__ import annotations

import io
import pickle
import socket
import struct
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from ledger.aggregates.trial_state import lots_named
from ledger.history import Fact
from ledger.log.entry import Entry
from ledger.record import Record
from ledger.rules.case import Case
from ledger.signing.envelope import Event
from ledger.signing.jwk import PublicJwk
from ledger.signing.statement import Signature, Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ledger.history import History
    from ledger.signing.register import Register
    from ledger.trials.definition import TrialDefinition

Subjects: TypeAlias = "Sequence[tuple[str, History]]"
"""Subjects of a page, each with its records."""

_LENGTH: Final = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the cases of a page have in common, and the instant they are counted at."""

    definition: TrialDefinition
    trial: History
    register: Register
    sites: Mapping[str, History]
    lots: Mapping[str, History]
    as_of: datetime

    @classmethod
    def of(cls, cases: Sequence[Case], as_of: datetime) -> Self:
        """What these cases, of one position in the log and at least one, have in common."""
        return cls(
            definition=cases[0].definition,
            trial=cases[0].trial,
            register=cases[0].register,
            sites={case.site_id: case.site for case in cases},
            lots={lot: records for case in cases for lot, records in case.lots.items()},
            as_of=as_of,
        )

    def case(self, subject: str, records: History) -> Case:
        """The case of a subject in these surroundings."""
        return Case(
            subject=subject,
            definition=self.definition,
            records=records,
            trial=self.trial,
            site=self.sites[subject.rsplit("-", 1)[0]],
            register=self.register,
            lots={lot: self.lots[lot] for lot in lots_named(records)},
        )


def _record(
    entry: tuple[Any, ...],
    payload: bytes,
    signatures: list[tuple[Any, ...]],
    event: tuple[Any, ...],
    rest: tuple[Any, ...],
) -> Record:
    made = Entry(*entry)
    statement = Statement(made.statement, payload, tuple([Signature(*one) for one in signatures]))
    return Record(made, statement, Event(*event), *rest)


_ENTRY: Final = attrgetter(*Entry.__slots__)
_SIGNATURE: Final = attrgetter(*Signature.__slots__)
_EVENT: Final = attrgetter(*(name for name in Event.__slots__ if name != "occurred_at"))
_REST: Final = attrgetter(*Record.__slots__[3:])
_FACT: Final = attrgetter(*Fact.__slots__)


def _of_record(record: Record) -> tuple[Callable[..., Record], tuple[Any, ...]]:
    statement = record.statement
    signatures = [_SIGNATURE(one) for one in statement.signatures]
    entry, event = _ENTRY(record.entry), _EVENT(record.event)
    return _record, (entry, statement.payload, signatures, event, _REST(record))


def _of_fact(fact: Fact) -> tuple[type[Fact], tuple[Any, ...]]:
    return Fact, _FACT(fact)


def _of_key(key: PublicJwk) -> tuple[type[PublicJwk], tuple[Any, ...]]:
    return PublicJwk, (key.kty, key.crv, key.x, key.y)  # a loaded P-256 key does not travel


_TABLE: Final[dict[type, Callable[[Any], tuple[Callable[..., Any], tuple[Any, ...]]]]] = {
    Record: _of_record,
    Fact: _of_fact,
    PublicJwk: _of_key,
}
"""What does not travel in the general way, or of which there is most: part by part, in half the
time."""


def packed(value: object) -> bytes:
    """A value as it travels, as it stands now."""
    data = io.BytesIO()
    pickler = pickle.Pickler(data, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TABLE
    pickler.dump(value)
    return data.getvalue()


def unpacked(data: bytes) -> Any:
    """The value that was packed."""
    # Both ends are one program of one version, and the line between them is theirs alone.
    return pickle.loads(data)  # noqa: S301


def send(line: socket.socket, data: bytes) -> None:
    """Send bytes with their length before them; raises OSError when the line is broken."""
    line.sendall(_LENGTH.pack(len(data)) + data)


def receive(line: socket.socket) -> bytes:
    """What `send` sent at the other end; raises EOFError when there is no more."""
    (length,) = _LENGTH.unpack(_exactly(line, _LENGTH.size))
    return _exactly(line, length)


def _exactly(line: socket.socket, length: int) -> bytes:
    # Waited for as a whole: the interpreter is asked for once, not with each piece that comes.
    data = b""
    while len(data) < length:
        piece = line.recv(length - len(data), socket.MSG_WAITALL)
        if not piece:
            raise EOFError
        data += piece
    return data

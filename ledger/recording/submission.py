"""What a sender offers, checked for strict JSON, signature, envelope and schema.

This part needs no lock and runs on every core; the writer does the rest against the head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledger.errors import RejectedInput
from ledger.events.registry import EVENT_TYPES
from ledger.signing.authority import self_certified
from ledger.signing.envelope import Event, parse_event
from ledger.signing.jwk import PublicJwk
from ledger.signing.sealing import Disclosure, open_sealed
from ledger.signing.statement import Statement, parse_statement, verify_signature

if TYPE_CHECKING:
    from ledger.events.event_type import EventType
    from ledger.signing.strict_json import JsonObject

KeyLookup = Callable[[str], PublicJwk | None]
_Parts = tuple[str, str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Submission:
    """A statement that is well-formed; ``verified`` names the keys whose signature was checked.

    ``identifier`` is the fault of a direct identifier that stands in clear: whether such a
    statement is kept aside depends on who signed it, which only the writer knows.
    """

    statement: Statement
    event: Event
    row: EventType
    data: JsonObject
    disclosures: tuple[Disclosure, ...]
    verified: frozenset[str]
    identifier: RejectedInput | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """As it goes to the writer's process: the row of the vocabulary stands there too."""
        return _restored, (
            self.statement,
            self.event,
            self.data,
            self.disclosures,
            self.verified,
            _parts(self.identifier),
        )


def receive(
    text: str, disclosures: Sequence[Disclosure], *, trial: str, key_of: KeyLookup
) -> Submission:
    """Check a statement's form and the signatures of keys already known.

    A key not known yet may be registered by a statement that is still waiting, so its signature
    is left to the writer. Raises RejectedInput and TrustFailure, the first fault in the order of
    checks: strict JSON, signature, envelope, schema. A direct identifier in clear is noted, for the
    writer to refuse.
    """
    statement = parse_statement(text)
    event, fault = _envelope(statement)
    known = {s.kid: key_of(s.kid) for s in statement.signatures}
    brought = self_certified(event) if event is not None else {}
    verified = set()
    for signature in statement.signatures:
        key = known[signature.kid] or brought.get(signature.kid)
        if key is not None:
            verify_signature(statement, signature, key)
            verified.add(signature.kid)
    if event is None:
        raise fault or RejectedInput("envelope.unreadable", "The event cannot be read.")
    if event.trialid != trial:
        raise RejectedInput(
            "envelope.foreign-trial",
            f"This ledger keeps trial {trial}, the event names {event.trialid}.",
            where="/trialid",
        )
    row = EVENT_TYPES.get(event.type)
    if row is None:
        raise RejectedInput(
            "schema.unknown-type",
            f"There is no event type {event.type}.",
            where="/type",
            remedy="See docs/events.md for the vocabulary.",
        )
    data = check_payload(row, event, disclosures)
    return Submission(
        statement,
        event,
        row,
        data,
        tuple(disclosures),
        frozenset(verified),
        _identifier(row, event),
    )


def check_payload(row: EventType, event: Event, disclosures: Sequence[Disclosure]) -> JsonObject:
    """Check the sealed members and the schema; return the payload with its openings merged.

    Raises RejectedInput ``sealed.*`` or ``schema.*``.
    """
    clear = sorted(name for name in row.rule.sealed if name in event.data)
    if clear:
        raise RejectedInput(
            "sealed.in-clear",
            f"{clear[0]} must be sealed and stands in clear.",
            where=f"/data/{clear[0]}",
            remedy="Replace the member by its digest in _sd and send its disclosure (RFC 9901).",
        )
    data, opened, missing = open_sealed(event.data, disclosures)
    if missing:
        raise RejectedInput(
            "sealed.undisclosed",
            f"{len(missing)} digests in _sd came without their disclosures.",
            where="/data/_sd",
            remedy="Send every disclosure with the statement.",
        )
    foreign = sorted(set(opened) - set(row.rule.sealed))
    if foreign:
        raise RejectedInput(
            "sealed.not-sealable",
            f"{foreign[0]} may not be sealed in {row.name}.",
            where=f"/data/{foreign[0]}",
            remedy="Send it in clear.",
        )
    row.check(data)
    return data


def _restored(
    statement: Statement,
    event: Event,
    data: JsonObject,
    disclosures: tuple[Disclosure, ...],
    verified: frozenset[str],
    fault: _Parts | None,
) -> Submission:
    row = EVENT_TYPES[event.type]
    found = None
    if fault is not None:
        code, message, where, remedy = fault
        found = RejectedInput(code, message, where=where, remedy=remedy)
    return Submission(statement, event, row, data, disclosures, verified, found)


def _identifier(row: EventType, event: Event) -> RejectedInput | None:
    try:
        row.refuse_identifiers(event.data)
    except RejectedInput as error:
        return error
    return None


def _parts(error: RejectedInput | None) -> _Parts | None:
    return None if error is None else (error.code, error.message, error.where, error.remedy)


def _envelope(statement: Statement) -> tuple[Event | None, RejectedInput | None]:
    try:
        return parse_event(statement.payload), None
    except RejectedInput as error:
        if error.code.startswith("strict-json."):
            raise
        return None, error

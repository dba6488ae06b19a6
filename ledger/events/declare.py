"""Rows of the vocabulary: the meaning is the schema's docstring, the sealing its fields'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.events.event_type import EventType, event_type
from ledger.vocabulary import Kind, Purpose, SigningRule, StreamFamily

if TYPE_CHECKING:
    from ledger.events.payload import Payload


def command(
    name: str, schema: type[Payload], *, stream: StreamFamily, signed_by: SigningRule
) -> EventType:
    """A type that asks the ledger to act; its result is the next entry."""
    return _row(name, schema, kind=Kind.COMMAND, stream=stream, signed_by=signed_by)


def fact(
    name: str, schema: type[Payload], *, stream: StreamFamily, signed_by: SigningRule
) -> EventType:
    """A type that reports what already happened; never refused for protocol reasons."""
    return _row(name, schema, kind=Kind.FACT, stream=stream, signed_by=signed_by)


def judgement(
    name: str, schema: type[Payload], *, stream: StreamFamily, signed_by: SigningRule
) -> EventType:
    """A type that records a person's signed opinion."""
    return _row(name, schema, kind=Kind.JUDGEMENT, stream=stream, signed_by=signed_by)


def result(name: str, schema: type[Payload], *, stream: StreamFamily) -> EventType:
    """A type in which the ledger itself answers a command."""
    signed_by = SigningRule(ledger=True)
    return _row(name, schema, kind=Kind.RESULT, stream=stream, signed_by=signed_by)


def sealed_members(schema: type[Payload]) -> dict[str, Purpose]:
    """The members whose fields say that they are sealed, with their purpose."""
    return {
        field.data_key or name: Purpose(field.metadata["x-sealed"])
        for name, field in schema().fields.items()
        if "x-sealed" in field.metadata
    }


def _row(
    name: str,
    schema: type[Payload],
    *,
    kind: Kind,
    stream: StreamFamily,
    signed_by: SigningRule,
) -> EventType:
    return event_type(
        name,
        kind,
        stream,
        meaning=" ".join((schema.__doc__ or "").split()),
        schema=schema,
        signed_by=signed_by,
        sealed=sealed_members(schema),
    )

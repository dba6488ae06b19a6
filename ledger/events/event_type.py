"""One row of the vocabulary: the type's rule for the kernel and its marshmallow schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, ValidationError, fields

from ledger.errors import RejectedInput
from ledger.events.acceptance import acceptance
from ledger.events.clear_text import refuse_identifiers
from ledger.vocabulary import Kind, Purpose, SigningRule, StreamFamily, TypeRule

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type: what the kernel judges (``rule``) and what the payload must hold."""

    rule: TypeRule
    schema: Schema

    @property
    def name(self) -> str:
        """The type's name, such as ``consent.obtained.v1``."""
        return self.rule.name

    def check(self, data: JsonObject, *, withheld: bool = False) -> None:
        """Check a payload with its openings merged; raises RejectedInput naming the member.

        With ``withheld`` openings, sealed members may be missing.
        """
        if acceptance(type(self.schema))(data, absent=self.rule.sealed if withheld else ()):
            return
        try:
            self.schema.load(data, partial=tuple(self.rule.sealed) if withheld else None)
        except ValidationError as error:
            messages = error.messages_dict
            # A misspelt member is missing too; that it is misspelt says more.
            where, message = unknown_member(messages, self.schema) or first_problem(messages)
            raise RejectedInput(
                "schema.invalid-member",
                f"In {self.name}, {where or '/data'}: {message}",
                where=f"/data{where}",
                remedy=f"See the type {self.name} in docs/events.md or GET /openapi.json.",
            ) from error

    def refuse_identifiers(self, data: JsonObject) -> None:
        """Refuse direct identifiers in what is signed in clear (``ledger.events.clear_text``).

        ``data`` is the payload as signed, without openings. It is asked of what comes in, never of
        what is recorded already: recognition grows, and an old entry stays what it was. Raises
        RejectedInput ``identifier.in-clear``.
        """
        refuse_identifiers(self.name, self.schema, data)


def first_problem(messages: Mapping[Any, object], path: str = "") -> tuple[str, str]:
    """The first problem of a marshmallow message tree as JSON pointer and sentence."""
    for key, value in messages.items():
        here = path if key == "_schema" else f"{path}/{key}"
        if isinstance(value, Mapping):
            return first_problem(value, here)
        if isinstance(value, list) and value:
            return here, " ".join(str(item) for item in value)
        return here, str(value)
    return path, "The payload is not valid."


def unknown_member(
    messages: Mapping[Any, object], schema: Schema, path: str = ""
) -> tuple[str, str] | None:
    """The first member of a message tree that the schema does not know, and what may be meant."""
    for key, value in messages.items():
        if value == [schema.error_messages["unknown"]]:
            close = get_close_matches(str(key), _members(schema), n=1)
            meant = f" Did you mean {close[0]}?" if close else ""
            return f"{path}/{key}", f"There is no such member.{meant}"
    for key, value in messages.items():
        inner = _members(schema).get(str(key))
        here = f"{path}/{key}"
        if isinstance(inner, fields.List) and isinstance(value, Mapping):
            found = _in_list(value, inner.inner, here)
        elif isinstance(inner, fields.Nested) and isinstance(value, Mapping):
            found = unknown_member(value, _shape(inner), here)
        else:
            found = None
        if found is not None:
            return found
    return None


def _in_list(
    messages: Mapping[Any, object], inner: fields.Field[Any], path: str
) -> tuple[str, str] | None:
    if not isinstance(inner, fields.Nested):
        return None
    found = (
        unknown_member(value, _shape(inner), f"{path}/{index}")
        for index, value in messages.items()
        if isinstance(value, Mapping)
    )
    return next(filter(None, found), None)


def _shape(nested: fields.Nested) -> Schema:
    shape = nested.schema
    if not isinstance(shape, Schema):
        raise TypeError("The vocabulary nests schemas alone.")
    return shape


def _members(schema: Schema) -> dict[str, fields.Field[Any]]:
    return {field.data_key or name: field for name, field in schema.fields.items()}


def event_type(
    name: str,
    kind: Kind,
    stream: StreamFamily,
    *,
    meaning: str,
    schema: type[Schema],
    signed_by: SigningRule,
    sealed: Mapping[str, Purpose] | None = None,
) -> EventType:
    """Declare one type; the call is the table's row."""
    rule = TypeRule(
        name=name,
        kind=kind,
        stream=stream,
        signing=signed_by,
        meaning=meaning,
        sealed=dict(sealed or {}),
    )
    made = schema()
    unknown = set(rule.sealed) - set(made.fields)
    if unknown:
        raise ValueError(f"{name} seals members its schema does not know: {sorted(unknown)}")
    return EventType(rule=rule, schema=made)


def table(types: Iterable[EventType]) -> dict[str, EventType]:
    """Index types by name; raises ValueError if one stands twice."""
    indexed: dict[str, EventType] = {}
    for row in types:
        if row.name in indexed:
            raise ValueError(f"{row.name} stands twice in the vocabulary")
        indexed[row.name] = row
    return indexed

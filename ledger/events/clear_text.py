"""Which unsealed members are searched for direct identifiers, and for which.

The table goes by the kind of field. Codes, ids, numbers, dates, lots, hashes, units, source URIs
and closed lists are never searched: their grammars leave no room for words, and a number in them
is what it is said to be. Sealed members are searched by nobody.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from marshmallow import Schema, fields, validate

from ledger.errors import RejectedInput
from ledger.events.identifiers import CHECKS, Identifier, looks_like_name, plain
from ledger.signing.strict_json import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ledger.signing.strict_json import JsonObject, JsonValue

ALL: Final = tuple(Identifier)
SEARCHED: Final[Mapping[str, tuple[Identifier, ...]]] = MappingProxyType(
    {
        "text": ALL,
        "any value": ALL,
        "scan": (Identifier.EMAIL, Identifier.NATIONAL_ID, Identifier.NAME),
        "pseudonym": (Identifier.NAME,),
    }
)
"""What each kind of field is searched for. In a scan and a pseudonym, which should be codes, words
alone are taken for a name; in words a name counts that is said to be one. A scan may be a long
number, so telephone numbers are not looked for in it."""

_CODES: Final = frozenset(("scan", "pseudonym"))
# Values of a correction carry no kind of their own: numbers, moments, codes with digits and hashes
# are left alone, as they would be in the member they belong to.
_NO_WORDS: Final = re.compile(r"[A-Za-z0-9._:/+*-]{1,64}")


def kind_of(field: fields.Field[object]) -> str | None:
    """The kind of a field in the table, or None for one that is never searched."""
    if type(field) is fields.Raw:
        return "any value"
    if not isinstance(field, fields.String):
        return None
    form = field.metadata.get("format")
    if form in _CODES:
        return str(form)
    listed = any(isinstance(validator, validate.OneOf) for validator in field.validators)
    return None if form is not None or listed else "text"


def holds_words(schema: Schema, path: Sequence[str]) -> bool:
    """Whether a member below ``/data`` takes free words: what no rule and no view reckons with."""
    here: Schema | fields.Field[object] = schema
    for token in path:
        if isinstance(here, fields.Nested):
            here = here.schema
        if isinstance(here, fields.List):
            here = here.inner
            continue
        if not isinstance(here, Schema):
            return False
        named = {field.data_key or name: field for name, field in here.fields.items()}
        if token not in named or "x-sealed" in named[token].metadata:
            return False
        here = named[token]
    return not isinstance(here, Schema) and kind_of(here) == "text"


def identifiers_in(schema: Schema, data: JsonObject) -> Iterator[tuple[str, Identifier]]:
    """The members of a payload in clear that seem to hold a direct identifier, as JSON pointers."""
    for name, field in schema.fields.items():
        key = field.data_key or name
        if key in data and "x-sealed" not in field.metadata:
            yield from _member(field, data[key], pointer("data", key))


def refuse_identifiers(type_name: str, schema: Schema, data: JsonObject) -> None:
    """Refuse a payload with a direct identifier in clear; ``data`` is as signed, without openings.

    Raises RejectedInput ``identifier.in-clear`` naming the member, never the value.
    """
    for where, found in identifiers_in(schema, data):
        raise RejectedInput(
            "identifier.in-clear",
            f"In {type_name}, {where} seems to hold {found} in clear.",
            where=where,
            remedy="Say it without identifying anybody, or put it into a sealed member.",
        )


def _member(
    field: fields.Field[object], value: JsonValue, where: str
) -> Iterator[tuple[str, Identifier]]:
    if isinstance(field, fields.Nested):
        for name, inner in field.schema.fields.items():
            key = inner.data_key or name
            if isinstance(value, dict) and key in value:
                yield from _member(inner, value[key], f"{where}{pointer(key)}")
        return
    if isinstance(field, fields.List):
        for index, item in enumerate(value if isinstance(value, list) else ()):
            yield from _member(field.inner, item, f"{where}/{index}")
        return
    kind = kind_of(field)
    if kind is not None:
        for place, words in _strings(value, where):
            if kind != "any value" or _NO_WORDS.fullmatch(words) is None:
                yield from ((place, found) for found in _found(words, kind))


def _strings(value: JsonValue, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{where}/{index}")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, f"{where}{pointer(name)}")


def _found(words: str, kind: str) -> Iterator[Identifier]:
    seen = plain(words)
    for identifier in SEARCHED[kind]:
        if identifier is Identifier.NAME and kind in _CODES:
            if looks_like_name(seen):
                yield identifier
        elif CHECKS[identifier](seen):
            yield identifier

"""Which unsealed members are searched for direct identifiers, and for which.

The table goes by the kind of field. Codes, ids, numbers, dates, lots, hashes, units, source URIs
and closed lists are never searched: their grammars leave no room for words, and a number in them
is what it is said to be. Sealed members are searched by nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

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

_Place: TypeAlias = tuple[str | int, ...]
_Found: TypeAlias = tuple[_Place, Identifier]
_Search: TypeAlias = Callable[[Any], list[_Found]]

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


def identifiers_in(schema: Schema, data: JsonObject) -> list[tuple[str, Identifier]]:
    """The members of a payload in clear that seem to hold a direct identifier, as JSON pointers."""
    return [
        (pointer("data") + "".join(map(pointer, place)), found)
        for place, found in _of_payload(schema)(data)
    ]


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


@cache
def _of_payload(schema: Schema) -> _Search:
    """What searches a payload; made once for each schema, so that none is looked through again."""
    clear = {key: one for key, one in _keyed(schema) if "x-sealed" not in one.metadata}
    return _of_object(clear) or _nowhere


def _keyed(schema: Schema) -> list[tuple[str, fields.Field[Any]]]:
    return [(field.data_key or name, field) for name, field in schema.fields.items()]


def _of_field(field: fields.Field[Any]) -> _Search | None:
    """What searches a member; None for one in which nothing is searched."""
    if isinstance(field, fields.Nested):
        return _of_object(dict(_keyed(field.schema)))
    if isinstance(field, fields.List):
        return _of_list(field.inner)
    kind = kind_of(field)
    return None if kind is None else partial(_in_words, kind)


def _of_object(members: Mapping[str, fields.Field[Any]]) -> _Search | None:
    every = [(key, _of_field(field)) for key, field in members.items()]
    searched = [(key, inner) for key, inner in every if inner is not None]
    if not searched:
        return None

    def search(value: JsonValue) -> list[_Found]:
        if not isinstance(value, dict):
            return []
        return [
            ((key, *place), found)
            for key, inner in searched
            if key in value
            for place, found in inner(value[key])
        ]

    return search


def _of_list(item: fields.Field[Any]) -> _Search | None:
    inner = _of_field(item)
    if inner is None:
        return None

    def search(value: JsonValue) -> list[_Found]:
        return [
            ((index, *place), found)
            for index, one in enumerate(value if isinstance(value, list) else ())
            for place, found in inner(one)
        ]

    return search


def _nowhere(_value: JsonValue) -> list[_Found]:
    return []


def _in_words(kind: str, value: JsonValue) -> list[_Found]:
    return [
        (place, found)
        for place, words in _strings(value)
        if kind != "any value" or _NO_WORDS.fullmatch(words) is None
        for found in _found(words, kind)
    ]


def _strings(value: JsonValue, place: _Place = ()) -> Iterator[tuple[_Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*place, index))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, (*place, name))


def _found(words: str, kind: str) -> Iterator[Identifier]:
    seen = plain(words)
    for identifier in SEARCHED[kind]:
        if identifier is Identifier.NAME and kind in _CODES:
            if looks_like_name(seen):
                yield identifier
        elif CHECKS[identifier](seen):
            yield identifier

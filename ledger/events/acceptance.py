"""Whether a payload is as its schema asks, told in a quarter of the schema library's time.

Nearly every payload conforms, and a library that converts values and collects what is wrong takes
long to say so. Here the same fields with the same validators only say yes. What they do not accept
is the library's to judge, which alone says what is wrong; so is every field, validator or schema
of a kind that is not known here. Nothing is accepted that the library would refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache, partial
from typing import Any, Final, Protocol, TypeAlias

from marshmallow import RAISE, Schema, ValidationError, fields, missing, validate
from marshmallow.decorators import VALIDATES_SCHEMA

from ledger.events.strict_fields import Flag, WholeNumber

_ASKED: Final = {"partial": None, "many": False, "unknown": RAISE}

Accepts: TypeAlias = Callable[[Any], bool]
"""Whether a value, as JSON gives it, is accepted for certain."""


class AcceptsObject(Protocol):
    """Whether an object is accepted for certain; members named in ``absent`` may be missing."""

    def __call__(self, data: object, /, absent: Collection[str] = ()) -> bool:
        """Whether ``data`` is accepted."""


@cache
def acceptance(shape: type[Schema]) -> AcceptsObject:
    """What accepts an object of a shape; made once for each.

    A value that is accepted would come out of the schema as it went in.
    """
    schema = shape()
    rules = _rules(schema)
    if rules is None or schema.unknown != RAISE:
        return _by_library(schema)
    members: dict[str, Accepts] = {}
    required: dict[str, str] = {}
    for name, field in schema.load_fields.items():
        key = name if field.data_key is None else field.data_key
        members[key] = _of_field(field)
        if field.required:
            required[key] = name
    always = frozenset(required)

    def accepts(data: object, /, absent: Collection[str] = ()) -> bool:
        if type(data) is not dict:
            return False
        for key, value in data.items():
            member = members.get(key)
            if member is None or not member(value):
                return False
        lacking = always - data.keys()
        if lacking and not all(required[key] in absent for key in lacking):
            return False
        return not rules or all(rule(data) for rule in rules)

    return accepts


def _rules(schema: Schema) -> list[Accepts] | None:
    """The rules over several members; None where there is more, or a member has two names."""
    hooks = {kind: found for kind, found in schema._hooks.items() if found}  # noqa: SLF001
    renamed = any(field.data_key is not None for field in schema.load_fields.values())
    usual = {"skip_on_field_errors": True, "pass_original": False}
    over_all = hooks.pop(VALIDATES_SCHEMA, [])
    if hooks or any(many or how != usual for _, many, how in over_all) or (over_all and renamed):
        return None
    return [_quiet(partial(getattr(schema, name), **_ASKED)) for name, _, _ in over_all]


def _by_library(schema: Schema) -> AcceptsObject:
    def accepts(data: object, /, absent: Collection[str] = ()) -> bool:
        if type(data) is not dict:
            return False
        return not schema.validate(data, partial=tuple(absent) if absent else None)

    return accepts


def _of_field(field: fields.Field[Any]) -> Accepts:
    make = _KINDS.get(type(field))
    plain = field.load_default is missing and field.attribute is None
    if make is None or not plain or field.pre_load or field.post_load:
        return _quiet(field.deserialize)
    accepts = _all_of([make(field), *map(_of_validator, field.validators)])
    return (lambda value: value is None or accepts(value)) if field.allow_none else accepts


def _of_validator(validator: Callable[[Any], Any]) -> Accepts:
    if type(validator) is validate.Regexp:
        match = validator.regex.match
        return lambda value: match(value) is not None
    if type(validator) is validate.OneOf:
        return frozenset(validator.choices).__contains__
    if type(validator) is validate.Length and validator.equal is None:
        least = 0 if validator.min is None else validator.min
        most = float("inf") if validator.max is None else validator.max
        return lambda value: least <= len(value) <= most
    return _quiet(validator)


def _quiet(judge: Callable[[Any], Any]) -> Accepts:
    """Whether a judge raises nothing."""

    def accepts(value: Any) -> bool:
        try:
            judge(value)
        except ValidationError:
            return False
        return True

    return accepts


def _all_of(every: list[Accepts]) -> Accepts:
    """Each is asked only where those before it accept: a grammar is asked of texts alone."""
    first, *others = every
    if not others:
        return first
    rest = _all_of(others)
    return lambda value: first(value) and rest(value)


def _exactly(kind: type) -> Callable[[fields.Field[Any]], Accepts]:
    return lambda _field: lambda value: type(value) is kind


def _of_list(field: Any) -> Accepts:
    inner = _of_field(field.inner)
    return lambda value: type(value) is list and all(map(inner, value))


def _of_part(field: Any) -> Accepts:
    plain = isinstance(field.nested, type) and issubclass(field.nested, Schema)
    if not plain or field.many or field.only is not None or field.exclude or field.unknown:
        return _quiet(field.deserialize)
    return acceptance(field.nested)


_KINDS: Final[dict[type, Callable[[Any], Accepts]]] = {
    fields.String: _exactly(str),
    Flag: _exactly(bool),
    WholeNumber: _exactly(int),
    fields.List: _of_list,
    fields.Nested: _of_part,
}

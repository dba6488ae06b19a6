"""Reading JSON into the frozen dataclasses of a trial: the annotations are the schema.

Every member must be present and none may be unknown; nothing is converted but decimal strings
and dates, each by an exact grammar. The first flaw is reported with its JSON pointer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NoReturn,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from ledger.errors import RejectedInput
from ledger.trials.grammar import Matches, Range

T = TypeVar("T")

_DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read(expected: type[T], value: object, pointer: str = "") -> T:
    """Read ``value`` as the dataclass ``expected``.

    Raises:
        RejectedInput: ``trial.missing-member``, ``trial.unknown-member``, ``trial.wrong-type`` or
            ``trial.out-of-range``, with the JSON pointer of the value.
    """
    return cast("T", _read(expected, value, pointer))


def escape(name: str) -> str:
    """Spell a member's name as one token of a JSON pointer (RFC 6901 section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _refuse(code: str, message: str, pointer: str) -> NoReturn:
    raise RejectedInput(
        code,
        message,
        where=pointer or "/",
        remedy="See docs/trials.md for how a trial file is written.",
    )


def _read(expected: Any, value: object, pointer: str) -> Any:
    origin = get_origin(expected)
    if origin is not None:
        return _GENERIC[origin](expected, value, pointer)
    if is_dataclass(expected):
        return _read_object(cast("type", expected), value, pointer)
    if issubclass(expected, StrEnum):
        if not isinstance(value, str) or value not in tuple(expected):
            _refuse("trial.out-of-range", f"Expected one of: {', '.join(expected)}.", pointer)
        return expected(value)
    return _SCALAR[expected](value, pointer)


@cache
def _members(expected: type) -> dict[str, Any]:
    hints = get_type_hints(expected, include_extras=True)
    return {field.name: hints[field.name] for field in fields(expected)}


def _read_object(expected: type, value: object, pointer: str) -> Any:
    if not isinstance(value, dict):
        _refuse("trial.wrong-type", "Expected an object.", pointer)
    members = _members(expected)
    for name in value:
        if name not in members:
            here = f"{pointer}/{escape(name)}"
            _refuse("trial.unknown-member", "This member is not known here.", here)
    for name in members:
        if name not in value:
            here = f"{pointer}/{name}"
            _refuse("trial.missing-member", "This member is missing; each must be given.", here)
    return expected(**{n: _read(hint, value[n], f"{pointer}/{n}") for n, hint in members.items()})


def _read_union(expected: Any, value: object, pointer: str) -> Any:
    tags = {get_args(_members(part)["rule"])[0]: part for part in get_args(expected)}
    if not isinstance(value, dict):
        _refuse("trial.wrong-type", "Expected an object.", pointer)
    if "rule" not in value:
        _refuse("trial.missing-member", "The member 'rule' is missing.", f"{pointer}/rule")
    tag = value["rule"]
    if not isinstance(tag, str) or tag not in tags:
        known = ", ".join(sorted(tags))
        _refuse("trial.out-of-range", f"Expected one of the rules: {known}.", f"{pointer}/rule")
    return _read(tags[tag], value, pointer)


def _read_tuple(expected: Any, value: object, pointer: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        _refuse("trial.wrong-type", "Expected an array.", pointer)
    part = get_args(expected)[0]
    return tuple(_read(part, item, f"{pointer}/{i}") for i, item in enumerate(value))


def _read_mapping(expected: Any, value: object, pointer: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse("trial.wrong-type", "Expected an object.", pointer)
    part = get_args(expected)[1]
    return {name: _read(part, item, f"{pointer}/{escape(name)}") for name, item in value.items()}


def _read_literal(expected: Any, value: object, pointer: str) -> str:
    choices = get_args(expected)
    if not isinstance(value, str) or value not in choices:
        _refuse("trial.out-of-range", f"Expected one of: {', '.join(choices)}.", pointer)
    return value


def _read_annotated(expected: Any, value: object, pointer: str) -> Any:
    inner, constraint = get_args(expected)
    result = _read(inner, value, pointer)
    match constraint:
        case Range(least, greatest) if not least <= result <= greatest:
            message = f"Expected a number from {least} to {greatest}."
            _refuse("trial.out-of-range", message, pointer)
        case Matches(pattern, meaning) if not re.fullmatch(pattern, result):
            _refuse("trial.out-of-range", f"Expected {meaning}.", pointer)
    return result


def _read_text(value: object, pointer: str) -> str:
    if not isinstance(value, str) or not value:
        _refuse("trial.wrong-type", "Expected a string that is not empty.", pointer)
    return value


def _read_integer(value: object, pointer: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse("trial.wrong-type", "Expected an integer.", pointer)
    return value


def _read_boolean(value: object, pointer: str) -> bool:
    if not isinstance(value, bool):
        _refuse("trial.wrong-type", "Expected true or false.", pointer)
    return value


def _read_decimal(value: object, pointer: str) -> Decimal:
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        _refuse("trial.wrong-type", "Expected a decimal string such as '2.8'.", pointer)
    return Decimal(value)


def _read_date(value: object, pointer: str) -> date:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        _refuse("trial.wrong-type", "Expected a date such as '2024-02-01'.", pointer)
    try:
        return date.fromisoformat(value)
    except ValueError:
        _refuse("trial.out-of-range", "There is no such day in the calendar.", pointer)


_GENERIC: Final[Mapping[Any, Callable[[Any, object, str], Any]]] = {
    tuple: _read_tuple,
    Mapping: _read_mapping,
    Literal: _read_literal,
    Annotated: _read_annotated,
    UnionType: _read_union,
}
_SCALAR: Final[Mapping[Any, Callable[[object, str], Any]]] = {
    str: _read_text,
    int: _read_integer,
    bool: _read_boolean,
    Decimal: _read_decimal,
    date: _read_date,
}

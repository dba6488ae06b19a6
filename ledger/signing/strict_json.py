"""JSON read without any leniency, and its canonical form (RFC 8259, RFC 7493, RFC 8785).

Two readers that understand the same signed bytes differently are an attack on the record. What
readers are known to disagree on is therefore refused before anything else looks at it:
duplicate names, floats, ``-0``, large integers, lone surrogates, NaN, a byte order mark.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import rfc8785

from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

JsonValue: TypeAlias = "bool | int | str | list[JsonValue] | dict[str, JsonValue] | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"

LARGEST_INTEGER: Final = 2**53 - 1
_LONGEST_INTEGER: Final = len(str(-LARGEST_INTEGER))
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a text may be before it is read at all.

    ``size`` in bytes, ``depth`` in nested arrays and objects, ``members`` in names and elements
    of the whole text (counted as commas outside strings plus arrays and objects).
    """

    size: int = 65_536
    depth: int = 32
    members: int = 8_192


DEFAULT: Final = Limits()


class _Flaw(Exception):
    """Something a hook of the reader met; its place is found in a second pass."""

    def __init__(self, code: str, message: str, name: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.name = name


def _integer_flaw(text: str) -> _Flaw | None:
    # The digits are counted before int() sees them: conversion of long digits is quadratic.
    if text == "-0":
        return _Flaw("strict-json.negative-zero", "Negative zero is not an integer here.")
    if len(text) <= _LONGEST_INTEGER and abs(int(text)) <= LARGEST_INTEGER:
        return None
    return _Flaw("strict-json.integer-range", "An integer lies beyond plus or minus 2^53 - 1.")


def _float_flaw(_text: str) -> _Flaw:
    return _Flaw(
        "strict-json.float",
        "A number has a fraction or an exponent; give a decimal as a string with its unit.",
    )


def _constant_flaw(_text: str) -> _Flaw:
    return _Flaw("strict-json.constant", "NaN and Infinity are not JSON.")


def _object_flaw(pairs: Sequence[tuple[str, Any]]) -> _Flaw:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return _Flaw("strict-json.duplicate-name", "An object names a member twice.", name)
        seen.add(name)
    return _Flaw("strict-json.duplicate-name", "An object names a member twice.")


def _read_integer(text: str) -> int:
    if len(text) < _LONGEST_INTEGER - 1 and text != "-0":
        return int(text)
    flaw = _integer_flaw(text)
    if flaw is not None:
        raise flaw
    return int(text)


def _read_float(text: str) -> Any:
    raise _float_flaw(text)


def _read_constant(text: str) -> Any:
    raise _constant_flaw(text)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _object_flaw(pairs)
    return value


def _mark_integer(text: str) -> Any:
    return _integer_flaw(text) or int(text)


def _mark_object(pairs: list[tuple[str, Any]]) -> Any:
    value = dict(pairs)
    return value if len(value) == len(pairs) else _object_flaw(pairs)


_READER: Final = json.JSONDecoder(
    parse_int=_read_integer,
    parse_float=_read_float,
    parse_constant=_read_constant,
    object_pairs_hook=_read_object,
)
# What the decoder itself calls, behind a look for white space.
_scan: Final = cast("Callable[[str, int], tuple[Any, int]]", _READER.scan_once)  # type: ignore[attr-defined]
_LOCATOR: Final = json.JSONDecoder(
    parse_int=_mark_integer,
    parse_float=_float_flaw,
    parse_constant=_constant_flaw,
    object_pairs_hook=_mark_object,
)


def parse(data: bytes, *, limits: Limits = DEFAULT) -> JsonValue:
    """The value that ``data`` spells, when every JSON reader must agree on it.

    Accepts UTF-8 without byte order mark; integers within plus or minus 2^53 - 1 and no other
    numbers; names unique in each object after escapes are resolved; Unicode scalar values only
    (RFC 7493 section 2).

    Raises:
        RejectedInput: ``strict-json.size``, ``.byte-order-mark``, ``.encoding``, ``.depth``,
            ``.members``, ``.syntax``, ``.duplicate-name``, ``.float``, ``.negative-zero``,
            ``.integer-range``, ``.constant``, ``.surrogate``; ``where`` is a JSON pointer, or
            ``byte N`` where no value stands yet.
    """
    text = _decode(data, limits)
    _bound_structure(text, limits)
    try:
        value = cast("JsonValue", _read(text))
    except json.JSONDecodeError as error:
        raise _syntax(text, error) from None
    except _Flaw as flaw:
        raise _located(text, flaw) from None
    if _SURROGATE_ESCAPE.search(text):
        _refuse_surrogates(value)
    return value


def _read(text: str) -> Any:
    """The value of a text; one without white space around it is read without looking for any."""
    if text.startswith(("{", "[")):
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            end = -1  # a value is missing; the general way says where
        if end == len(text):
            return value
    return _READER.decode(text)


def parse_object(data: bytes, *, limits: Limits = DEFAULT) -> JsonObject:
    """As `parse`, for a text whose value must be an object.

    Raises:
        RejectedInput: as `parse`, and ``strict-json.not-an-object``.
    """
    value = parse(data, limits=limits)
    if not isinstance(value, dict):
        raise RejectedInput("strict-json.not-an-object", "A JSON object is expected.", where="")
    return value


def _decode(data: bytes, limits: Limits) -> str:
    if len(data) > limits.size:
        raise RejectedInput(
            "strict-json.size",
            f"The text has {len(data)} bytes, {limits.size} are allowed.",
            where=f"byte {limits.size}",
        )
    if data.startswith(b"\xef\xbb\xbf"):
        raise RejectedInput(
            "strict-json.byte-order-mark", "The text starts with a byte order mark.", where="byte 0"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RejectedInput(
            "strict-json.encoding", "The text is not UTF-8.", where=f"byte {error.start}"
        ) from None


def _bound_structure(text: str, limits: Limits) -> None:
    opened = text.count("[") + text.count("{")
    if opened <= limits.depth and opened + text.count(",") <= limits.members:
        return
    depth = members = 0
    for token in _STRUCTURE.finditer(text):
        sign = token[0]
        if sign in "[{":
            depth += 1
            members += 1
        elif sign in "]}":
            depth -= 1
        elif sign == ",":
            members += 1
        if depth <= limits.depth and members <= limits.members:
            continue
        place = f"byte {len(text[: token.start()].encode('utf-8'))}"
        if depth > limits.depth:
            message = f"The value is nested deeper than {limits.depth} levels."
            raise RejectedInput("strict-json.depth", message, where=place)
        message = f"The value has more than {limits.members} members and elements."
        raise RejectedInput("strict-json.members", message, where=place)


def pointer(*names: str | int) -> str:
    """The JSON pointer (RFC 6901) along ``names``, always encodable and at most 200 long."""
    place = ""
    for name in names:
        place = _pointer(place, name)
    return place[:200]


def _pointer(parent: str, name: str | int) -> str:
    token = str(name).replace("~", "~0").replace("/", "~1")
    return f"{parent}/{token.encode('utf-8', 'replace').decode('utf-8')}"


def _syntax(text: str, error: json.JSONDecodeError) -> RejectedInput:
    place = len(text[: error.pos].encode("utf-8"))
    return RejectedInput(
        "strict-json.syntax", f"The text is not JSON: {error.msg}.", where=f"byte {place}"
    )


def _located(text: str, flaw: _Flaw) -> RejectedInput:
    """The refusal of ``text`` with the JSON pointer of its first flaw in document order."""
    try:
        pending: list[tuple[str, Any]] = [("", _LOCATOR.decode(text))]
    except json.JSONDecodeError as error:
        return _syntax(text, error)
    while pending:
        place, value = pending.pop()
        if isinstance(value, _Flaw):
            where = place if value.name is None else _pointer(place, value.name)
            return RejectedInput(value.code, value.message, where=where)
        pending.extend(reversed([(_pointer(place, name), v) for name, v in _children(value)]))
    return RejectedInput(flaw.code, flaw.message)


def _children(value: Any) -> list[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return list(enumerate(value))
    return []


def _refuse_surrogates(root: JsonValue) -> None:
    pending: list[tuple[str, Any]] = [("", root)]
    while pending:
        place, value = pending.pop()
        names = value if isinstance(value, dict) else ()
        texts = (value,) if isinstance(value, str) else names
        if any(_SURROGATE.search(text) for text in texts):
            raise RejectedInput(
                "strict-json.surrogate", "A text holds a lone surrogate.", where=place
            )
        pending.extend((_pointer(place, name), v) for name, v in _children(value))


def canonical(value: JsonValue) -> bytes:
    """The one RFC 8785 spelling of ``value``, in UTF-8.

    Raises:
        RejectedInput: the value holds what `parse` would not have accepted (a float, a large
            integer, a lone surrogate, a name that is no string, deeper nesting), or is no JSON.
    """
    only_ascii_names = _check(value, depth=0)
    try:
        if only_ascii_names:
            return _WRITER.encode(value).encode("utf-8")
        # Names beyond ASCII sort by UTF-16 code units (RFC 8785 section 3.2.3).
        return rfc8785.dumps(cast("Any", value))
    except UnicodeEncodeError:
        raise RejectedInput("strict-json.surrogate", "A text holds a lone surrogate.") from None
    except rfc8785.CanonicalizationError:
        raise RejectedInput("strict-json.surrogate", "A text holds a lone surrogate.") from None


_WRITER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False
)


def _check(value: object, *, depth: int) -> bool:
    """Refuse what has no place in the ledger's JSON; tell whether all names are ASCII."""
    if value is None or isinstance(value, str | bool):
        return True
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise RejectedInput(
                "strict-json.integer-range", "An integer lies beyond plus or minus 2^53 - 1."
            )
        return True
    if isinstance(value, dict | list | tuple):
        if depth >= DEFAULT.depth:
            raise RejectedInput(
                "strict-json.depth", f"The value is nested deeper than {DEFAULT.depth} levels."
            )
        return _check_members(value, depth=depth + 1)
    if isinstance(value, float):
        raise RejectedInput("strict-json.float", "A float has no place in signed data.")
    raise RejectedInput("strict-json.type", f"A {type(value).__name__} is not a JSON value.")


def _check_members(value: dict[Any, Any] | list[Any] | tuple[Any, ...], *, depth: int) -> bool:
    ascii_names = True
    if isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str):
                raise RejectedInput("strict-json.type", "A member's name is not a string.")
            inner = _check(member, depth=depth)
            ascii_names = ascii_names and inner and name.isascii()
        return ascii_names
    for element in value:
        inner = _check(element, depth=depth)
        ascii_names = ascii_names and inner
    return ascii_names

"""Strict marshmallow fields: no coercion, no trimming, whole-string grammars, said meanings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypedDict

from marshmallow import fields, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.vocabulary import Purpose

SAFE_INTEGER = 2**53 - 1


class Options(TypedDict, total=False):
    """What can be said of any member beside its meaning."""

    required: bool
    sealed: Purpose
    example: object
    data_key: str


class Flag(fields.Boolean):
    """A JSON true or false, and nothing that resembles one."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class WholeNumber(fields.Integer):
    """A JSON integer; a boolean, a float and a string are none."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


def settings(description: str, options: Options, *, example: object) -> dict[str, Any]:
    """The marshmallow arguments of a member: required unless said otherwise, with its meaning."""
    required = options.get("required", True)
    metadata: dict[str, object] = {"description": description}
    shown = options.get("example", example)
    if shown is not None:
        metadata["example"] = shown
    if "sealed" in options:
        metadata["x-sealed"] = options["sealed"].value
    found: dict[str, Any] = {"required": required, "allow_none": not required, "metadata": metadata}
    if "data_key" in options:
        found["data_key"] = options["data_key"]
    return found


def grammar(pattern: str, error: str) -> validate.Regexp:
    """A validator for the whole string; the look-ahead closes Python's ``$`` before a newline."""
    return validate.Regexp(re.compile(f"^(?:{pattern})$(?!\\n)"), error=error)


def matching(
    description: str,
    options: Options,
    *,
    pattern: str,
    error: str,
    example: str,
    form: str = "string",
) -> fields.String:
    """A string that matches a grammar as a whole; ``form`` names the grammar for readers."""
    found = settings(description, options, example=example)
    found["metadata"]["format"] = form
    return fields.String(**found, validate=grammar(pattern, error))

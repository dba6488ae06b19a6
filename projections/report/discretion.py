"""What a report never spells out: members sealed because they identify a person (R-73)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.history import tokens
from ledger.vocabulary import Purpose, vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.signing.strict_json import JsonObject, JsonValue

SEALED = "(sealed)"
"""What stands for a value that is sealed for identity, opened or not."""


def is_identity(type_name: str, pointer: str) -> bool:
    """Whether a pointer into an event of a type leads to a member sealed for identity."""
    path = tokens(pointer)
    return len(path) > 1 and path[0] == "data" and path[1] in _identifying(type_name)


def without_identity(type_name: str, content: Mapping[str, JsonValue]) -> JsonObject:
    """The content of an event with what identifies a person kept back."""
    hidden = _identifying(type_name)
    return {name: SEALED if name in hidden else value for name, value in content.items()}


def _identifying(type_name: str) -> frozenset[str]:
    rule = vocabulary().get(type_name)
    sealed = rule.sealed if rule is not None else {}
    return frozenset(name for name, purpose in sealed.items() if purpose is Purpose.IDENTITY)

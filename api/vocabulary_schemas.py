"""``schemas.json``: the JSON Schema of each event type's data, made from the vocabulary."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from ledger.events.registry import EVENT_TYPES
from ledger.signing.strict_json import canonical

if TYPE_CHECKING:
    from marshmallow import Schema

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_COMPONENTS: Final = "#/components/schemas/"
_DEFINITIONS: Final = "#/$defs/"


@cache
def schemas_bytes() -> bytes:
    """Canonical JSON: ``$defs`` by name, and for each type under ``types`` which of them it is.

    The same vocabulary and the same library give the same bytes. A sealed member stands in ``data``
    as a digest, so a schema describes the data with its openings merged.
    """
    spec = APISpec(
        title="vocabulary", version="v1", openapi_version="3.1.0",
        plugins=[MarshmallowPlugin(_named)],
    )  # fmt: skip
    for name, row in EVENT_TYPES.items():
        spec.components.schema(name, schema=row.schema, description=row.rule.meaning)
    found = copy.deepcopy(spec.to_dict()["components"]["schemas"])
    return canonical(
        {
            "$schema": DIALECT,
            "$defs": _pointed(found),
            "types": {name: {"$ref": f"{_DEFINITIONS}{name}"} for name in EVENT_TYPES},
        }
    )


def _pointed(value: Any) -> Any:
    """The same with references to where the schemas stand here."""
    if isinstance(value, dict):
        return {
            name: _DEFINITIONS + inner.removeprefix(_COMPONENTS)
            if name == "$ref" and isinstance(inner, str)
            else _pointed(inner)
            for name, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_pointed(inner) for inner in value]
    return value


def _named(schema: Schema | type[Schema] | str) -> str:
    if isinstance(schema, str):
        return schema
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__

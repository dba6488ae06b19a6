"""What is accepted quickly is what the schema library accepts, no more and no less."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import example as once
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import Schema, fields, pre_load, validates_schema

from ledger.events.acceptance import acceptance
from ledger.events.catalogue import example
from ledger.events.registry import EVENT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES = sorted(EVENT_TYPES)
SEALING = sorted(name for name, row in EVENT_TYPES.items() if row.rule.sealed)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**53),
    st.sampled_from(
        ["", " ", "\n", "a\n", "other", "A", "…", "1", "-0", "1.50", "2024-02-30", "1968", "0" * 64,
         "SY01-0007", "SY01", "2024-03-01T09:30:00+08:00", "2024-03-01T24:00:00Z", "x" * 2001, "é"]
    ),
    st.text(max_size=4),
    st.sampled_from([[], {}, [[]], [None], {"a": 1}, {"_sd": []}, {"value": "1968", "unit": "a"}]),
)  # fmt: skip


def everything(schema: Schema) -> dict[str, Any]:
    """A payload that states every member, optional ones too, with their examples."""
    found = example(schema)
    for name, field in schema.fields.items():
        key = field.data_key or name
        if key not in found and "example" in field.metadata:
            found[key] = field.metadata["example"]
        if isinstance(field, fields.Nested):
            found[key] = everything(field.schema)
        if isinstance(field, fields.List) and isinstance(field.inner, fields.Nested):
            found[key] = [everything(field.inner.schema)]
    return found


def plain(value: Any) -> Any:
    """The value as JSON gives it back."""
    return json.loads(json.dumps(value))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each object or list within a payload, with each of its names or positions."""
    names = value if isinstance(value, dict) else range(len(value))
    for name in names:
        yield value, name
        if isinstance(value[name], dict | list):
            yield from places(value[name])


@st.composite
def altered(draw: st.DrawFn) -> tuple[str, Any]:
    """A type with a payload in which up to three things are other than they should be."""
    name = draw(st.sampled_from(TYPES))
    schema = EVENT_TYPES[name].schema
    data = plain(draw(st.sampled_from([example(schema), everything(schema)])))
    for _ in range(draw(st.integers(0, 3))):
        found = [*places(data)]
        if not found:
            break
        holder, key = draw(st.sampled_from(found))
        how = draw(st.sampled_from(["put", "put", "take", "add", "swap"]))
        if how == "put":
            holder[key] = deepcopy(draw(ODD))
        elif how == "take":
            del holder[key]
        elif how == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=3))] = deepcopy(draw(ODD))
        else:
            other, place = draw(st.sampled_from(found))
            holder[key] = deepcopy(other[place]) if place in other or other is holder else None
    return name, data


@settings(max_examples=400, deadline=None)
@given(altered())
@once(("subject.randomized.v1", []))
@once(("subject.randomized.v1", None))
def test_the_quick_reader_and_the_library_agree(found: tuple[str, Any]) -> None:
    """Whatever is altered in a payload, both say the same of it."""
    name, data = found
    schema = EVENT_TYPES[name].schema
    before = deepcopy(data)
    assert acceptance(type(schema))(data) == (not schema.validate(data))
    assert data == before


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SEALING), st.data())
def test_a_sealed_member_may_be_missing_and_nothing_else(name: str, data: st.DataObject) -> None:
    """With openings withheld both let the sealed members be absent, and only these."""
    row = EVENT_TYPES[name]
    payload = plain(everything(row.schema))
    for key in data.draw(st.sets(st.sampled_from(sorted(payload)), max_size=3)):
        del payload[key]
    sealed = tuple(row.rule.sealed)
    assert acceptance(type(row.schema))(payload, absent=sealed) == (
        not row.schema.validate(payload, partial=sealed)
    )


def test_the_smallest_payload_of_every_type_is_accepted() -> None:
    """So the library is asked of what does not conform, and of nothing else."""
    refused = [n for n in TYPES if not acceptance(type(EVENT_TYPES[n].schema))(example_of(n))]
    assert refused == []


def example_of(name: str) -> dict[str, Any]:
    """The smallest valid payload of a type."""
    return plain(example(EVENT_TYPES[name].schema))


class _Prepared(Schema):
    """A shape that looks at values before they are read."""

    word = fields.String(required=True)

    @pre_load
    def _changed(self, data: dict[str, Any], **_kwargs: object) -> dict[str, Any]:
        return {**data, "word": data.get("word", "given")}


class _Unusual(Schema):
    """A shape with fields that nothing is known of, and a rule that is told more than usual."""

    at = fields.DateTime(required=True)
    number = fields.Integer(strict=True)

    @validates_schema(pass_original=True)
    def _told_more(self, _data: object, original: dict[str, Any], **_kwargs: object) -> None:
        if len(original) > 2:
            raise ValueError


@given(data=st.fixed_dictionaries({}, optional={"word": ODD, "at": ODD, "number": ODD}))
def test_what_is_not_known_is_left_to_the_library(data: dict[str, Any]) -> None:
    """Hooks and fields of other kinds are judged by the library itself."""
    for shape in (_Prepared, _Unusual):
        try:
            expected = not shape().validate(data)
        except ValueError:
            continue
        assert acceptance(shape)(data) == expected

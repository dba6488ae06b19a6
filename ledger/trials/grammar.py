"""The small types a trial file is made of: bounded integers, codes, quantities, dates."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, TypeAlias


@dataclass(frozen=True, slots=True)
class Range:
    """An integer (or a decimal) must lie between ``least`` and ``greatest``, both included."""

    least: int
    greatest: int


@dataclass(frozen=True, slots=True)
class Matches:
    """A string must match the whole of ``pattern``; ``meaning`` says so in words."""

    pattern: str
    meaning: str


# Upper bounds only keep absurd numbers out: a century of days, a year of hours, a week of minutes.
Count: TypeAlias = Annotated[int, Range(1, 1_000_000)]
Years: TypeAlias = Annotated[int, Range(0, 150)]
Days: TypeAlias = Annotated[int, Range(0, 36_525)]
Hours: TypeAlias = Annotated[int, Range(0, 8_784)]
Minutes: TypeAlias = Annotated[int, Range(0, 10_080)]
WestHavenGrade: TypeAlias = Annotated[int, Range(0, 4)]

Code: TypeAlias = Annotated[
    str, Matches(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a code of letters, digits, '.', '_', '-'")
]
UnitCode: TypeAlias = Annotated[
    str, Matches(r"[!-~]{1,40}", "a UCUM unit code, printable ASCII without spaces")
]
EventTypeName: TypeAlias = Annotated[
    str,
    Matches(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*\.v[1-9][0-9]?", "the name of an event type"),
]
JsonPointer: TypeAlias = Annotated[str, Matches(r"(/([^~/]|~[01])+)+", "a JSON pointer (RFC 6901)")]
Percent: TypeAlias = Annotated[Decimal, Range(0, 100)]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A decimal value and its unit (a UCUM code, curly braces for what UCUM does not measure)."""

    value: Decimal
    unit: UnitCode

"""Payload members by meaning: what words, a quantity or an instant may look like.

Every factory gives a strict marshmallow field: nothing is coerced (``"5"`` is not 5, ``true`` is
not 1, ``1.0`` is no integer), nothing is trimmed, and the grammar holds from the first to the last
character. Values that pass are kept as they came: schemas validate and describe, they do not
convert. An optional member may be absent or null; both mean that it was not stated. What a member
names - a site, a person, a document - has its grammars in ``ledger.events.names``.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Unpack

from marshmallow import Schema, ValidationError, fields, validate

from ledger.errors import RejectedInput
from ledger.events.strict_fields import (
    SAFE_INTEGER,
    Flag,
    Options,
    WholeNumber,
    matching,
    settings,
)
from ledger.signing.rfc3339 import EARLIEST_YEAR, LATEST_YEAR, is_plausible, parse_rfc3339

# --- words ----------------------------------------------------------------------------------------


def written(value: str) -> None:
    """Refuse text that says nothing or hides control characters; raises ValidationError."""
    if not any(character.isalnum() for character in value):
        raise ValidationError("Blank text or punctuation alone says nothing.")
    if any(ord(character) < 0x20 and character not in "\n\t" for character in value):
        raise ValidationError("Control characters other than tab and line feed are refused.")


def text(description: str, *, limit: int = 2000, **options: Unpack[Options]) -> fields.String:
    """Words for people, not blank, at most ``limit`` characters."""
    return fields.String(
        **settings(description, options, example="As noted in the source document."),
        validate=[validate.Length(min=1, max=limit), written],
    )


def code(description: str, **options: Unpack[Options]) -> fields.String:
    """A short identifier without spaces, such as a visit, test or reason code."""
    return matching(
        description,
        options,
        form="code",
        pattern="[A-Za-z0-9][A-Za-z0-9._:/+*-]{0,63}",
        error="A code is 1 to 64 letters, digits and . _ : / + * - without spaces.",
        example="other",
    )


def pseudonym(description: str, **options: Unpack[Options]) -> fields.String:
    """A code that stands for a person and must not be made of the person's name."""
    return matching(
        description,
        options,
        form="pseudonym",
        pattern="[A-Za-z0-9][A-Za-z0-9._:/+*-]{0,63}",
        error="A pseudonym is 1 to 64 letters, digits and . _ : / + * - without spaces.",
        example="D-012",
    )


def one_of(description: str, *choices: str, **options: Unpack[Options]) -> fields.String:
    """One word of a closed list."""
    return fields.String(
        **settings(description, options, example=choices[0]),
        validate=validate.OneOf(choices, error="Must be one of: {choices}."),
    )


def scan(description: str, **options: Unpack[Options]) -> fields.String:
    """What a scanner read, kept as read: a mismatch is a finding, not a malformed record."""
    return matching(
        description,
        options,
        form="scan",
        pattern="[!-~](?:[ -~]{0,126}[!-~])?",
        error="A scan is 1 to 128 printable ASCII characters without blanks around them.",
        example="SY01-0007",
    )


def language(description: str, **options: Unpack[Options]) -> fields.String:
    """A language tag (BCP 47), such as ``zh-Hans``."""
    return matching(
        description,
        options,
        form="language",
        pattern="[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}",
        error="A language is a BCP 47 tag such as zh-Hans.",
        example="zh-Hans",
    )


def flag(description: str, **options: Unpack[Options]) -> Flag:
    """Yes or no, as JSON true or false."""
    return Flag(**settings(description, options, example=True))


# --- numbers --------------------------------------------------------------------------------------


def whole(
    description: str, *, least: int = 0, most: int = SAFE_INTEGER, **options: Unpack[Options]
) -> WholeNumber:
    """An integer between two bounds, both included."""
    return WholeNumber(
        **settings(description, options, example=least), validate=validate.Range(least, most)
    )


def decimal(description: str, **options: Unpack[Options]) -> fields.String:
    """A decimal number as text, exactly as measured: ``"34.2"``."""
    return matching(
        description,
        options,
        form="decimal",
        pattern=r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?",
        error='A number is written as decimal text such as "34.2", without exponent or sign +.',
        example="34.2",
    )


def percent(description: str, **options: Unpack[Options]) -> fields.String:
    """A percentage between 0 and 100 as decimal text."""
    return matching(
        description,
        options,
        form="percentage",
        pattern=r"100(?:\.0{1,3})?|(?:0|[1-9][0-9]?)(?:\.[0-9]{1,3})?",
        error='A percentage is decimal text from "0" to "100" with at most three decimals.',
        example="92.5",
    )


def unit(description: str, **options: Unpack[Options]) -> fields.String:
    """A unit in UCUM's ASCII code; what UCUM does not measure in braces: ``{INR}``."""
    return matching(
        description,
        options,
        form="unit",
        pattern="[!-~]{1,40}",
        error="A unit is a UCUM code of 1 to 40 ASCII characters such as umol/L.",
        example="umol/L",
    )


# --- time -----------------------------------------------------------------------------------------


def real_instant(value: str) -> None:
    """Refuse what the envelope's ``time`` would refuse; raises ValidationError."""
    try:
        found = parse_rfc3339(value)
    except RejectedInput as error:
        raise ValidationError(error.message) from error
    _require_plausible(found)


def real_day(value: str) -> None:
    """Refuse a day the calendar does not have, or no trial can mean; raises ValidationError."""
    try:
        found = date.fromisoformat(value)
    except ValueError as error:
        raise ValidationError("The calendar has no such day.") from error
    _require_plausible(found)


def _require_plausible(moment: date) -> None:
    if not is_plausible(moment):
        raise ValidationError(f"Lies outside the years {EARLIEST_YEAR} to {LATEST_YEAR}.")


def instant(description: str, **options: Unpack[Options]) -> fields.String:
    """A moment as RFC 3339 text with offset; ``-00:00``, second 60 and lower case are refused."""
    found = matching(
        description,
        options,
        form="date-time",
        pattern=(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
            r"(?:\.[0-9]{1,6})?(?:Z|(?!-00:00)[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
        ),
        error="A moment is RFC 3339 with its offset, such as 2024-03-01T09:30:00+08:00.",
        example="2024-03-01T09:30:00+08:00",
    )
    found.validators.append(real_instant)
    return found


def day(description: str, **options: Unpack[Options]) -> fields.String:
    """A calendar day, ``YYYY-MM-DD``, in the site's own time zone."""
    found = matching(
        description,
        options,
        form="date",
        pattern="[0-9]{4}-[0-9]{2}-[0-9]{2}",
        error="A day is written YYYY-MM-DD.",
        example="2024-03-01",
    )
    found.validators.append(real_day)
    return found


# --- composition ----------------------------------------------------------------------------------


def part(shape: type[Schema], description: str, **options: Unpack[Options]) -> fields.Nested:
    """An object of a fixed shape."""
    return fields.Nested(shape, **settings(description, options, example=None))


def several(
    inner: fields.Field[Any],
    description: str,
    *,
    least: int = 0,
    most: int = 500,
    **options: Unpack[Options],
) -> fields.List[Any]:
    """A list of like members, bounded in length."""
    return fields.List(
        inner,
        **settings(description, options, example=None),
        validate=validate.Length(min=least, max=most),
    )


def json_object(description: str, **options: Unpack[Options]) -> fields.Dict:
    """An object whose own format is described elsewhere; not empty."""
    return fields.Dict(
        keys=fields.String(),
        **settings(description, options, example={"see": "its own format"}),
        validate=validate.Length(min=1),
    )


def any_value(description: str, **options: Unpack[Options]) -> fields.Raw:
    """Any JSON value, null included; the member itself must be there when it is required."""
    found = settings(description, options, example="34.2")
    return fields.Raw(**{**found, "allow_none": True})

"""Values in words: times on the site's clock, quantities, durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.signing.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from ledger.signing.strict_json import JsonValue

ABSENT = "\u2013"
"""What stands where nothing is recorded."""

_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
_GROUPED_FROM = 5


def duration(seconds: int | None) -> str | None:
    """A span in its two largest units, such as ``3 d 4 h``; None when it is not known."""
    if seconds is None:
        return None
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    days, left = divmod(left, _DAY)
    hours, left = divmod(left, _HOUR)
    minutes, left = divmod(left, _MINUTE)
    named = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((index for index, (count, _) in enumerate(named) if count), 3)
    kept = [f"{count} {unit}" for count, unit in named[first : first + 2] if count]
    return sign + (" ".join(kept) or "0 s")


def clock(text: str, zone: ZoneInfo) -> tuple[str, str] | None:
    """An RFC 3339 instant on the site's clock, and that clock's offset with UTC.

    None for any other text. To the minute, to the second where that says more; the exact text
    stands in the markup. UTC repeats the date only where it is another.
    """
    try:
        instant = parse_rfc3339(text)
    except LedgerError:
        return None
    local = instant.astimezone(zone)
    clock_form = "%H:%M:%S" if instant.second else "%H:%M"
    utc_form = clock_form if local.date() == instant.date() else f"%Y-%m-%d {clock_form}"
    offset = local.strftime("%z")
    return (
        local.strftime(f"%Y-%m-%d {clock_form}"),
        f"{offset[:3]}:{offset[3:5]} \u00b7 {instant.strftime(utc_form)} UTC",
    )


def grouped(number: str) -> str:
    """A whole number from five digits on in groups of three; anything else as it is."""
    if not (number.isascii() and number.isdigit() and len(number) >= _GROUPED_FROM):
        return number
    return f"{int(number):,}".replace(",", "\u202f")


def _unit(code: str) -> str:
    # UCUM writes units that are only annotations in braces: {cells}.
    return code[1:-1] if code.startswith("{") and code.endswith("}") else code


def words(value: JsonValue) -> str:
    """Any value in words: quantities with their unit, reasons with their code, lists joined."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(words(item) for item in value) or ABSENT
    if not isinstance(value, dict):
        return str(value)
    return _object(value)


def _object(value: dict[str, JsonValue]) -> str:
    names = set(value)
    if names == {"value", "unit"}:
        return f"{grouped(words(value['value']))} {_unit(words(value['unit']))}"
    if names == {"value", "precision"}:
        return words(value["value"])
    if names <= {"code", "text"} and names:
        text, code = value.get("text"), value.get("code")
        return f"{words(text)} ({words(code)})" if text and code else words(text or code)
    return "; ".join(
        f"{name.replace('_', ' ')}: {words(member)}" for name, member in sorted(value.items())
    )

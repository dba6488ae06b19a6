"""Points in time as texts: the senders' RFC 3339 with offset, and the ledger's own form."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

from ledger.errors import RejectedInput

_SENDERS: Final = re.compile(
    r"(?P<clock>[0-9]{4}-[0-9]{2}-[0-9]{2}T(?P<hour>[0-9]{2}):[0-9]{2}:(?P<second>[0-9]{2}))"
    r"(?:\.(?P<fraction>[0-9]{1,6}))?"
    r"(?P<offset>Z|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3]):(?P<minutes>[0-5][0-9]))?"
)
_RECORDED: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_LONGEST: Final = len("2024-03-01T09:30:00.123456+08:00")
EARLIEST_YEAR: Final = 1850
LATEST_YEAR: Final = 2199

_REMEDY: Final = "Write for example 2024-03-01T09:30:00+08:00."


def parse_rfc3339(text: str, *, where: str | None = None) -> datetime:
    """The instant, in UTC, of an RFC 3339 text with upper-case ``T`` and ``Z``.

    One to six fractional digits are allowed. The calendar date must exist.

    Raises:
        RejectedInput: ``time.malformed``; ``time.without-offset``; ``time.unknown-offset`` for
            ``-00:00``, which by RFC 3339 section 4.3 says the offset is not known;
            ``time.leap-second`` for second 60; ``time.not-a-date``.
    """
    match = _SENDERS.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise _refusal("malformed", "The time is not an RFC 3339 date and time.", where)
    if match["offset"] is None:
        raise _refusal("without-offset", "The time has no offset from UTC.", where)
    if match["offset"] == "-00:00":
        raise _refusal("unknown-offset", "The offset -00:00 does not say the local time.", where)
    if match["second"] == "60":
        raise _refusal("leap-second", "Second 60 is not accepted.", where)
    if match["hour"] == "24":
        # Newer versions of the library take it for the next midnight; RFC 3339 has no such hour.
        raise _refusal("not-a-date", "The time is not in the calendar.", where)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _refusal("not-a-date", "The time is not in the calendar.", where) from None


def is_plausible(moment: date) -> bool:
    """Whether a day or instant that a sender states lies in years a trial can speak of.

    Reckoning with days at the ends of the calendar overflows, and a rule that fails says nothing:
    one absurd date would take a subject out of every listing.
    """
    return EARLIEST_YEAR <= moment.year <= LATEST_YEAR


def _refusal(reason: str, message: str, where: str | None) -> RejectedInput:
    return RejectedInput(f"time.{reason}", message, where=where, remedy=_REMEDY)


def format_recorded_at(instant: datetime) -> str:
    """``instant`` as ``YYYY-MM-DDThh:mm:ss.ffffffZ``, the form of ``recorded_at``.

    Raises:
        ValueError: ``instant`` is naive; the ledger's own clock is at fault.
    """
    if instant.utcoffset() is None:
        message = "A recorded time needs a time zone."
        raise ValueError(message)
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds") + "Z"


def parse_recorded_at(text: str) -> datetime:
    """The instant of a ``recorded_at`` text, which has exactly one spelling.

    Raises:
        RejectedInput: ``time.malformed``, ``time.leap-second``, ``time.not-a-date``.
    """
    if len(text) > _LONGEST or _RECORDED.fullmatch(text) is None:
        raise RejectedInput(
            "time.malformed", "The recorded time is not YYYY-MM-DDThh:mm:ss.ffffffZ."
        )
    return parse_rfc3339(text)

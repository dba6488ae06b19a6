"""Calendar arithmetic as trials use it: ages, look-backs, partial dates, local days, windows.

Pure functions over `datetime` values. A date that is known only in part is a span of days, and
what cannot be told from a span is said to be unknown, never guessed.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from typing import Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from ledger.errors import RejectedInput

Precision: TypeAlias = Literal["day", "month", "year"]

_PARTIAL: Final = {
    "day": re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})"),
    "month": re.compile(r"([0-9]{4})-([0-9]{2})"),
    "year": re.compile(r"([0-9]{4})"),
}


@dataclass(frozen=True, slots=True)
class DaySpan:
    """The days from ``earliest`` to ``latest``, both included, one of which is meant.

    Raises ValueError when ``latest`` lies before ``earliest``.
    """

    earliest: date
    latest: date

    def __post_init__(self) -> None:
        if self.latest < self.earliest:
            raise ValueError("a span of days ends before it begins")

    @property
    def exact(self) -> bool:
        """Whether the span is a single day."""
        return self.earliest == self.latest

    def on_or_after(self, day: date) -> bool | None:
        """Tell whether the day meant is ``day`` or later; None when the span cannot tell."""
        if self.earliest >= day:
            return True
        return False if self.latest < day else None

    def on_or_before(self, day: date) -> bool | None:
        """Tell whether the day meant is ``day`` or earlier; None when the span cannot tell."""
        if self.latest <= day:
            return True
        return False if self.earliest > day else None


@dataclass(frozen=True, slots=True)
class DayWindow:
    """Calendar days from ``first`` to ``last``, both included, around a ``target`` day."""

    first: date
    target: date
    last: date

    def __contains__(self, day: object) -> bool:
        return type(day) is date and self.first <= day <= self.last

    def deviation_days(self, day: date) -> int:
        """Give the days outside the window: negative before it, positive after it, 0 within."""
        if day < self.first:
            return (day - self.first).days
        return max((day - self.last).days, 0)


def exact_day(day: date) -> DaySpan:
    """Give the span that is one known day."""
    return DaySpan(day, day)


def parse_partial_date(value: str, precision: Precision) -> DaySpan:
    """Read a date known to the day, month or year, such as ``2024-03`` with ``month``.

    Raises:
        RejectedInput: ``calendar.partial-date`` when the text does not spell a date of exactly
            that precision, or names a day that does not exist.
    """
    found = _PARTIAL[precision].fullmatch(value) if precision in _PARTIAL else None
    if found is None:
        raise RejectedInput(
            "calendar.partial-date", f"Expected a date with the precision '{precision}'."
        )
    # A part the text does not give starts at 1; a part it gives as 00 is refused by date().
    year, month, day = ([int(part) for part in found.groups()] + [1, 1])[:3]
    try:
        earliest = date(year, month, day)
    except ValueError:
        raise RejectedInput(
            "calendar.partial-date", "There is no such day in the calendar."
        ) from None
    if precision == "day":
        return DaySpan(earliest, earliest)
    last_month = month if precision == "month" else 12
    return DaySpan(earliest, date(year, last_month, monthrange(year, last_month)[1]))


def completed_years(birth: date, on: date) -> int:
    """Give the age in completed years; the birthday itself counts as completed.

    Who is born on 29 February completes a year on 1 March of a common year. Negative before
    birth, so that an impossible pair is never an age of zero.
    """
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def completed_years_span(birth: DaySpan, on: DaySpan) -> tuple[int, int]:
    """Give the least and the greatest age that a partly known birth and day allow."""
    return (
        completed_years(birth.latest, on.earliest),
        completed_years(birth.earliest, on.latest),
    )


def add_years(day: date, years: int) -> date:
    """Give the same calendar day some years later, or earlier with a negative number.

    29 February becomes 28 February in a common year: looking back, the longer period, so that a
    therapy on the doubtful day is not overlooked.

    Raises:
        RejectedInput: ``calendar.out-of-range`` beyond the years 1 to 9999.
    """
    year = day.year + years
    if not MINYEAR <= year <= MAXYEAR:
        raise RejectedInput("calendar.out-of-range", "The year lies outside 1 to 9999.")
    return date(year, day.month, min(day.day, monthrange(year, day.month)[1]))


def add_days(day: date, days: int) -> date:
    """Give the day some days later, or earlier with a negative number.

    Raises:
        RejectedInput: ``calendar.out-of-range`` beyond the years 1 to 9999.
    """
    try:
        return day + timedelta(days=days)
    except OverflowError:
        raise RejectedInput(
            "calendar.out-of-range", "The day lies outside the years 1 to 9999."
        ) from None


def day_window(anchor: date, *, target_day: int, days_before: int, days_after: int) -> DayWindow:
    """Give the window around the day ``target_day`` days after the anchor (anchor = day 0).

    Raises:
        ValueError: a negative number of days before or after.
        RejectedInput: ``calendar.out-of-range`` beyond the years 1 to 9999.
    """
    if days_before < 0 or days_after < 0:
        raise ValueError("the days around a target are not negative")
    target = add_days(anchor, target_day)
    return DayWindow(add_days(target, -days_before), target, add_days(target, days_after))


def days_between(earlier: date, later: date) -> int:
    """Give the calendar days from one day to another; negative when ``later`` comes first."""
    return (later - earlier).days


def local_date(instant: datetime, zone: str) -> date:
    """Give the calendar day of an instant in an IANA zone, such as ``Asia/Shanghai``.

    Raises:
        RejectedInput: ``calendar.naive-time`` without an offset, ``calendar.unknown-zone``, or
            ``calendar.out-of-range``.
    """
    if instant.utcoffset() is None:
        raise RejectedInput("calendar.naive-time", "The time has no offset from UTC.")
    try:
        return instant.astimezone(_zone(zone)).date()
    except OverflowError:
        raise RejectedInput(
            "calendar.out-of-range", "The day lies outside the years 1 to 9999."
        ) from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    # A directory or an absolute path under the name is an OSError or a ValueError, an absent
    # zone a KeyError.
    except (KeyError, ValueError, OSError):
        raise RejectedInput(
            "calendar.unknown-zone", f"'{name}' is not a known IANA time zone."
        ) from None

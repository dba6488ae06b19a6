"""The demonstration's calendar: working days at the site and moments in its time zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Asia/Shanghai")
OPENED: Final = datetime(2024, 2, 1, 9, 0, tzinfo=ZONE)
"""When the ledger is opened: the registry's start of the trial."""

ACTIVATED: Final = date(2024, 2, 8)
FIRST_SCREENING: Final = date(2024, 2, 20)
LAST_SCREENING: Final = date(2024, 8, 13)
AMENDED: Final = date(2024, 6, 3)
"""From when version 2.0 of the consent form is in force."""

RECONSENT_DUE: Final = date(2024, 7, 3)
CLOSED: Final = date(2024, 9, 2)
_SATURDAY: Final = 5


def at(day: date, hour: int, minute: int = 0) -> datetime:
    """A moment at the site."""
    return datetime.combine(day, time(hour, minute), tzinfo=ZONE)


def evening_of(day: date) -> datetime:
    """When the site's systems send what they collected on a day."""
    return at(day, 17, 15)


def workday(day: date) -> date:
    """The day itself, or the Monday after it."""
    while day.weekday() >= _SATURDAY:
        day += timedelta(days=1)
    return day


def workdays_after(day: date, number: int) -> date:
    """The working day so many working days later."""
    for _ in range(number):
        day = workday(day + timedelta(days=1))
    return day


def days_after(day: date, number: int) -> date:
    """The working day on or after the day so many days later."""
    return workday(day + timedelta(days=number))


def minutes(number: int) -> timedelta:
    """A span of minutes."""
    return timedelta(minutes=number)

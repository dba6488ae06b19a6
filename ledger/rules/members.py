"""Members of a payload read by meaning; what is absent or null reads as None.

The schema has held their grammar when they were recorded; a member that was sealed and whose
opening is not at hand is simply not there.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from ledger.rules.calendar import DaySpan, exact_day, parse_partial_date
from ledger.signing.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from ledger.history import Fact
    from ledger.rules.calendar import Precision
    from ledger.signing.strict_json import JsonValue

    Data: TypeAlias = Mapping[str, JsonValue]

_PRECISIONS = get_args(Literal["day", "month", "year"])


def text(data: Data, name: str) -> str | None:
    """A string member."""
    value = data.get(name)
    return value if isinstance(value, str) else None


def flag(data: Data, name: str) -> bool | None:
    """A member that is true or false."""
    value = data.get(name)
    return value if isinstance(value, bool) else None


def whole(data: Data, name: str) -> int | None:
    """An integer member; true is no integer."""
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts(data: Data, name: str) -> tuple[str, ...]:
    """The strings of a list member; none when it is absent."""
    value = data.get(name)
    return tuple(row for row in value if isinstance(row, str)) if isinstance(value, list) else ()


def shapes(data: Data, name: str) -> tuple[Data, ...]:
    """The objects of a list member; none when it is absent."""
    value = data.get(name)
    return tuple(row for row in value if isinstance(row, dict)) if isinstance(value, list) else ()


def shape(data: Data, name: str) -> Data | None:
    """An object member."""
    value = data.get(name)
    return value if isinstance(value, dict) else None


def decimal(data: Data, name: str) -> Decimal | None:
    """A member that is a decimal number as text, exactly as written."""
    value = text(data, name)
    return None if value is None else Decimal(value)


def quantity(data: Data, name: str) -> tuple[Decimal, str] | None:
    """The number and unit of a quantity."""
    found = shape(data, name)
    if found is None:
        return None
    value, unit = decimal(found, "value"), text(found, "unit")
    return None if value is None or unit is None else (value, unit)


def instant(data: Data, name: str) -> datetime | None:
    """A moment in UTC."""
    value = text(data, name)
    return None if value is None else parse_rfc3339(value)


def instant_or_time(fact: Fact, name: str) -> datetime:
    """A moment that reads as the event's time when it is absent."""
    return instant(fact.data, name) or fact.occurred_at


def stopped_at(fact: Fact, name: str = "") -> datetime:
    """When a withdrawal or another stop takes effect: as stated, but never after its recording.

    A sender's clock that runs ahead, or a day set in the future, must not keep a stop from being
    heeded at once.
    """
    return min(instant_or_time(fact, name), fact.record.recorded_at)


def partial_date(data: Data, name: str) -> DaySpan | None:
    """The days a partly known date may mean."""
    found = shape(data, name)
    if found is None:
        return None
    value, precision = text(found, "value"), text(found, "precision")
    if value is None or precision not in _PRECISIONS:
        return None
    known: Precision = "day" if precision == "day" else "month" if precision == "month" else "year"
    return parse_partial_date(value, known)


def partial_date_or_day(
    fact: Fact, name: str, *, local_date: Callable[[datetime], date]
) -> DaySpan:
    """The days a partly known date may mean; the event's own local day when it is absent."""
    return partial_date(fact.data, name) or exact_day(local_date(fact.occurred_at))

"""Instants as texts, and values that change with time without any new record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from zoneinfo import ZoneInfo

    from ledger.history import Fact
    from ledger.signing.strict_json import JsonObject, JsonValue

STANDINGS = "standings"
"""Member that lists what an object reads as from when on; readers keep the one of their instant."""


def utc_text(instant: datetime) -> str:
    """An instant as RFC 3339 in UTC, with a fraction only where there is one."""
    text = instant.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text}Z"


def local_text(instant: datetime, zone: ZoneInfo) -> str:
    """An instant as RFC 3339 with the offset of a zone."""
    return instant.astimezone(zone).isoformat()


def optional_text(instant: datetime | None) -> str | None:
    """An instant as RFC 3339 in UTC, null where there is none."""
    return None if instant is None else utc_text(instant)


def when(fact: Fact, zone: ZoneInfo) -> JsonObject:
    """When a fact occurred (as stated, in UTC, at the site) and was recorded, with the lag.

    ``lag_seconds`` is whole seconds from occurrence to record, negative within the tolerance.
    """
    recorded = fact.record.recorded_at
    return {
        "occurred": fact.time,
        "occurred_utc": utc_text(fact.occurred_at),
        "occurred_local": local_text(fact.occurred_at, zone),
        "recorded": utc_text(recorded),
        "lag_seconds": int((recorded - fact.occurred_at).total_seconds()),
    }


def standings(
    instants: Iterable[datetime], value_at: Callable[[datetime], JsonObject]
) -> list[JsonValue]:
    """What a value is from each instant on, repeated values left out: ``{since, …value}``."""
    steps: list[JsonValue] = []
    last: JsonObject | None = None
    for instant in sorted(set(instants)):
        value = value_at(instant)
        if value != last:
            steps.append({"since": utc_text(instant), **value})
            last = value
    return steps


def resolved(value: JsonValue, as_of: datetime) -> JsonValue:
    """The same JSON with each ``standings`` replaced by its members at ``as_of``.

    Where nothing holds yet the object goes without those members.
    """
    if isinstance(value, list):
        return [resolved(item, as_of) for item in value]
    if not isinstance(value, dict):
        return value
    plain: JsonObject = {
        name: resolved(member, as_of) for name, member in value.items() if name != STANDINGS
    }
    steps = value.get(STANDINGS)
    if isinstance(steps, list):
        plain.update(_standing_at(steps, utc_text(as_of)))
    return plain


def holds_by(row: Mapping[str, JsonValue], as_of: datetime) -> bool:
    """Whether a row with ``since`` holds at an instant."""
    since = row.get("since")
    return isinstance(since, str) and sortable(since) <= sortable(utc_text(as_of))


def _standing_at(steps: list[JsonValue], as_of: str) -> JsonObject:
    held: JsonObject = {}
    for step in steps:
        if isinstance(step, dict) and sortable(str(step["since"])) <= sortable(as_of):
            held = step
    return dict(held)


def sortable(utc: str) -> str:
    """An instant as text that sorts in order of time."""
    # Without its Z a text with a fraction sorts after the same second without one.
    return utc.removesuffix("Z")

"""The last step of a masked answer: no positions, record times as days.

What could tell an arm is not in the source already; here falls away what tells where in the log
something stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.signing.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from ledger.signing.strict_json import JsonObject, JsonValue

POSITIONS = frozenset({"seq", "result_seq", "voiding_seq", "registered", "granted", "revoked"})
"""Members that name a place in the log."""

SPANS = frozenset({"lag_seconds", "limit_seconds", "recorded_local"})
"""Members that tell an exact record time beside a stated one."""

RECORD_TIMES = frozenset(
    {
        "recorded", "recorded_at", "voiding_recorded", "anchor_recorded", "registered_at",
        "granted_at", "revoked_at",
    }
)  # fmt: skip
"""Members that hold when something was recorded; they become days."""

STATED = frozenset({"content", "first_content", "changes", "old", "new", "originator"})
"""Members that hold what a sender wrote; they stay as they are."""


def masked(value: JsonValue, zone: ZoneInfo) -> JsonValue:
    """A JSON value as a masked reader gets it."""
    if isinstance(value, list):
        return [masked(item, zone) for item in value]
    if not isinstance(value, dict):
        return value
    return masked_object(value, zone)


def masked_object(value: Mapping[str, JsonValue], zone: ZoneInfo) -> JsonObject:
    """A JSON object as a masked reader gets it; ``recorded`` reads as a day in ``zone``."""
    found: JsonObject = {}
    for name, member in value.items():
        if name in STATED:
            found[name] = member
        elif name in RECORD_TIMES:
            # A position under the name of a time is none of either.
            if not isinstance(member, int):
                found[name] = day_text(member, zone)
        elif name not in POSITIONS and name not in SPANS:
            found[name] = masked(member, zone)
    return found


def day_text(value: JsonValue, zone: ZoneInfo) -> str | None:
    """The day of an instant in a zone, as ``YYYY-MM-DD``; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return parse_rfc3339(value).astimezone(zone).date().isoformat()
    except LedgerError:
        return None

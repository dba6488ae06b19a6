"""The replay of one subject as a masked reader gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.aggregates.allocation import RANDOMIZED
from ledger.rules.members import shape, shapes, text
from ledger.vocabulary import vocabulary
from projections.attribution import author
from projections.masking.sections import masked_state
from projections.masking.source import last_instant
from projections.replay import timeline
from projections.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from ledger.record import Record
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.masking.source import Unblinding

_OF_TREATMENT: JsonObject = {
    "event": None, "stream": None, "who": None, "signatures": [], "later_signatures": [],
    "content": None, "first_content": None, "signed": None,
}  # fmt: skip
"""What is not told of a record that stands with the treatment."""


def masked_timeline(
    case: Case,
    records: Iterable[Record],
    deviations: Iterable[JsonValue],
    unblindings: Sequence[Unblinding],
    zone: ZoneInfo,
) -> list[JsonValue]:
    """The subject's course: its arm-neutral records, the randomization and broken blinds.

    Of the randomization there is that it happened and when it was asked for, of a broken blind
    the day, the way and by whom.
    """
    told = timeline(case, records, deviations)
    rows = [(_instant(row), _row(row)) for row in told if isinstance(row, dict)]
    rows += [
        (_sortable(utc_text(last_instant(row.day, zone))), _broken(case, row))
        for row in unblindings
    ]
    rows.sort(key=_first)
    return [row for _, row in rows]


def effective(case: Case, event: str, stated: datetime) -> datetime:
    """When a record took place as it now stands; as stated while it has no effect."""
    fact = case.records.facts.get(event)
    return fact.occurred_at if fact is not None else stated


def _row(row: Mapping[str, JsonValue]) -> JsonObject:
    found: JsonObject = {**row, "state": _effect(row), "decision": _decision(row)}
    if row["type"] == RANDOMIZED:
        found.update(_OF_TREATMENT)
    return found


def _effect(row: Mapping[str, JsonValue]) -> JsonValue:
    step = shape(row, "state")
    if step is None:
        return None
    before, after = text(step, "from"), masked_state(text(step, "to") or "")
    before = None if before is None else masked_state(before)
    return None if before == after else {"from": before, "to": after}


def _decision(row: Mapping[str, JsonValue]) -> JsonValue:
    decision = shape(row, "decision")
    if decision is None:
        return None
    return {
        "type": decision["type"],
        "recorded": decision["recorded"],
        "rules": [{"id": text(rule, "id")} for rule in shapes(decision, "rules")],
    }


def _broken(case: Case, row: Unblinding) -> JsonObject:
    record, day = row.record, row.day.isoformat()
    rule = vocabulary().get(record.type)
    return {
        **_OF_TREATMENT,
        "type": record.type,
        "kind": "fact",
        "meaning": rule.meaning if rule is not None else record.type,
        "occurred": day,
        "occurred_utc": day,
        "occurred_local": day,
        "recorded": utc_text(record.recorded_at),
        "who": author(record, case.register),
        "status": "in effect",
        "decision": None,
        "content": {"type": row.kind},
        "withheld": 0,
        "unsigned": False,
        "signature_stale": False,
        "corrections": [],
        "voided_by": None,
        "state": None,
        "deviations": [],
    }


def _instant(row: Mapping[str, JsonValue]) -> str:
    return _sortable(str(row["occurred_utc"]))


def _sortable(utc: str) -> str:
    # Without its Z a text with a fraction sorts after the same second without one.
    return utc.removesuffix("Z")


def _first(pair: tuple[str, JsonObject]) -> str:
    return pair[0]

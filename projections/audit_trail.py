"""The field-level audit trail: one row for each field of each entry (R-01, R-02; 21 CFR 11.10(e)).

A stored entry holds who, when and why once and its fields below; ``expand`` makes the rows of it.
An entry's rows depend on the log up to that entry alone, so they never change afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.history import CORRECTED, VOIDED, changes_of
from ledger.rules.members import shape, text
from ledger.signing.strict_json import pointer
from projections.attribution import first_author, signature_blocks
from projections.oversight import subject_of
from projections.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ledger.history import Fact
    from ledger.record import Record
    from ledger.signing.register import Register
    from ledger.signing.strict_json import JsonObject, JsonValue

_WHOLE = frozenset({"/data/protocol"})
"""Members shown by their SHA-256 instead of leaf by leaf; the entry itself holds them."""

_NOT_DATA = frozenset({"record", "reason", "source_ref"})
"""Members that say how and why; they are columns of each row."""

COLUMNS = (
    "seq", "event", "type", "stream", "subject", "site", "action", "target", "field", "old",
    "new", "who", "name", "role", "organisation", "meaning", "originator", "occurred",
    "captured", "recorded", "mode", "reason_code", "reason_text", "source_ref",
)  # fmt: skip
"""The columns of an expanded row, in order."""


def audit_entry(record: Record, register: Register, facts: Mapping[str, Fact]) -> JsonObject:
    """The audit entry of one record; ``facts`` are those of its stream just after it.

    ``changes`` lists ``{field, old, new}``: for an initial record each field with old null, for
    a correction each corrected field, for a voiding each field of the voided record with new
    null.
    """
    blocks, data = signature_blocks(record, register), record.data
    who = first_author(blocks)
    how = shape(data, "record") or {}
    reason = shape(data, "reason") or shape(how, "reason") or {}
    action, target, changes = _changes(record, facts)
    return {
        "seq": record.seq,
        "event": record.id,
        "type": record.type,
        "stream": record.stream,
        "subject": subject_of(record.stream),
        "site": _site_of(record.stream),
        "action": action,
        "target": target,
        "changes": changes,
        "withheld": record.withheld,
        "source": record.event.source,
        "who": who["person"],
        "name": who["name"],
        "role": who["role"],
        "organisation": who["organisation"],
        "meaning": who["meaning"],
        "originator": how.get("originator"),
        "signatures": blocks,
        "occurred": record.event.time,
        "captured": text(how, "captured_at"),
        "recorded": utc_text(record.recorded_at),
        "mode": text(how, "mode") or "direct",
        "reason_code": text(reason, "code"),
        "reason_text": text(reason, "text"),
        "source_ref": text(data, "source_ref") or text(how, "source_ref"),
    }


def expand(entry: JsonObject) -> Iterator[JsonObject]:
    """The rows of an audit entry, one a field, each with all columns."""
    changes = entry.get("changes")
    for change in changes if isinstance(changes, list) else ():
        if isinstance(change, dict):
            row = {**entry, **change}
            yield {name: row.get(name) for name in COLUMNS}


def _changes(record: Record, facts: Mapping[str, Fact]) -> tuple[str, str | None, list[JsonValue]]:
    target = text(record.data, "target")
    if record.type == CORRECTED:
        changed: list[JsonValue] = [
            {"field": row.get("pointer"), "old": row.get("old"), "new": row.get("new")}
            for row in changes_of(record.data)
            if isinstance(row, dict)
        ]
        return "update", target, changed
    if record.type == VOIDED:
        fact = facts.get(target or "")
        rows: list[JsonValue] = [
            {"field": field, "old": value, "new": None}
            for field, value in (_leaves(fact.data) if fact is not None else ())
        ]
        return "remove", target, rows or [{"field": "", "old": target, "new": None}]
    created: list[JsonValue] = [
        {"field": field, "old": None, "new": value} for field, value in _leaves(record.data)
    ]
    if record.withheld:
        closed: JsonObject = {"withheld": record.withheld}
        if record.erased:
            closed["erased_by"] = [*record.erased]
        created.append({"field": "/data/_sd", "old": None, "new": closed})
    return "insert", target, created or [{"field": "/data", "old": None, "new": {}}]


def _leaves(data: JsonObject) -> Iterator[tuple[str, JsonValue]]:
    for name in sorted(data):
        if name not in _NOT_DATA:
            yield from _leaves_at(pointer("data", name), data[name])


def _leaves_at(place: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if place in _WHOLE:
        yield place, "(whole; see its SHA-256)"
    elif isinstance(value, dict) and value:
        for name in sorted(value):
            yield from _leaves_at(place + pointer(name), value[name])
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves_at(place + pointer(index), item)
    else:
        yield place, value


def _site_of(stream: str) -> str | None:
    family, _, name = stream.partition("/")
    if family == "site":
        return name
    return name.rsplit("-", 1)[0] if family in ("subject", "treatment") else None

"""The replay of one subject: its course of events in order of occurrence (R-16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.history import ACCEPTED, REFUSED, kind_of
from ledger.rules.delegation import is_signed
from ledger.signing.rfc3339 import parse_rfc3339
from ledger.vocabulary import Kind, vocabulary
from projections.attribution import author, signature_blocks
from projections.oversight import is_stale, is_unsigned
from projections.subject import StateFold
from projections.times import local_text, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ledger.history import Fact
    from ledger.record import Record
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject, JsonValue


def timeline(
    case: Case, records: Iterable[Record], deviations: Iterable[JsonValue]
) -> list[JsonValue]:
    """Every record of the subject in order of occurrence, voided and refused ones too.

    Each with: ``seq``, when it occurred and was recorded, what it means, who signed, its content
    as it stands and as first recorded, what became of it, its effect on the state, the deviations
    that hang on it, and its corrections. Plain acceptances stand with their commands.
    """
    raised = _by_anchor(deviations)
    steps = _steps(case)
    decided = {command.id: result for command, result in case.records.refused}
    rows: list[tuple[datetime, int, JsonObject]] = []
    for record in records:
        if record.type in (ACCEPTED, REFUSED):
            continue
        fact = case.records.facts.get(record.id)
        at = fact.occurred_at if fact is not None else record.occurred_at
        row = _row(case, record, fact, decided.get(record.id))
        row["state"] = steps.get(record.id)
        row["deviations"] = raised.get(record.id, [])
        rows.append((at, record.seq, row))
    return [row for _, _, row in sorted(rows, key=lambda item: item[:2])]


def _row(case: Case, record: Record, fact: Fact | None, refusal: Record | None) -> JsonObject:
    rule = vocabulary().get(record.type)
    time = fact.time if fact is not None else record.event.time
    occurred = parse_rfc3339(time)
    return {
        "seq": record.seq,
        "event": record.id,
        "type": record.type,
        "kind": kind_of(record.type).value,
        "meaning": rule.meaning if rule is not None else record.type,
        "stream": record.stream,
        "occurred": time,
        "occurred_utc": utc_text(occurred),
        "occurred_local": local_text(occurred, case.zone),
        "recorded": utc_text(record.recorded_at),
        "recorded_local": local_text(record.recorded_at, case.zone),
        "lag_seconds": int((record.recorded_at - occurred).total_seconds()),
        "who": author(record, case.register),
        "signatures": signature_blocks(record, case.register),
        "later_signatures": _later_signatures(case, fact),
        "status": _status(record, fact, refusal),
        "decision": _decision(fact, refusal),
        "content": fact.data if fact is not None else record.data,
        "first_content": record.data if fact is not None and fact.corrections else None,
        "withheld": record.withheld,
        "erased_by": [*record.erased],
        "signed": is_signed(fact) if fact is not None else None,
        "unsigned": is_unsigned(fact) if fact is not None else False,
        "signature_stale": is_stale(fact) if fact is not None else False,
        "corrections": _corrections(case, fact),
        "voided_by": _voiding(case, fact),
    }


def _status(record: Record, fact: Fact | None, refusal: Record | None) -> str:
    if refusal is not None:
        return "refused"
    if fact is None:
        return "pending" if kind_of(record.type) is Kind.COMMAND else "not in effect"
    if fact.voided_by is not None:
        return "voided"
    return "corrected" if fact.corrections else "in effect"


def _decision(fact: Fact | None, refusal: Record | None) -> JsonValue:
    result = refusal or (fact.result if fact is not None else None)
    if result is None:
        return None
    return {
        "seq": result.seq,
        "event": result.id,
        "type": result.type,
        "recorded": utc_text(result.recorded_at),
        "rules": result.data.get("rules"),
    }


def _corrections(case: Case, fact: Fact | None) -> list[JsonValue]:
    return [
        {
            "seq": record.seq,
            "event": record.id,
            "recorded": utc_text(record.recorded_at),
            "changes": record.data.get("changes"),
            "reason": record.data.get("reason"),
            "source_ref": record.data.get("source_ref"),
            "by": author(record, case.register),
        }
        for record in (fact.corrections if fact is not None else ())
    ]


def _voiding(case: Case, fact: Fact | None) -> JsonValue:
    if fact is None or fact.voided_by is None:
        return None
    record = fact.voided_by
    return {
        "seq": record.seq,
        "event": record.id,
        "recorded": utc_text(record.recorded_at),
        "reason": record.data.get("reason"),
        "source_ref": record.data.get("source_ref"),
        "by": author(record, case.register),
    }


def _later_signatures(case: Case, fact: Fact | None) -> list[JsonValue]:
    records = fact.signed_by if fact is not None else []
    return [block for record in records for block in signature_blocks(record, case.register)]


def _steps(case: Case) -> Mapping[str, JsonObject]:
    """The effect each event had on the state: ``{from, to, regular}``."""
    fold = StateFold(case)
    found: dict[str, JsonObject] = {}
    for fact in case.records.timeline():
        before = fold.state.value if fold.steps else None
        step = fold.apply(fact)
        if step is not None:
            found[fact.id] = {"from": before, "to": step.state.value, "regular": step.regular}
    return found


def _by_anchor(deviations: Iterable[JsonValue]) -> dict[str, list[JsonValue]]:
    found: dict[str, list[JsonValue]] = {}
    for row in deviations:
        if isinstance(row, dict):
            brief: JsonObject = {
                name: row[name] for name in ("id", "rule", "severity", "standing", "message")
            }
            found.setdefault(str(row["anchor"]), []).append(brief)
    return found

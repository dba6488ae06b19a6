"""Adverse events, deaths, transplants and pregnancies of one subject, with their clocks (R-64)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.rules.members import flag, instant, text, texts, whole
from ledger.rules.treatment import infusions
from projections.attribution import author
from projections.times import optional_text, utc_text, when

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject

SERIOUS = "serious-adverse-event.reported.v1"
TYPES = (
    "adverse-event.recorded.v1",
    SERIOUS,
    "death.recorded.v1",
    "transplant.recorded.v1",
    "pregnancy.reported.v1",
)


def safety_view(case: Case) -> JsonObject:
    """Safety records in order of occurrence; reports to the sponsor beside when they were due."""
    return {"events": [_event(case, fact) for fact in case.records.of(*TYPES)]}


def _event(case: Case, fact: Fact) -> JsonObject:
    data = fact.data
    aware, reported = instant(data, "aware_at"), instant(data, "sponsor_reported_at")
    due = _due(case, fact, aware)
    return {
        "event": fact.id,
        "seq": fact.seq,
        "type": fact.type,
        "serious": fact.type == SERIOUS,
        "term": text(data, "term") or text(data, "organ") or text(data, "cause_code"),
        "code": text(data, "code"),
        "criteria": list(texts(data, "criteria")),
        "onset": data.get("onset"),
        "onset_at": optional_text(instant(data, "onset_at")),
        "grade": whole(data, "grade"),
        "aware_at": optional_text(aware),
        "sponsor_reported_at": optional_text(reported),
        "sponsor_due_at": optional_text(due),
        "late": None if due is None or reported is None else reported > due,
        "authority_reported_at": optional_text(instant(data, "authority_reported_at")),
        "causality": text(data, "causality"),
        "expected": flag(data, "expected"),
        "outcome": text(data, "outcome"),
        "follows": text(data, "follows"),
        "after_infusion": _after_infusion(case, instant(data, "onset_at") or fact.occurred_at),
        "by": author(fact.record, case.register),
        **when(fact, case.zone),
        "content": data,
    }


def _due(case: Case, fact: Fact, aware: datetime | None) -> datetime | None:
    safety = case.protocol.safety
    hours = safety.sae_report_hours if fact.type == SERIOUS else safety.pregnancy_report_hours
    return None if aware is None else aware + timedelta(hours=hours)


def _after_infusion(case: Case, onset: datetime) -> JsonObject | None:
    """The last infusion begun before the onset, and the minutes between."""
    before = [row for row in infusions(case.records) if row.started_at <= onset]
    if not before:
        return None
    last = before[-1]
    return {
        "event": last.id,
        "started_at": utc_text(last.started_at),
        "minutes": int((onset - last.started_at).total_seconds() // 60),
    }

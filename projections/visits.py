"""Visits and the Child-Pugh endpoint of one subject, each score traced to its inputs (R-74)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ledger.rules.child_pugh import ChildPughScore
from ledger.rules.endpoint import ASSESSMENT, Endpoint, VisitScore, primary_endpoint, score_visit
from ledger.rules.members import flag, text
from ledger.rules.visits import PlannedVisit, ends_of_study, schedule
from projections.attribution import author
from projections.times import optional_text, standings, utc_text, when

if TYPE_CHECKING:
    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.child_pugh import ChildPughIndeterminate
    from ledger.signing.strict_json import JsonObject, JsonValue

VISIT_TYPES = ("visit.completed.v1", "visit.missed.v1")


def visits_view(case: Case) -> JsonObject:
    """Each planned visit with window, actual day and score; other visits; the endpoint."""
    planned = schedule(case)
    scores = {row.visit.id: score_visit(case, row.visit.id) for row in planned}
    counted = {
        fact.id for row in planned for fact in (row.completed, row.missed) if fact is not None
    }
    others = [fact for fact in case.records.of(*VISIT_TYPES) if fact.id not in counted]
    return {
        "visits": [_visit(case, row, scores[row.visit.id]) for row in planned],
        "other_records": [_record(case, fact) for fact in others],
        "child_pugh": [
            _series(case, row, scores[row.visit.id])
            for row in planned
            if scores[row.visit.id].inputs
        ],
        "endpoint": _endpoint(case, planned, scores),
    }


def _visit(case: Case, row: PlannedVisit, score: VisitScore) -> JsonObject:
    window = row.window
    actual = row.completed or row.missed
    return {
        "visit": row.visit.id,
        "anchor": row.visit.anchor,
        "anchor_event": row.anchor.event if row.anchor else None,
        "target": window.target.isoformat() if window else None,
        "window_first": window.first.isoformat() if window else None,
        "window_last": window.last.isoformat() if window else None,
        "event": actual.id if actual else None,
        "actual": _day(case, row.completed),
        "actual_at": optional_text(row.completed.occurred_at if row.completed else None),
        "mode": text(row.completed.data, "mode") if row.completed else None,
        "missed": row.missed is not None,
        "reason": row.missed.data.get("reason") if row.missed else None,
        "in_window": row.in_window,
        "days_outside": row.days_outside,
        "by": author(actual.record, case.register) if actual else None,
        "scored": row.visit.child_pugh,
        "score": _outcome(score.outcome) if score.inputs else None,
        "standings": standings(_instants(row), lambda at: {"status": row.status(at).value}),
    }


def _instants(row: PlannedVisit) -> list[datetime]:
    """Every instant at which the visit may come to stand otherwise."""
    found = [row.opens, row.closes]
    found += [fact.occurred_at for fact in (row.completed, row.missed) if fact is not None]
    known = [instant for instant in found if instant is not None]
    if row.anchor is not None:
        known.append(row.anchor.at)
    return known


def _series(case: Case, row: PlannedVisit, score: VisitScore) -> JsonObject:
    return {
        "visit": row.visit.id,
        "inputs": {
            name: {
                "value": value.value,
                "taken_at": utc_text(value.taken_at),
                "event": value.fact.id,
                "corrected": bool(value.fact.corrections),
                "others": list(value.others),
            }
            for name, value in score.inputs.items()
        },
        **_outcome(score.outcome),
        "as_recorded": None if score.as_recorded is None else _outcome(score.as_recorded),
        "days_apart": score.days_apart,
        "sources": list(score.sources),
        "rule_version": score.rule_version,
        **_assessor(case, score),
    }


def _outcome(outcome: ChildPughScore | ChildPughIndeterminate) -> JsonObject:
    if isinstance(outcome, ChildPughScore):
        points: JsonObject = {str(item): scored for item, scored in outcome.points.items()}
        return {
            "points": points,
            "total": outcome.total,
            "class": outcome.grade,
            "variant": outcome.variant,
            "reason": None,
        }
    return {
        "points": None,
        "total": None,
        "class": None,
        "variant": outcome.variant,
        "reason": outcome.reason,
    }


def _assessor(case: Case, score: VisitScore) -> JsonObject:
    examined = [row.fact for row in score.inputs.values() if row.fact.type == ASSESSMENT]
    person = text(examined[-1].data, "assessor") if examined else None
    return {
        "assessor": person,
        "assessor_name": case.register.name_of(person) if person else None,
        "assessor_masked": flag(examined[-1].data, "assessor_masked") if examined else None,
    }


def _endpoint(
    case: Case, planned: tuple[PlannedVisit, ...], scores: dict[str, VisitScore]
) -> JsonObject:
    definition = case.protocol.endpoint
    instants = [
        instant for row in planned if row.visit.id == definition.visit for instant in _instants(row)
    ]
    instants += [fact.occurred_at for _, fact in ends_of_study(case)]
    score = scores.get(definition.visit)
    instants += [row.taken_at for row in score.inputs.values()] if score is not None else []
    # A score is complete from its last input on, an end of study from the instant after it.
    instants += [instant + timedelta(microseconds=1) for instant in instants]
    return {
        "label": definition.label,
        "visit": definition.visit,
        "grade": definition.grade,
        "standings": standings(instants, lambda at: _standing(primary_endpoint(case, at))),
    }


def _standing(endpoint: Endpoint) -> JsonObject:
    outcome = endpoint.score.outcome if endpoint.score is not None else None
    scored = isinstance(outcome, ChildPughScore)
    return {
        "status": endpoint.status.value,
        "counts_as": endpoint.counts_as.value if endpoint.counts_as is not None else None,
        "class": outcome.grade if isinstance(outcome, ChildPughScore) and scored else None,
        "reason": endpoint.reason,
    }


def _record(case: Case, fact: Fact) -> JsonValue:
    return {"event": fact.id, "type": fact.type, **when(fact, case.zone), "content": fact.data}


def _day(case: Case, fact: Fact | None) -> str | None:
    return None if fact is None else case.local_date(fact.occurred_at).isoformat()

"""Deviations as rows: derived findings beside what persons reported and assessed (R-63; E3 Q7).

Stored rows say from when a finding holds (``since``), so that they do not depend on the time of
day; whoever reads as of an instant leaves out what holds later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.deviation import (
    CaseRule,
    Deviation,
    TrialOverview,
    TrialRule,
    deviations_of,
    deviations_of_trial,
)
from ledger.rules.members import flag, instant_or_time, text
from projections.attribution import author
from projections.prefix import FOLD_ERRORS
from projections.times import optional_text, utc_text, when

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ledger.history import Fact, History
    from ledger.rules.case import Case
    from ledger.signing.register import Register
    from ledger.signing.strict_json import JsonObject, JsonValue

REPORTED = "deviation.reported.v1"
ASSESSED = "deviation.assessed.v1"


def deviations_view(case: Case, rules: Iterable[CaseRule]) -> JsonObject:
    """The deviations of one subject, derived and reported; ``failed_rules`` could not be run."""
    found: list[tuple[str, Deviation]] = []
    failed: list[JsonValue] = []
    for rule in rules:
        try:
            found += [(rule.definition, row) for row in deviations_of(case, [rule])]
        except FOLD_ERRORS as error:
            failed.append(failed_rule(rule.id, error))
    assessments = case.records.of(ASSESSED)
    rows: list[JsonValue] = [
        deviation_row(row, definition, case.records.facts, assessments, case.register)
        for definition, row in found
    ]
    rows += [_reported(case, fact, assessments) for fact in case.records.of(REPORTED)]
    return {"deviations": rows, "failed_rules": failed}


def trial_deviations_view(overview: TrialOverview, rules: Iterable[TrialRule]) -> JsonObject:
    """The deviations that only the whole trial shows; each names its subject where it has one."""
    rows: list[JsonValue] = []
    failed: list[JsonValue] = []
    for rule in rules:
        try:
            for row in deviations_of_trial(overview, [rule]):
                records = _records_of(overview, row.subject)
                assessments = records.of(ASSESSED) if records is not None else []
                facts = records.facts if records is not None else {}
                rows.append(
                    deviation_row(row, rule.definition, facts, assessments, overview.register)
                )
        except FOLD_ERRORS as error:
            failed.append(failed_rule(rule.id, error))
    return {"deviations": rows, "failed_rules": failed}


def deviation_row(
    deviation: Deviation,
    definition: str,
    facts: Mapping[str, Fact],
    assessments: Iterable[Fact],
    register: Register,
) -> JsonObject:
    """One derived deviation with the assessment a person gave it, if any."""
    finding = deviation.finding
    anchor = facts.get(finding.anchor)
    return {
        "id": deviation.id,
        "rule": deviation.rule,
        "definition": definition,
        "detected_by": "rule",
        "subject": deviation.subject,
        "severity": deviation.severity.value,
        "standing": finding.standing.value,
        "message": finding.message,
        "anchor": finding.anchor,
        "anchor_type": anchor.type if anchor is not None else None,
        "anchor_occurred": utc_text(anchor.occurred_at) if anchor is not None else None,
        "anchor_recorded": utc_text(anchor.record.recorded_at) if anchor is not None else None,
        "since": utc_text(finding.since),
        "evidence": list(finding.evidence),
        "tells_arm": finding.tells_arm,
        "assessment": _assessment(deviation.rule, finding.anchor, assessments, register),
    }


def failed_rule(rule: str, error: Exception) -> JsonObject:
    """A rule that could not be run: shown, never passed over in silence."""
    return {"rule": rule, "error": f"{type(error).__name__}: {error}"[:500]}


def _records_of(overview: TrialOverview, subject: str | None) -> History | None:
    return overview.subjects.get(subject) if subject is not None else None


def _reported(case: Case, fact: Fact, assessments: list[Fact]) -> JsonObject:
    rule = text(fact.data, "rule")
    at = instant_or_time(fact, "occurred_at")
    anchor = text(fact.data, "anchor") or fact.id
    found = case.records.facts.get(anchor)
    return {
        "id": f"reported:{fact.id}",
        "rule": rule,
        "definition": text(fact.data, "category"),
        "detected_by": "person",
        "subject": case.subject,
        "severity": None,
        "standing": "deviation",
        "message": text(fact.data, "description"),
        "anchor": anchor,
        "anchor_type": found.type if found is not None else None,
        "anchor_occurred": utc_text(found.occurred_at) if found is not None else None,
        "anchor_recorded": utc_text(found.record.recorded_at) if found is not None else None,
        "since": utc_text(at),
        "evidence": [fact.id],
        "tells_arm": fact.record.stream.startswith("treatment/"),
        "reported_by": author(fact.record, case.register),
        "discovered_at": text(fact.data, "discovered_at"),
        "assessment": _assessment(rule, anchor, assessments, case.register),
        **when(fact, case.zone),
    }


def _assessment(
    rule: str | None, anchor: str, assessments: Iterable[Fact], register: Register
) -> JsonValue:
    """The last assessment that names the rule and the anchor; null while nobody assessed it."""
    found = [
        fact
        for fact in assessments
        if text(fact.data, "rule") == rule and text(fact.data, "anchor") == anchor
    ]
    if not found:
        return None
    fact = found[-1]
    return {
        "event": fact.id,
        "important": flag(fact.data, "important"),
        "category": text(fact.data, "category"),
        "explanation": text(fact.data, "explanation"),
        "action": text(fact.data, "action"),
        "reported_to_ethics_committee": flag(fact.data, "reported_to_ethics_committee"),
        "reported_at": text(fact.data, "reported_at"),
        "closed": flag(fact.data, "closed"),
        "by": author(fact.record, register),
        "at": optional_text(fact.occurred_at),
    }

"""The eligibility listing of one subject, criterion by criterion (R-50, R-51; E3 16.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.delegation import is_signed
from ledger.rules.derivation import randomization_times
from ledger.rules.eligibility import (
    CONFIRMED,
    REVOKED,
    SCREEN_FAILED,
    CriterionRow,
    eligibility,
)
from ledger.rules.members import text, texts
from projections.attribution import author
from projections.times import utc_text, when

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject, JsonValue


def eligibility_view(case: Case) -> JsonObject:
    """Each criterion as assessed beside what the data say, then the whole and who confirmed it.

    It is looked at as of the randomization, before that as of the subject's last occurrence
    (``as_of``), so that the same records always give the same rows.
    """
    at = _instant(case)
    found = eligibility(case, at) if at is not None else None
    rows = found.rows if found is not None else ()
    return {
        "as_of": None if at is None else utc_text(at),
        "eligible": found is not None and found.passing,
        "open_points": list(found.open_points) if found is not None else [],
        "criteria": [_criterion(case, row) for row in rows],
        "confirmations": [_decision(case, fact) for fact in case.records.of(CONFIRMED)],
        "revocations": [_decision(case, fact) for fact in case.records.of(REVOKED)],
        "screen_failures": [_decision(case, fact) for fact in case.records.of(SCREEN_FAILED)],
    }


def _instant(case: Case) -> datetime | None:
    assigned = randomization_times(case)
    if assigned:
        return assigned[0][0]
    last = max(case.records.in_effect(), key=lambda fact: fact.order, default=None)
    return None if last is None else last.occurred_at


def _criterion(case: Case, row: CriterionRow) -> JsonObject:
    assessed: JsonObject = {
        "event": None,
        "seq": None,
        "basis": row.criterion.basis,
        "evidence": list(row.derived.evidence),
        "judged_by": None,
        "judged_at": None,
        "signed": False,
        "comment": None,
    }
    if row.assessment is not None:
        fact = row.assessment
        assessed = {
            "event": fact.id,
            "seq": fact.seq,
            "basis": text(fact.data, "basis"),
            "evidence": list(texts(fact.data, "evidence")),
            "judged_by": author(fact.record, case.register),
            "judged_at": utc_text(fact.occurred_at),
            "signed": is_signed(fact),
            "comment": text(fact.data, "comment"),
        }
    return {
        "criterion": row.criterion.id,
        "kind": row.criterion.kind,
        "text": row.criterion.text,
        "result": row.result,
        "derived": row.derived.result,
        "derived_reason": row.derived.reason,
        "conflict": row.conflict,
        "passing": row.passing,
        "open_point": row.open_point,
        **assessed,
    }


def _decision(case: Case, fact: Fact) -> JsonValue:
    return {
        "event": fact.id,
        "seq": fact.seq,
        "by": author(fact.record, case.register),
        "signed": is_signed(fact),
        **when(fact, case.zone),
        "content": fact.data,
    }

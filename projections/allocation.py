"""Allocation of one subject, and every breaking of the blind (R-54 to R-57; E3 16.1.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.aggregates.allocation import ENVELOPE
from ledger.rules.derivation import randomization_times
from ledger.rules.members import text, texts, whole
from projections.attribution import author
from projections.times import utc_text, when

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.record import Record
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject

REQUESTED = "subject.randomization-requested.v1"
BROKEN = "blind.broken.v1"
REASON = "unblinding-reason.recorded.v1"
ACCIDENTAL = "accidental-unblinding.reported.v1"


def allocation_view(case: Case) -> JsonObject:
    """Slot, stratum and arm as far as opened, how it came about, and all unblindings."""
    reasons = case.records.of(REASON)
    return {
        "allocations": [_allocation(case, at, fact) for at, fact in randomization_times(case)],
        "unblindings": [
            _unblinding(case, fact, reasons) for fact in case.records.of(BROKEN, ACCIDENTAL)
        ],
    }


def _allocation(case: Case, at: datetime, fact: Fact) -> JsonObject:
    envelope = fact.type == ENVELOPE
    request = None if envelope else _request(case, fact)
    arm_id = text(fact.data, "arm")
    arm = case.protocol.arm(arm_id) if arm_id is not None else None
    decided = request or fact.record
    return {
        "event": fact.id,
        "seq": fact.seq,
        "method": "envelope" if envelope else "system",
        "envelope": text(fact.data, "envelope_id"),
        "downtime": text(fact.data, "downtime"),
        "slot": whole(fact.data, "slot"),
        "stratum": text(fact.data, "stratum"),
        "arm": arm_id,
        "arm_label": arm.label if arm is not None else None,
        "list_root": text(fact.data, "list_root"),
        "allocated_at": utc_text(at),
        "allocated_at_local": at.astimezone(case.zone).isoformat(),
        "request": request.id if request is not None else None,
        "requested_by": author(decided, case.register),
        **when(fact, case.zone),
    }


def _request(case: Case, fact: Fact) -> Record | None:
    named = fact.data.get("request")
    request = case.records.facts.get(str(named.get("id"))) if isinstance(named, dict) else None
    return request.record if request is not None else None


def _unblinding(case: Case, fact: Fact, reasons: list[Fact]) -> JsonObject:
    later = [row for row in reasons if text(row.data, "unblinding") == fact.id]
    accidental = fact.type == ACCIDENTAL
    explained = [row.data for row in (fact, *later)]
    return {
        "event": fact.id,
        "seq": fact.seq,
        "kind": "accidental" if accidental else text(fact.data, "type") or "not stated",
        "by": author(fact.record, case.register),
        "reason_code": next((c for d in explained if (c := text(d, "reason_code"))), None),
        "reason_text": next((c for d in explained if (c := text(d, "reason_text"))), None),
        "cause": text(fact.data, "cause"),
        "told_to": [*sorted({party for d in explained for party in texts(d, "told_to")})],
        "impact": next((c for d in explained if (c := text(d, "impact"))), None),
        "reason_events": [row.id for row in later],
        **when(fact, case.zone),
    }

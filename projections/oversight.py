"""What a reviewer looks at in any stream: refusals, corrections, late entries, signatures due.

The same folds serve a subject's records and those of the trial, a site, a lot or the access
stream (R-05, R-08, R-12, R-29).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.history import changes_of
from ledger.rules.delegation import is_signed, was_signed_before
from ledger.rules.members import shape, text
from ledger.vocabulary import vocabulary
from projections.attribution import author
from projections.times import utc_text, when

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from ledger.history import Fact, History
    from ledger.record import Record
    from ledger.signing.register import Register
    from ledger.signing.strict_json import JsonObject, JsonValue


ORDERS = ("personal-data.erased.v1", "personal-data.restricted.v1")


def oversight_view(
    records: History, register: Register, *, zone: ZoneInfo, late_limit_hours: int
) -> JsonObject:
    """Refused commands, corrections, late entries, records to be signed, orders of erasure."""
    facts = list(records.facts.values())
    limit = timedelta(hours=late_limit_hours)
    return {
        "refusals": [
            refusal_row(records, register, command, result) for command, result in records.refused
        ],
        "corrections": [
            row
            for fact in facts
            for record in fact.corrections
            for row in _correction_rows(fact, record, register)
        ],
        "voided": [_voided_row(fact, register) for fact in facts if fact.voided_by],
        "late_entries": [
            _late_row(fact, register, zone=zone, limit=limit)
            for fact in facts
            if fact.record.recorded_at - fact.occurred_at > limit
        ],
        "stale_signatures": [_brief(fact) for fact in facts if is_stale(fact)],
        "unsigned": [_brief(fact) for fact in facts if is_unsigned(fact)],
        "system_events": [
            {**_brief(fact), **when(fact, zone), "content": fact.data}
            for fact in facts
            if fact.type.startswith(("downtime.", "dossier."))
        ],
        "personal_data": [_order_row(fact, register) for fact in facts if fact.type in ORDERS],
    }


def is_stale(fact: Fact) -> bool:
    """Whether a record signed by a person was corrected later and not signed again (R-29)."""
    if not fact.corrections or fact.voided_by or not is_signed(fact):
        return False
    last = fact.corrections[-1].seq
    return not any(record.seq > last for record in fact.signed_by)


def is_unsigned(fact: Fact) -> bool:
    """Whether a person must still sign the record; a system's key never counts (R-30)."""
    rule = vocabulary().get(fact.type)
    return rule is not None and rule.signing.person and not is_signed(fact) and not fact.voided_by


def refusal_row(
    records: History, register: Register, command: Record, result: Record
) -> JsonObject:
    """One refused command with the rules that spoke against it and what became of it later."""
    rules = result.data.get("rules")
    later = [
        fact
        for fact in records.of(command.type)
        if fact.seq > command.seq and fact.record.stream == command.stream
    ]
    return {
        "event": command.id,
        "seq": command.seq,
        "result": result.id,
        "result_seq": result.seq,
        "time": utc_text(command.recorded_at),
        "occurred": command.event.time,
        "recorded": utc_text(command.recorded_at),
        "command": command.type,
        "stream": command.stream,
        "subject": subject_of(command.stream),
        "by": author(command, register),
        "rules": rules if isinstance(rules, list) else [],
        "later_outcome": "accepted" if later else "none",
        "later_event": later[0].id if later else None,
    }


def subject_of(stream: str) -> str | None:
    """The subject a stream belongs to; None for the trial's, a site's, a lot's."""
    family, _, name = stream.partition("/")
    return name if family in ("subject", "treatment") else None


def _correction_rows(fact: Fact, record: Record, register: Register) -> list[JsonValue]:
    reason = shape(record.data, "reason") or {}
    later = [signing for signing in fact.signed_by if signing.seq > record.seq]
    return [
        {
            "event": fact.id,
            "type": fact.type,
            "stream": fact.record.stream,
            "subject": subject_of(fact.record.stream),
            "correction": record.id,
            "seq": record.seq,
            "field": change.get("pointer"),
            "old": change.get("old"),
            "new": change.get("new"),
            "reason_code": text(reason, "code"),
            "reason_text": text(reason, "text"),
            "source_ref": text(record.data, "source_ref"),
            "requested_by": text(record.data, "requested_by"),
            "by": author(record, register),
            "occurred": record.event.time,
            "recorded": utc_text(record.recorded_at),
            "lag_seconds": int((record.recorded_at - fact.record.recorded_at).total_seconds()),
            "signed_before": was_signed_before(fact, record.seq),
            "resigned": later[0].id if later else None,
        }
        for change in changes_of(record.data)
        if isinstance(change, dict)
    ]


def _voided_row(fact: Fact, register: Register) -> JsonObject:
    record = fact.voided_by or fact.record
    reason = shape(record.data, "reason") or {}
    return {
        **_brief(fact),
        "voided_by": record.id,
        "voiding_seq": record.seq,
        "reason_code": text(reason, "code"),
        "reason_text": text(reason, "text"),
        "source_ref": text(record.data, "source_ref"),
        "belongs_to": text(record.data, "belongs_to"),
        "by": author(record, register),
        "voided_at": record.event.time,
        "voiding_recorded": utc_text(record.recorded_at),
    }


def _late_row(fact: Fact, register: Register, *, zone: ZoneInfo, limit: timedelta) -> JsonObject:
    how = shape(fact.data, "record") or {}
    reason = shape(how, "reason") or {}
    return {
        **_brief(fact),
        **when(fact, zone),
        "captured": text(how, "captured_at"),
        "limit_seconds": int(limit.total_seconds()),
        "mode": text(how, "mode") or "direct",
        "reason_code": text(reason, "code"),
        "reason_text": text(reason, "text"),
        "voided": fact.voided_by is not None,
        "by": author(fact.record, register),
    }


def _order_row(fact: Fact, register: Register) -> JsonObject:
    """One order to erase or restrict personal data: what, on which ground, by whom."""
    data = fact.data
    return {
        **_brief(fact),
        "act": "erased" if fact.type == ORDERS[0] else "restricted",
        "concerns": data.get("purposes") or data.get("pointers"),
        "target": text(data, "target"),
        "ground": text(data, "ground"),
        "ground_reference": text(data, "ground_reference"),
        "decision": text(data, "decision"),
        "approver": text(data, "approver"),
        "by": author(fact.record, register),
    }


def _brief(fact: Fact) -> JsonObject:
    return {
        "event": fact.id,
        "seq": fact.seq,
        "type": fact.type,
        "stream": fact.record.stream,
        "subject": subject_of(fact.record.stream),
        "occurred_utc": utc_text(fact.occurred_at),
        "recorded": utc_text(fact.record.recorded_at),
    }

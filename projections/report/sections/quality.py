"""What a reviewer looks for in the trail: refusals, corrections, late entries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shapes, text, whole
from projections.report.discretion import SEALED, is_identity
from projections.report.document import column, part, plain, section, table
from projections.report.words import duration

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Material, Row
    from projections.report.document import Block


def refusals(basis: Material) -> Block:
    """Commands the ledger refused, with the rules that spoke against them (R-08)."""
    return section(
        "refusals",
        "Refused commands",
        "An authentic command that a rule forbids is itself an entry; its refusal is the next.",
        table(
            "refusals-table",
            "Refused commands",
            [
                plain("Seq", "seq", "number"),
                plain("Recorded", "recorded", "time"),
                plain("By", "by", "person"),
                column("Command", part("command", "word"), part("stream")),
                plain("Rules", "rule_ids", "list"),
                plain("Message", "messages", "list"),
                column("Later", part("later_outcome", "word"), part("later_event", "code")),
                plain("Record", "event", "code"),
            ],
            lambda: (
                {
                    **row,
                    "rule_ids": [text(rule, "id") for rule in shapes(row, "rules")],
                    "messages": [text(rule, "message") for rule in shapes(row, "rules")],
                }
                for row in basis.oversight["refusals"]
            ),
            wide=True,
            within="seq",
        ),
    )


def corrections(basis: Material) -> Block:
    """Each corrected field with old, new and reason; each voided record (R-05, R-06)."""
    return section(
        "corrections",
        "Corrections and voided records",
        "Nothing is overwritten: the old value stays in its entry, the new one stands in a later "
        "entry, with who changed it and why.",
        table(
            "corrections-table",
            "Corrected fields",
            [
                plain("Seq", "seq", "number"),
                column("Record", part("type", "word"), part("subject"), part("event", "code")),
                plain("Field", "field", "code"),
                plain("Old", "old", "prose"),
                plain("New", "new", "prose"),
                plain("Reason", "reason", "prose"),
                plain("Source", "source_ref"),
                plain("By", "by", "person"),
                column("Recorded", part("recorded", "time"), part("lag", "text", "after")),
                column(
                    "Signed",
                    part("signed_before", "flag", "before"),
                    part("resigned", "code", "again"),
                ),
            ],
            lambda: (_correction(row) for row in basis.oversight["corrections"]),
            wide=True,
            within="seq",
        ),
        table(
            "voided",
            "Voided records",
            [
                column("Record", part("type", "word"), part("subject"), part("event", "code")),
                plain("Voided", "voiding_recorded", "time"),
                plain("Reason", "reason", "prose"),
                plain("Belongs to", "belongs_to"),
                plain("By", "by", "person"),
                plain("Voiding record", "voided_by", "code"),
            ],
            lambda: ({**row, "reason": _reason(row)} for row in basis.oversight["voided"]),
            wide=True,
            within="seq",
        ),
    )


def _correction(row: Row) -> JsonObject:
    return {
        **row,
        "id": f"{row.get('correction')}{row.get('field')}",
        "lag": duration(whole(row, "lag_seconds")),
        "reason": _reason(row),
        **_values(row),
    }


def _values(row: Row) -> JsonObject:
    if is_identity(text(row, "type") or "", text(row, "field") or ""):
        return {"old": SEALED, "new": SEALED}
    return {"old": row.get("old"), "new": row.get("new")}


def personal_data(basis: Material) -> Block:
    """Each order to erase or restrict personal data; the records themselves stand (R-73)."""
    return section(
        "personal-data",
        "Personal data erased or restricted",
        "What was erased can be read by nobody any more; signatures, chain and proofs of the "
        "entries it was sealed in stay valid. What was restricted is no longer shown.",
        table(
            "personal-data-orders",
            "Orders",
            [
                plain("Seq", "seq", "number"),
                plain("Recorded", "recorded", "time"),
                column("Subject", part("subject"), part("target", "code")),
                column("Act", part("act", "word"), part("concerns", "list")),
                column("Ground", part("ground", "word"), part("ground_reference")),
                plain("Decision", "decision"),
                plain("Ordered by", "by", "person"),
                plain("Approved by", "approver", "code"),
                plain("Record", "event", "code"),
            ],
            lambda: basis.oversight["personal_data"],
            wide=True,
            within="seq",
        ),
    )


def _reason(row: Row) -> JsonValue:
    code, words = text(row, "reason_code"), text(row, "reason_text")
    return None if code is None and words is None else {"code": code, "text": words}


def late_entries(basis: Material) -> Block:
    """What was recorded later than the limit after it happened (R-11, R-12)."""
    hours = basis.definition.protocol.late_entry_limit_hours
    return section(
        "late-entries",
        "Late entries",
        f"Records that reached the ledger more than {hours} hours after what they report.",
        table(
            "late-entries-table",
            "Late entries",
            [
                plain("Seq", "seq", "number"),
                column("Record", part("type", "word"), part("subject")),
                plain("Occurred", "occurred_utc", "time"),
                column("Captured", part("captured", "time")),
                plain("Recorded", "recorded", "time"),
                plain("Lag", "lag", "number"),
                column("Mode, reason", part("mode", "word"), part("reason", "prose")),
                plain("By", "by", "person"),
                plain("Event", "event", "code"),
            ],
            lambda: (
                {**row, "lag": duration(whole(row, "lag_seconds")), "reason": _reason(row)}
                for row in basis.oversight["late_entries"]
            ),
            wide=True,
            within="seq",
        ),
    )

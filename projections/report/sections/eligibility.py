"""Eligibility: each criterion as the data say and as the physician judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text
from projections.report.document import column, note, part, plain, section, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Material
    from projections.report.document import Block

_LETTERS = {
    "MET": "met",
    "NOT_MET": "NOT MET",
    "PRESENT": "PRESENT",
    "ABSENT": "absent",
    "NOT_APPLICABLE": "n/a",
    "INDETERMINATE": "?",
}
"""Results as the matrix shows them: what speaks against the subject stands in capitals."""


def eligibility(basis: Material) -> Block:
    """Criterion by criterion, first at a glance, then each with its evidence (R-50, R-51)."""
    return section(
        "eligibility",
        "Eligibility, criterion by criterion",
        "Each criterion for each subject as of randomization, before that as of the subject's "
        "last record: what the data say, what the physician judged, on which evidence.",
        note(
            "A subject is eligible only when every inclusion criterion is met and every exclusion "
            "criterion is absent or not applicable. A criterion nobody has assessed, or that the "
            "data leave open, shows as a question mark and never passes."
        ),
        _matrix(basis),
        _decisions(basis, "confirmations", "Eligibility confirmed"),
        _decisions(basis, "revocations", "Eligibility revoked"),
        _decisions(basis, "screen_failures", "Screen failures"),
        _criteria(basis),
        table(
            "criteria-listing",
            "Assessments",
            [
                plain("Criterion", "criterion"),
                plain("Result", "result", "word"),
                column("By the data", part("derived", "word"), part("derived_reason", "prose")),
                plain("Conflict", "conflict", "alarm"),
                plain("Basis", "basis", "word"),
                column("Judged by", part("judged_by", "person"), part("signed", "flag", "signed")),
                plain("Judged", "judged_at", "time"),
                column(
                    "Record, evidence", part("event", "code"), part("sources", "ids", "rests on")
                ),
            ],
            lambda: _assessments(basis),
            wide=True,
            group="subject",
            within="subject",
        ),
    )


def _assessments(basis: Material) -> Iterator[JsonObject]:
    for row in basis.rows("eligibility", "criteria"):
        yield {
            **row,
            "id": f"{row['subject']}/{row['criterion']}",
            "wording": text(row, "text"),
            "sources": row.get("evidence"),
            "signed": row.get("signed") if row.get("event") else None,
        }


def _glances(basis: Material, ids: list[str]) -> Iterator[JsonObject]:
    for subject, found in basis.of("eligibility"):
        results = {text(row, "criterion"): row for row in shapes(found, "criteria")}
        cells: dict[str, JsonValue] = {
            name: _LETTERS.get(str(results[name].get("result")), "?") if name in results else "?"
            for name in ids
        }
        yield {
            "subject": subject,
            **cells,
            "eligible": found.get("eligible"),
            "conflicts": [
                str(row.get("criterion")) for row in results.values() if row.get("conflict")
            ],
        }


def _matrix(basis: Material) -> Block:
    ids = [criterion.id for criterion in basis.definition.protocol.criteria]
    return table(
        "criteria-matrix",
        "Criteria at a glance",
        [
            plain("Subject", "subject"),
            *(column(name, {"key": name, "kind": "result", "label": None}) for name in ids),
            plain("Eligible", "eligible", "flag"),
            plain("Judged against the data", "conflicts", "list"),
        ],
        lambda: _glances(basis, ids),
        wide=True,
        within="subject",
    )


def _decisions(basis: Material, member: str, caption: str) -> Block:
    return table(
        f"eligibility-{member.replace('_', '-')}",
        caption,
        [
            plain("Subject", "subject"),
            plain("When", "occurred_utc", "time"),
            plain("By", "by", "person"),
            plain("Signed", "signed", "flag"),
            plain("Reason", "reason"),
            plain("Record", "event", "code"),
        ],
        lambda: (
            {**row, "reason": text(shape(row, "content") or {}, "reason_code")}
            for row in basis.rows("eligibility", member)
        ),
        within="subject",
    )


def _criteria(basis: Material) -> Block:
    rows: list[JsonObject] = [
        {
            "id": criterion.id,
            "criterion": criterion.id,
            "kind": criterion.kind,
            "wording": criterion.text,
            "basis": criterion.basis,
        }
        for criterion in basis.definition.protocol.criteria
    ]
    return table(
        "criteria",
        "The criteria",
        [
            plain("Criterion", "criterion"),
            plain("Kind", "kind", "word"),
            plain("Text", "wording", "prose"),
            plain("Decided by", "basis", "word"),
        ],
        rows,
    )

"""Protocol deviations: by rule, each one, and those that cannot be decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.deviations import CASE_RULES, TRIAL_RULES
from ledger.rules.members import shape, text
from projections.report.document import column, note, part, plain, section, table

if TYPE_CHECKING:
    from ledger.rules.deviation import CaseRule, TrialRule
    from ledger.signing.strict_json import JsonObject
    from projections.report.basis import Material, Row

_REPORTED = "reported by a person"


def deviations(basis: Material) -> JsonObject:
    """Deviations by rule, then each; what cannot be decided stands apart (R-63; E3 16.2.2.4)."""
    rows = [_deviation(row) for row in basis.deviations]
    open_rows = [row for row in rows if row["standing"] == "indeterminate"]
    definite = [row for row in rows if row["standing"] != "indeterminate"]
    blocks = [
        _by_rule(definite, open_rows),
        table("deviations-table", "Deviations", _DEVIATION, definite, wide=True),
        note(
            "What follows could not be decided from what is recorded. It is neither a deviation "
            "nor none until the missing record comes."
        ),
        table(
            "indeterminate", "Could not be decided", _DEVIATION, open_rows, wide=True,
            empty="Every rule could be decided.",
        ),
    ]  # fmt: skip
    if basis.failed_rules:
        failed: list[JsonObject] = [
            {"id": f"{row.get('key')}/{number}", **row}
            for number, row in enumerate(basis.failed_rules, 1)
        ]
        blocks.insert(
            0,
            note(
                "Some rules or views could not be run; their findings are missing.", tone="warning"
            ),
        )
        blocks.append(
            table(
                "failed-rules",
                "Rules and views that could not be run",
                [
                    plain("Of", "key"),
                    column("Rule or view", part("rule"), part("view")),
                    plain("Error", "error"),
                ],
                failed,
            )
        )
    return section(
        "deviations",
        "Protocol deviations",
        "Found by rules over the record, or reported by a person. A rule and the event it hangs on "
        "identify a deviation for ever; nobody can delete one.",
        *blocks,
    )


_DEVIATION = [
    column("Rule", part("rule"), part("detected", "word")),
    plain("Severity", "severity", "severity"),
    plain("Subject", "subject"),
    plain("Since", "since", "time"),
    column("What", part("message", "prose"), part("definition", "text", "rule:")),
    column("Important", part("important", "flag"), part("category", "word")),
    column("Explanation, action", part("explanation", "prose"), part("action", "prose"),
           part("closed", "flag", "closed")),
    column("Assessed by", part("assessed_by", "person"), part("assessed_at", "time")),
    column("Hangs on", part("anchor_type", "word"), part("anchor", "code")),
]  # fmt: skip


def _deviation(row: Row) -> JsonObject:
    assessment = shape(row, "assessment") or {}
    person = text(row, "detected_by") == "person"
    return {
        **row,
        "severity": "indeterminate"
        if row.get("standing") == "indeterminate"
        else row.get("severity"),
        "detected": _REPORTED if person else "by rule",
        "important": assessment.get("important"),
        "category": assessment.get("category"),
        "explanation": assessment.get("explanation"),
        "action": assessment.get("action"),
        "closed": assessment.get("closed"),
        "assessed_by": assessment.get("by"),
        "assessed_at": assessment.get("at"),
    }


def _by_rule(definite: list[JsonObject], open_rows: list[JsonObject]) -> JsonObject:
    rows: list[JsonObject] = []
    rules = _known()
    named = {str(row["rule"] or "") for row in (*definite, *open_rows)}
    for name in sorted(named):
        found = [row for row in definite if str(row["rule"] or "") == name]
        undecided = [row for row in open_rows if str(row["rule"] or "") == name]
        rows.append(
            {
                "id": name or "reported",
                "rule": name or _REPORTED,
                "definition": rules[name].definition if name in rules else None,
                "severity": rules[name].severity.value if name in rules else None,
                "count": len(found),
                "subjects": len({row["subject"] for row in found}),
                "assessed": sum(1 for row in found if row["important"] is not None),
                "undecided": len(undecided),
            }
        )
    return table(
        "deviations-by-rule",
        "Deviations by rule",
        [
            plain("Rule", "rule"),
            plain("Definition", "definition", "prose"),
            plain("Severity", "severity", "severity"),
            plain("Deviations", "count", "number"),
            plain("Subjects", "subjects", "number"),
            plain("Assessed", "assessed", "number"),
            plain("Undecided", "undecided", "number"),
        ],
        rows,
    )


def _known() -> dict[str, CaseRule | TrialRule]:
    found: dict[str, CaseRule | TrialRule] = {rule.id: rule for rule in CASE_RULES}
    found.update({rule.id: rule for rule in TRIAL_RULES})
    return found


def rules(basis: Material) -> JsonObject:
    """Every rule the report applies, with its definition and what it found."""
    counts: dict[str, int] = {}
    for row in basis.deviations:
        if text(row, "standing") == "deviation":
            name = text(row, "rule") or ""
            counts[name] = counts.get(name, 0) + 1
    known = _known()
    rows: list[JsonObject] = [
        {
            "id": rule.id,
            "rule": rule.id,
            "definition": rule.definition,
            "severity": rule.severity.value,
            "found": counts.get(rule.id, 0),
        }
        for _, rule in sorted(known.items())
    ]
    return section(
        "rules",
        "Appendix: the deviation rules",
        "Every rule applied to every subject up to this head, also those that found nothing.",
        table(
            "rules-table",
            "Rules",
            [
                plain("Rule", "rule"),
                plain("Definition", "definition", "prose"),
                plain("Severity", "severity", "severity"),
                plain("Found", "found", "number"),
            ],
            rows,
        ),
    )

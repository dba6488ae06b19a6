"""Protocol deviations: by rule, each one, and those that cannot be decided."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from ledger.rules.deviations import CASE_RULES, TRIAL_RULES
from ledger.rules.members import shape, text
from projections.report.document import column, note, part, plain, section, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.rules.deviation import CaseRule, TrialRule
    from ledger.signing.strict_json import JsonObject
    from projections.report.basis import Material, Row
    from projections.report.document import Block

_REPORTED = "reported by a person"


def deviations(basis: Material) -> Block:
    """Deviations by rule, then each; what cannot be decided stands apart (R-63; E3 16.2.2.4)."""
    blocks = [
        _by_rule(basis),
        table(
            "deviations-table", "Deviations", _DEVIATION, lambda: _definite(basis), wide=True,
            within="rule",
        ),
        note(
            "What follows could not be decided from what is recorded. It is neither a deviation "
            "nor none until the missing record comes."
        ),
        table(
            "indeterminate", "Could not be decided", _DEVIATION, lambda: _undecided(basis),
            wide=True, within="rule", empty="Every rule could be decided.",
        ),
    ]  # fmt: skip
    if len(basis.failed_rules):
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
                lambda: (
                    {"id": f"{row.get('key')}/{number}", **row}
                    for number, row in enumerate(basis.failed_rules, 1)
                ),
                within="key",
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


def _definite(basis: Material) -> Iterator[JsonObject]:
    return (_deviation(row) for row in basis.deviations if row["standing"] != "indeterminate")


def _undecided(basis: Material) -> Iterator[JsonObject]:
    return (_deviation(row) for row in basis.deviations if row["standing"] == "indeterminate")


@dataclass(slots=True)
class _Found:
    """How often a rule found something, and in how many subjects."""

    count: int = 0
    subjects: int = 0
    assessed: int = 0
    undecided: int = 0


def _counted(basis: Material) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    # Deviations are in order of rules, so subjects are told apart one rule at a time.
    for name, rows in groupby(basis.deviations, key=lambda row: str(row["rule"] or "")):
        rule = found.setdefault(name, _Found())
        subjects = set()
        for row in rows:
            if row["standing"] == "indeterminate":
                rule.undecided += 1
                continue
            rule.count += 1
            rule.assessed += (shape(row, "assessment") or {}).get("important") is not None
            subjects.add(row["subject"])
        rule.subjects += len(subjects)
    return found


def _by_rule(basis: Material) -> Block:
    known = _known()
    rows: list[JsonObject] = [
        {
            "id": name or "reported",
            "rule": name or _REPORTED,
            "definition": known[name].definition if name in known else None,
            "severity": known[name].severity.value if name in known else None,
            "count": found.count,
            "subjects": found.subjects,
            "assessed": found.assessed,
            "undecided": found.undecided,
        }
        for name, found in sorted(_counted(basis).items())
    ]
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


def rules(basis: Material) -> Block:
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

"""Recruitment over time, and where each subject stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text, whole
from projections.report.document import column, figure, part, plain, section, table

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject
    from projections.report.basis import Material, Row
    from projections.report.document import Block


def recruitment(basis: Material) -> Block:
    """Subjects consented and randomised by month, against the planned number."""
    months: list[JsonObject] = [
        {
            "id": text(row, "month"),
            "month": text(row, "month"),
            "screened": _number(row, "consented"),
            "randomised": _number(row, "randomized"),
            "cumulative": _number(row, "cumulative"),
        }
        for row in shapes(basis.enrolment, "recruitment")
    ]
    planned, done = _number(basis.enrolment, "planned"), _number(basis.enrolment, "randomized")
    return section(
        "recruitment",
        "Recruitment over time",
        f"{done} of {planned} planned subjects randomised; months are counted in UTC.",
        figure(
            "recruitment-figure",
            "recruitment",
            title=f"Subjects consented each month, and randomised in all, against {planned}",
            text="; ".join(
                f"{row['month']}: {row['screened']} consented, {row['cumulative']} randomised"
                for row in months
            ),
            data={"target": planned, "months": [*months]},
        ),
        table(
            "recruitment-table",
            "Recruitment by month",
            [
                plain("Month", "month"),
                plain("Consented", "screened", "number"),
                plain("Randomised", "randomised", "number"),
                plain("Cumulative", "cumulative", "number"),
            ],
            months,
        ),
    )


def disposition(basis: Material) -> Block:
    """Where each subject stands (ICH E3 16.2.1)."""
    return section(
        "disposition",
        "Subject disposition",
        "One row for each subject: consent, screening, allocation, infusions, and the state now.",
        table(
            "disposition-table",
            "Subjects",
            [
                plain("Subject", "subject"),
                column("Sex, age", part("sex", "word"), part("age", "number")),
                plain("Consented", "consented_at", "time"),
                plain("Randomised", "randomized_at", "time"),
                column("Arm", part("arm")),
                plain("Infusions", "infusions", "number"),
                plain("Last contact", "last_contact", "time"),
                column("State", part("state", "word"), part("reason", "text")),
                plain("Irregular", "irregular", "alarm"),
            ],
            lambda: (_disposition(subject, found) for subject, found in basis.sections.items()),
            wide=True,
            within="subject",
        ),
    )


def disposition_without_arms(basis: Material) -> Block:
    """Where each subject stands, with the day of randomisation and nothing of treatment."""
    return section(
        "disposition",
        "Subject disposition",
        "One row for each subject: consent, screening, randomisation, and the state now. Who is "
        "randomised and has not ended the study is on study, whatever was given.",
        table(
            "disposition-table",
            "Subjects",
            [
                plain("Subject", "subject"),
                column("Sex, age", part("sex", "word"), part("age", "number")),
                plain("Consented", "consented_at", "time"),
                plain("Randomised", "randomized_on", "day"),
                plain("Last contact", "last_contact", "time"),
                column("State", part("state", "word"), part("reason", "text")),
                plain("Irregular", "irregular", "alarm"),
            ],
            lambda: (
                {
                    **_disposition(subject, found),
                    "randomized_on": text(shape(found, "allocation") or {}, "randomized_on"),
                }
                for subject, found in basis.sections.items()
            ),
            wide=True,
            within="subject",
        ),
    )


def _disposition(subject: str, sections: Row) -> JsonObject:
    own = shape(sections, "subject") or {}
    allocated = shapes(shape(sections, "allocation") or {}, "allocations")
    product = shape(sections, "product") or {}
    first = shape(shape(sections, "consent") or {}, "first_valid")
    failures = shapes(shape(sections, "eligibility") or {}, "screen_failures")
    failure = shape(failures[-1], "content") if failures else None
    return {
        "id": subject,
        "subject": subject,
        "sex": text(own, "sex"),
        "age": whole(own, "age_at_consent"),
        "consented_at": text(first, "at") if first else None,
        "randomized_at": text(allocated[0], "allocated_at") if allocated else None,
        "arm": text(allocated[0], "arm_label") if allocated else None,
        "infusions": len(shapes(product, "infusions")),
        "last_contact": text(own, "last_contact"),
        "state": text(own, "state"),
        "reason": text(failure or {}, "reason_code"),
        "irregular": (shape(own, "flags") or {}).get("irregular"),
    }


def _number(row: Row, name: str) -> int:
    return whole(row, name) or 0

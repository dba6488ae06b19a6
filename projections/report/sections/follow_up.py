"""Visits, the Child-Pugh endpoint, and safety."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text, whole
from projections.report.document import column, figure, note, part, plain, section, table
from projections.report.proportions import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Material
    from projections.report.document import Block

_INPUTS = (
    ("bilirubin", "Bilirubin"),
    ("albumin", "Albumin"),
    ("inr", "INR"),
    ("prothrombin_time_prolongation", "PT prolonged"),
    ("ascites", "Ascites"),
    ("encephalopathy", "Encephalopathy"),
)


def endpoint(basis: Material) -> Block:
    """Visits in their windows, Child-Pugh from its five inputs, the endpoint by arm (R-74)."""
    definition = basis.definition.protocol.endpoint
    arms = _by_arm(basis)
    counted = "counts as not achieved" if definition.missing_counts_as == "not-achieved" else (
        "is excluded"
    )  # fmt: skip
    return section(
        "endpoint",
        "Visits and primary endpoint",
        f"{definition.label}, {definition.time_frame}. Each score is worked out from its five "
        "recorded inputs; none is entered.",
        figure(
            "endpoint-figure",
            "estimates",
            title=f"Child-Pugh class {definition.grade} at {definition.visit} by arm, proportion "
            "and 95 % Wilson interval",
            text="; ".join(
                f"{row['label']}: {row['count']} of {row['total']}, {row['percent']} % "
                f"({row['low']} to {row['high']})"
                for row in arms
            ),
            data={"arms": [*arms]},
        ),
        note(
            f"A missing score {counted} (assumed unless the protocol says so). Intervals are "
            "Wilson score intervals without continuity correction; they describe, they test "
            "nothing."
        ),
        table("endpoint-arms", "Primary endpoint by arm", _ARM_COLUMNS, arms),
        _subjects(basis),
        _scores(basis),
        _visits(basis),
    )


def endpoint_without_arms(basis: Material) -> Block:
    """Child-Pugh from its five inputs and the endpoint by subject, of all arms together."""
    definition = basis.definition.protocol.endpoint
    return section(
        "endpoint",
        "Visits and primary endpoint",
        f"{definition.label}, {definition.time_frame}. Each score is worked out from its five "
        "recorded inputs; none is entered.",
        note(
            "Windows of visits that are counted from an infusion are withheld: such a visit "
            "shows once it is recorded, and an endpoint that was missed stays open until the "
            "subject has left the study."
        ),
        table(
            "endpoint-subjects",
            "Primary endpoint by subject",
            [
                plain("Subject", "subject"),
                plain("Class", "class"),
                plain("Status", "status", "word"),
                plain("Counts as", "counts_as", "word"),
                plain("Why", "reason"),
            ],
            lambda: (
                {"subject": subject, **(shape(found, "endpoint") or {})}
                for subject, found in basis.of("visits")
                if (shape(basis.sections[subject], "allocation") or {}).get("randomized") is True
            ),
            within="subject",
        ),
        _scores(basis),
        _visits(basis),
    )


_ARM_COLUMNS = [
    plain("Arm", "label"),
    plain("Randomised", "allocated", "number"),
    plain("Analysed", "total", "number"),
    plain("Achieved", "count", "number"),
    plain("Proportion %", "percent", "number"),
    plain("95 % from", "low", "number"),
    plain("95 % to", "high", "number"),
    plain("Not analysed", "not_analysed", "number"),
]


def _by_arm(basis: Material) -> list[JsonObject]:
    rows: list[JsonObject] = []
    for arm in shapes(basis.enrolment, "arms"):
        count, total = whole(arm, "achieved") or 0, whole(arm, "analysed") or 0
        found = wilson(count, total)
        rows.append(
            {
                "id": text(arm, "arm"),
                "label": text(arm, "label") or f"Arm {text(arm, 'arm')}",
                "allocated": whole(arm, "allocated"),
                "count": count,
                "total": total,
                "percent": None if found is None else str(found.percent),
                "low": None if found is None else str(found.low),
                "high": None if found is None else str(found.high),
                "not_analysed": whole(arm, "not_analysed"),
            }
        )
    return rows


def _subjects(basis: Material) -> Block:
    def rows() -> Iterator[JsonObject]:
        for subject, found in basis.of("visits"):
            allocated = shapes(shape(basis.sections[subject], "allocation") or {}, "allocations")
            if allocated:
                yield {
                    "subject": subject,
                    "arm": text(allocated[0], "arm_label"),
                    **(shape(found, "endpoint") or {}),
                }

    return table(
        "endpoint-subjects",
        "Primary endpoint by subject",
        [
            plain("Subject", "subject"),
            plain("Arm", "arm"),
            plain("Class", "class"),
            plain("Status", "status", "word"),
            plain("Counts as", "counts_as", "word"),
            plain("Why", "reason"),
        ],
        rows,
        within="subject",
    )


def _scored(basis: Material) -> Iterator[JsonObject]:
    for row in basis.rows("visits", "child_pugh"):
        inputs, points = shape(row, "inputs") or {}, shape(row, "points") or {}
        before = shape(row, "as_recorded")
        values: dict[str, JsonValue] = {}
        for name, _ in _INPUTS:
            value = shape(inputs, name) or {}
            # UCUM writes a unit that is only an annotation in braces: {INR}.
            stated = text(value, "value")
            values[name] = stated and stated.replace("{", "").replace("}", "")
            values[f"{name}_points"] = points.get(name)
        yield {
            **row,
            "id": f"{row['subject']}/{row['visit']}",
            **values,
            "before": f"{before.get('total')}, class {before.get('class')}" if before else None,
            "corrected": before is not None,
        }


def _scores(basis: Material) -> Block:
    return table(
        "child-pugh",
        "Child-Pugh scores with their inputs",
        [
            plain("Visit", "visit"),
            *(
                column(label, part(name, "number"), part(f"{name}_points", "number", "points"))
                for name, label in _INPUTS
            ),
            plain("Score", "total", "number"),
            plain("Class", "class"),
            column("Days apart", part("days_apart", "number")),
            column("Assessor", part("assessor_name"), part("assessor_masked", "flag", "masked")),
            column("Before correction", part("before")),
            column("Rests on", part("sources", "ids"), part("reason"), part("variant")),
        ],
        lambda: _scored(basis),
        wide=True,
        group="subject",
        within="subject",
    )


def _visits(basis: Material) -> Block:
    return table(
        "visits",
        "Visits",
        [
            plain("Visit", "visit"),
            plain("Target", "target", "day"),
            column("Window", part("window_first", "day"), part("window_last", "day")),
            plain("Actual", "actual", "day"),
            plain("Status", "status", "word"),
            plain("In window", "in_window", "flag"),
            plain("Days outside", "days_outside", "number"),
            column("Reason, mode", part("reason"), part("mode", "word")),
            plain("Record", "event", "code"),
        ],
        lambda: (
            {**row, "id": f"{row['subject']}/{row['visit']}"}
            for row in basis.rows("visits", "visits")
            if row.get("anchor_event") or row.get("event")
        ),
        wide=True,
        group="subject",
        within="subject",
        empty="No subject has reached the anchor of a visit.",
    )


def safety(basis: Material) -> Block:
    """Adverse events, deaths, transplants and pregnancies with their clocks (R-64)."""

    def rows() -> Iterator[JsonObject]:
        for row in basis.rows("safety", "events"):
            since = shape(row, "after_infusion")
            minutes = whole(since, "minutes") if since else None
            yield {
                **row,
                "kind": str(row["type"]).rsplit(".", 1)[0].replace(".", " ").replace("-", " "),
                "began": row.get("onset_at") or (shape(row, "onset") or {}).get("value"),
                "hours_after_infusion": None if minutes is None else f"{minutes // 60} h",
            }

    return section(
        "safety",
        "Safety",
        "Adverse events, serious ones with their reporting clocks, deaths, transplants and "
        "pregnancies, in order of subjects.",
        table("safety-table", "Safety records", _SAFETY, rows, wide=True, within="subject"),
    )


_SAFETY = [
    plain("Subject", "subject"),
    column("Event", part("term"), part("kind", "word")),
    column("Grade", part("grade", "number")),
    column("Serious because", part("criteria", "list")),
    column("Began", part("began", "time"), part("hours_after_infusion", "text", "after infusion")),
    plain("Aware", "aware_at", "time"),
    plain("Sponsor told", "sponsor_reported_at", "time"),
    plain("Due", "sponsor_due_at", "time"),
    column("Late", part("late", "alarm")),
    column("Causality, outcome", part("causality", "word"), part("outcome", "word")),
    column("By, record", part("by", "person"), part("event", "code")),
]

"""Enrolment: the flow of participants, recruitment over time, and where each subject stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import shape, shapes, text, whole
from projections.report.document import figure, plain, section, table

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Material, Row
    from projections.report.document import Block

_ENDS = (
    ("on_study", "on study"),
    ("completed", "completed"),
    ("lost_to_follow_up", "lost to follow-up"),
    ("withdrawn", "withdrew consent"),
    ("discontinued", "discontinued"),
    ("dead", "died"),
)
_ANALYSED = ("analysed", "achieved", "not_achieved", "not_analysed")
_DOSES = (
    ("received", "received as allocated"),
    ("received_in_part", "received in part"),
    ("received_more", "received more than allocated"),
    ("not_received", "did not receive"),
)


def flow(basis: Material) -> Block:
    """The CONSORT flow as a figure and as a table whose sums are shown to close."""
    counts = basis.enrolment
    return section(
        "flow",
        "Enrolment flow",
        "Every subject the site identified, from assessment to analysis (CONSORT 2025).",
        figure(
            "flow-figure",
            "consort",
            title="Flow of participants",
            text=_told(counts),
            data=_boxes(counts),
        ),
        _table(_flow_rows(counts)),
        _closing(_sums(counts)),
    )


def _table(rows: list[JsonObject]) -> Block:
    return table(
        "flow-table",
        "Counts of the flow",
        [plain("What", "what"), plain("Subjects", "count", "number")],
        rows,
        group="stage",
    )


def _closing(sums: list[JsonObject]) -> Block:
    return table(
        "flow-sums",
        "Sums that must close",
        [
            plain("Sum", "sum"),
            plain("Whole", "whole", "number"),
            plain("Parts together", "parts", "number"),
            plain("Closes", "closes", "flag"),
        ],
        sums,
    )


def flow_without_arms(basis: Material) -> Block:
    """The flow down to randomisation, and outcomes of all who are randomised, in one."""
    counts = basis.enrolment
    outcomes = shape(counts, "outcomes") or {}
    rows: list[JsonObject] = [
        _flow_row("All randomised", words, _count(outcomes, name)) for name, words in _ENDS
    ]
    rows += [
        _flow_row("All randomised", name.replace("_", " "), _count(outcomes, name))
        for name in _ANALYSED
    ]
    randomized = _count(counts, "randomized")
    ended = sum(_count(outcomes, name) for name, _ in _ENDS)
    whole_flow = [
        *_sums(counts)[:2],
        _sum("randomised = on study + ended", randomized, ended),
    ]
    return section(
        "flow",
        "Enrolment flow",
        "Every subject the site identified, from assessment to randomisation; what became of "
        "them afterwards is counted over all arms together.",
        figure(
            "flow-figure",
            "consort",
            title="Flow of participants",
            text=_told(counts),
            data=_boxes(counts),
        ),
        _table(_flow_rows(counts) + rows),
        _closing(whole_flow),
    )


def _arms(counts: Row) -> tuple[Row, ...]:
    return shapes(counts, "arms")


def _name(arm: Row) -> str:
    return text(arm, "label") or f"Arm {text(arm, 'arm')}"


def _count(row: Row, name: str) -> int:
    return whole(row, name) or 0


def _excluded(counts: Row) -> Row:
    return shape(counts, "excluded") or {}


def _told(counts: Row) -> str:
    arms = "; ".join(
        f"{_name(arm)}: {_count(arm, 'allocated')} allocated, {_count(arm, 'analysed')} analysed"
        for arm in _arms(counts)
    )
    told = (
        f"{_count(counts, 'assessed')} assessed, {_count(_excluded(counts), 'total')} excluded, "
        f"{_count(counts, 'in_screening')} in screening, {_count(counts, 'randomized')} "
        "randomised."
    )
    return f"{told} {arms}." if arms else told


def _lines(counts: Row | None) -> list[JsonValue]:
    return [f"{count}  {name}" for name, count in (counts or {}).items()]


def _boxes(counts: Row) -> JsonObject:
    excluded = _excluded(counts)
    lines: list[JsonValue] = []
    for reason, count in (shape(excluded, "reasons") or {}).items():
        lines.append(f"{count}  {reason}")
        if reason == "not meeting criteria":
            failures = shape(excluded, "screen_failure_reasons") or {}
            lines += [f"\u2003{number} for {code}" for code, number in failures.items()]
    screening = _count(counts, "in_screening")
    return {
        "assessed": {
            "heading": f"Assessed for eligibility (n = {_count(counts, 'assessed')})",
            "lines": [f"{_count(counts, 'consented')}  gave valid consent"],
        },
        "excluded": {"heading": f"Excluded (n = {_count(excluded, 'total')})", "lines": lines},
        "ongoing": {"heading": f"Still in screening (n = {screening})", "lines": []}
        if screening
        else None,
        "randomised": {
            "heading": f"Randomised (n = {_count(counts, 'randomized')})",
            "lines": [f"planned {_count(counts, 'planned')}"],
        },
        "arms": [_column(arm) for arm in _arms(counts)],
    }


def _column(arm: Row) -> list[JsonValue]:
    doses: list[JsonValue] = [
        f"{_count(arm, name)}  {words}" for name, words in _DOSES if _count(arm, name)
    ]
    for code, count in (shape(arm, "not_given_reasons") or {}).items():
        doses.append(f"\u2003{count} not given: {code}")
    return [
        {"heading": f"{_name(arm)} (n = {_count(arm, 'allocated')})", "lines": doses},
        {
            "heading": "Follow-up",
            "lines": [f"{_count(arm, name)}  {words}" for name, words in _ENDS],
        },
        {
            "heading": f"Analysed (n = {_count(arm, 'analysed')})",
            "lines": [
                f"{_count(arm, 'achieved')}  reached the primary endpoint",
                f"{_count(arm, 'not_achieved')}  did not",
                f"{_count(arm, 'not_analysed')}  not analysed",
            ],
        },
    ]


def _flow_rows(counts: Row) -> list[JsonObject]:
    excluded = _excluded(counts)
    rows = [
        _flow_row("Enrolment", "assessed for eligibility", _count(counts, "assessed")),
        _flow_row("Enrolment", "gave valid consent", _count(counts, "consented")),
        _flow_row("Enrolment", "excluded", _count(excluded, "total")),
    ]
    for reason, count in (shape(excluded, "reasons") or {}).items():
        rows.append(_flow_row("Enrolment", f"excluded: {reason}", count))
    for code, count in (shape(excluded, "screen_failure_reasons") or {}).items():
        rows.append(_flow_row("Enrolment", f"screen failure: {code}", count))
    rows.append(_flow_row("Enrolment", "still in screening", _count(counts, "in_screening")))
    rows.append(_flow_row("Enrolment", "randomised", _count(counts, "randomized")))
    for arm in _arms(counts):
        stage = _name(arm)
        rows.append(_flow_row(stage, "allocated", _count(arm, "allocated")))
        rows += [_flow_row(stage, words, _count(arm, name)) for name, words in (*_DOSES, *_ENDS)]
        for name in _ANALYSED:
            rows.append(_flow_row(stage, name.replace("_", " "), _count(arm, name)))
    return rows


def _flow_row(stage: str, what: str, count: JsonValue) -> JsonObject:
    return {"id": f"{stage}/{what}", "stage": stage, "what": what, "count": count}


def _sums(counts: Row) -> list[JsonObject]:
    excluded = _excluded(counts)
    reasons = shape(excluded, "reasons") or {}
    rows = [
        _sum(
            "assessed = excluded + in screening + randomised",
            _count(counts, "assessed"),
            _count(excluded, "total")
            + _count(counts, "in_screening")
            + _count(counts, "randomized"),
        ),
        _sum(
            "excluded = its reasons",
            _count(excluded, "total"),
            sum(_count(reasons, name) for name in reasons),
        ),
        _sum(
            "randomised = allocated over all arms",
            _count(counts, "randomized"),
            sum(_count(arm, "allocated") for arm in _arms(counts)),
        ),
    ]
    for arm in _arms(counts):
        allocated = _count(arm, "allocated")
        for words, parts in (
            ("received + in part + more + not", [name for name, _ in _DOSES]),
            ("on study + ended", [name for name, _ in _ENDS]),
            ("analysed + not analysed", ["analysed", "not_analysed"]),
        ):
            total = sum(_count(arm, name) for name in parts)
            rows.append(_sum(f"{_name(arm)}: allocated = {words}", allocated, total))
    return rows


def _sum(words: str, total: int, parts: int) -> JsonObject:
    return {"id": words, "sum": words, "whole": total, "parts": parts, "closes": total == parts}

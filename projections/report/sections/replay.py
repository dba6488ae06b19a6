"""One subject's replay, and the rules the report applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.history import REFUSED
from ledger.rules.members import shape, shapes, text, whole
from projections.report.discretion import is_identity, without_identity
from projections.report.document import column, facts, note, part, plain, section, table
from projections.report.words import ABSENT, duration, words

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.report.basis import Material, Row
    from projections.report.document import Block

_UNTOLD = frozenset({"record", "request", "_sd", "_sd_alg"})
"""Members that say how a record came about; the table has columns for that."""


def replay(basis: Material) -> Block:
    """The full course of one subject, in order of occurrence (R-16)."""
    if basis.replayed is None:
        return section(
            "replay", "Replay of one subject", "No subject is recorded.", note("Nothing to show.")
        )
    header = shape(basis.replay, "header") or {}
    rows = [_step(basis, row) for row in shapes(basis.replay, "timeline")]
    return section(
        "replay",
        f"Replay of subject {basis.replayed}",
        "Everything recorded of this subject in order of occurrence, with the time of record "
        "beside it. Unless a subject is named, it is the one with most deviations.",
        facts(
            "replay-header",
            [
                ("Subject", text(header, "subject"), "text"),
                ("Site", text(header, "site"), "text"),
                ("State now", text(header, "state"), "word"),
                ("Sex", text(header, "sex"), "word"),
                ("Age at consent", whole(header, "age_at_consent"), "number"),
                ("Records", len(rows), "number"),
            ],
        ),
        table("replay-timeline", f"Course of {basis.replayed}", _COURSE, rows, wide=True),
    )


_COURSE = [
    plain("Seq", "seq", "number"),
    column("Occurred", part("occurred", "time")),
    column("Recorded", part("recorded", "time"), part("lag", "text", "lag")),
    column("Event", part("type", "word"), part("status", "word")),
    plain("Signed by", "signers", "signers"),
    column("Content", part("told", "prose")),
    column(
        "Effect, deviations",
        part("effect"),
        part("changes", "list"),
        part("deviation_list", "list"),
    ),
    column("Event id", part("event", "code")),
]


def _step(basis: Material, row: Row) -> JsonObject:
    found = shapes(row, "deviations")
    return {
        "event": text(row, "event"),
        "seq": whole(row, "seq"),
        "type": text(row, "type"),
        "status": text(row, "status"),
        "occurred": text(row, "occurred_utc"),
        "recorded": text(row, "recorded"),
        "lag": duration(whole(row, "lag_seconds")),
        "signers": _signers(row),
        "told": _told(basis, row),
        "effect": _effect(row),
        "changes": _changes(row),
        "deviation_list": [f"{text(one, 'rule')} {text(one, 'message')}" for one in found],
    }


def _signers(row: Row) -> list[JsonValue]:
    """Each signature as 21 CFR 11.50 asks: printed name, meaning, date and time."""
    names = ("name", "role", "kind", "meaning", "signed_at", "doubtful")
    return [
        {name: block.get(name) for name in names}
        for block in (*shapes(row, "signatures"), *shapes(row, "later_signatures"))
    ]


def _told(basis: Material, row: Row) -> str:
    content = without_identity(text(row, "type") or "", shape(row, "content") or {})
    told = [
        f"{name.replace('_', ' ')}: {basis.name_of(words(value))}"
        for name, value in content.items()
        if name not in _UNTOLD
    ]
    withheld = whole(row, "withheld")
    if withheld:
        told.append(f"{withheld} sealed, not opened here")
    return "; ".join(told) or ABSENT


def _effect(row: Row) -> str | None:
    state = shape(row, "state")
    decision = shape(row, "decision")
    said = []
    if state is not None:
        irregular = " (irregular)" if state.get("regular") is False else ""
        said.append(f"{text(state, 'from') or 'nothing'} → {text(state, 'to')}{irregular}")
    if decision is not None and text(decision, "type") == REFUSED:
        rules = "; ".join(
            ": ".join(word for name in ("id", "message") if (word := text(one, name)))
            for one in shapes(decision, "rules")
        )
        said.append(f"refused: {rules}")
    return ". ".join(said) or None


def _changes(row: Row) -> list[JsonValue]:
    listed: list[JsonValue] = []
    for correction in shapes(row, "corrections"):
        for change in shapes(correction, "changes"):
            place = text(change, "pointer") or ""
            sealed = is_identity(text(row, "type") or "", place)
            values = "" if sealed else f" {words(change.get('old'))} → {words(change.get('new'))}"
            listed.append(f"corrected{_at(correction)}: {place}{values}")
    voided = shape(row, "voided_by")
    if voided is not None:
        listed.append(f"voided{_at(voided)}: {words(_plain(voided.get('reason')))}")
    return listed


def _at(row: Row) -> str:
    """The position of a record, where the reader may know it."""
    seq = whole(row, "seq")
    return "" if seq is None else f" at {seq}"


def _plain(value: JsonValue) -> JsonValue:
    return value if value is not None else "no reason opened"

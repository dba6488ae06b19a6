"""The masked report: the contents for readers who must not learn an arm, from the masked reading.

Sections that rest on arm-neutral records are those of the unmasked report; the others have a
masked form or are named as withheld. No row shows a position in the log.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from ledger.errors import RejectedInput
from ledger.rules.members import shapes
from projections.masking.rendering import masked_object
from projections.masking.rules import ARM_NEUTRAL
from projections.masking.source import last_instant
from projections.register import documents_view, register_view
from projections.report.basis import Material
from projections.report.html import render_html
from projections.report.json import render_json
from projections.report.sections import (
    consent,
    deviations,
    eligibility,
    enrolment,
    follow_up,
    front,
    glance,
    masked,
    people,
    quality,
    replay,
    subjects,
)
from projections.report.sources import (
    OVERSIGHT,
    in_log_order,
    own_software,
    replayed_subject,
    signature_counts,
)
from projections.sections import deviation_order, guarded, problems_in
from projections.times import holds_by, resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.masking import MaskedProjections
    from projections.masking.snapshot import Snapshot
    from projections.reading import ReadableLedger
    from projections.report.basis import Row

_SHOWN = ("subject", "consent", "eligibility", "allocation", "visits", "safety")
_NOT_SHOWN = frozenset({"seq", "lag", "messages", "hours_after_infusion", "anchor_recorded"})
"""Values of rows that no masked table has a place for."""


def _withheld() -> dict[str, Callable[[Material], JsonObject]]:
    return {
        name: partial(_without_material, name=name, title=title, reason=reason)
        for name, title, reason in masked.WITHHELD
    }


def _without_material(_: Material, *, name: str, title: str, reason: str) -> JsonObject:
    return masked.withheld(name, title, reason)


_AWAY = _withheld()

SECTIONS: tuple[Callable[[Material], JsonObject], ...] = (
    masked.certificate,
    glance.glance,
    front.trial,
    front.documents,
    enrolment.flow_without_arms,
    subjects.recruitment,
    subjects.disposition_without_arms,
    consent.consent,
    eligibility.eligibility,
    _AWAY["allocation"],
    masked.unblinding,
    _AWAY["infusions"],
    _AWAY["stock"],
    follow_up.endpoint_without_arms,
    follow_up.safety,
    deviations.deviations,
    quality.refusals,
    quality.corrections,
    quality.late_entries,
    quality.personal_data,
    people.delegation,
    people.keys,
    people.signatures,
    _AWAY["integrity"],
    replay.replay,
    deviations.rules,
    masked.rules_withheld,
    _AWAY["offline"],
)
"""The sections of the masked report, in order."""


def render_masked(
    reading: MaskedProjections,
    ledger: ReadableLedger,
    *,
    format: Literal["html", "json"],  # noqa: A002 - the parameter's name on every surface
    as_of: date | None = None,
    subject: str | None = None,
) -> bytes:
    """The masked audit report in UTF-8; two ledgers that differ only in arms give the same bytes.

    ``as_of`` is a day of record: what was recorded by its end, and what falls due by then; that
    of the last arm-neutral record when absent. ``subject`` names whose replay is shown.

    Raises:
        RejectedInput: ``report.before-the-trial``, ``report.unknown-subject``.
    """
    document = masked_document(reading, ledger, as_of=as_of, subject=subject)
    return render_html(document) if format == "html" else render_json(document)


def masked_document(
    reading: MaskedProjections,
    ledger: ReadableLedger,
    *,
    as_of: date | None = None,
    subject: str | None = None,
) -> JsonObject:
    """The masked report as plain JSON, before any renderer; parameters as for `render_masked`."""
    material = _material(reading, ledger, as_of, subject)
    registry = material.definition.registry
    sections: list[JsonValue] = [_without_places(make(material)) for make in SECTIONS]
    return {
        "report": {
            "title": "Audit report",
            "edition": 1,
            "trial": material.trial,
            "trial_title": registry.title,
            "registry": f"{registry.register} {registry.nct_id}",
            "as_of": material.as_of.astimezone(material.zone).date().isoformat(),
            "time_zone": str(material.zone),
            "demonstration": material.genesis.demonstration,
            "rendering": "masked",
            "statement": masked.RENDERING,
            "withheld": [
                {"id": name, "title": title, "reason": reason}
                for name, title, reason in masked.WITHHELD
            ],
            "subject": material.replayed,
            "head": None,
        },
        "sections": sections,
    }


def _material(
    reading: MaskedProjections, ledger: ReadableLedger, day: date | None, subject: str | None
) -> Material:
    held = reading.snapshot(day)
    if held.day is None:
        raise RejectedInput(
            "report.before-the-trial", "Nothing was recorded by then; there is nothing to report."
        )
    zone = reading.zone
    as_of = held.as_of if day is None else last_instant(day, zone)
    sections = {name: _views(held, name, as_of) for name in held.names}
    rows = _deviations(held, as_of)
    replayed = replayed_subject(sections, rows, subject)
    course = reading.replay(replayed, known_at=day) if replayed is not None else None
    return Material(
        genesis=ledger.genesis,
        definition=ledger.genesis.definition,
        zone=zone,
        as_of=as_of,
        vkey=ledger.genesis.vkey,
        software=own_software(),
        sections=sections,
        enrolment=held.enrolment(as_of),
        deviations=[masked_object(row, zone) for row in rows],
        failed_rules=_failed(held),
        register=masked_object(guarded(lambda: register_view(held.state.register)), zone),
        documents=_documents(held),
        oversight=masked_object(_oversight(held), zone),
        signatures={
            "counts": [*signature_counts(masked_object(row, zone) for row in held.trail())]
        },
        replayed=replayed,
        replay=course or {},
        verification=None,
    )


def _views(held: Snapshot, subject: str, as_of: datetime) -> JsonObject:
    found = held.sections(subject)
    return {view: masked_object(_at(found[view], as_of), held.zone) for view in _SHOWN}


def _failed(held: Snapshot) -> list[JsonObject]:
    return [
        {"key": name, **row}
        for name in held.names
        for row in problems_in(held.sections(name))
        if isinstance(row, dict)
    ]


def _documents(held: Snapshot) -> Sequence[Row]:
    found = guarded(lambda: documents_view(held.state.trial, held.state.register))
    return shapes(masked_object(found, held.zone), "documents")


def _deviations(held: Snapshot, as_of: datetime) -> list[JsonObject]:
    found = [dict(row) for row in held.trial_rows()]
    for name in held.names:
        found += [dict(row) for row in shapes(held.sections(name)["deviations"], "deviations")]
    return sorted((row for row in found if holds_by(row, as_of)), key=deviation_order)


def _oversight(held: Snapshot) -> JsonObject:
    bodies = [held.sections(name)["oversight"] for name in held.names] + held.oversight()
    return {
        member: [
            *sorted(
                (dict(row) for body in bodies for row in shapes(body, member)), key=in_log_order
            )
        ]
        for member in OVERSIGHT
    }


def _without_places(section: JsonObject) -> JsonObject:
    """The section without the columns and values that a masked table does not have."""
    blocks = section["blocks"]
    kept = [
        _table(block) if block.get("block") == "table" else block
        for block in (blocks if isinstance(blocks, list) else [])
        if isinstance(block, dict)
    ]
    if section["id"] == "rules":
        kept = [_rules(block) for block in kept]
    return {**section, "blocks": [*kept]}


def _table(block: JsonObject) -> JsonObject:
    columns: list[JsonValue] = []
    for entry in shapes(block, "columns"):
        parts = [one for one in shapes(entry, "parts") if one["key"] not in _NOT_SHOWN]
        if parts:
            columns.append({**entry, "parts": [dict(one) for one in parts]})
    rows: list[JsonValue] = [
        {name: value for name, value in row.items() if name not in _NOT_SHOWN}
        for row in shapes(block, "rows")
    ]
    return {**block, "columns": columns, "rows": rows}


def _rules(block: JsonObject) -> JsonObject:
    if block.get("block") != "table":
        return block
    rows = [dict(row) for row in shapes(block, "rows") if row["rule"] in ARM_NEUTRAL]
    return {**block, "rows": [*rows]}


def _at(body: JsonObject, as_of: datetime) -> JsonObject:
    found = resolved(body, as_of)
    return found if isinstance(found, dict) else {}


__all__ = ["SECTIONS", "masked_document", "render_masked"]

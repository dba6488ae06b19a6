"""The masked report: the contents for readers who must not learn an arm, from the masked reading.

Sections that rest on arm-neutral records are those of the unmasked report; the others have a
masked form or are named as withheld. No row shows a position in the log.
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

from ledger.errors import RejectedInput
from ledger.rules.members import shapes
from projections.masking.rendering import masked_object
from projections.masking.rules import ARM_NEUTRAL
from projections.masking.source import last_instant
from projections.register import documents_view, register_view
from projections.report.basis import HeldSections, Material
from projections.report.drawing import Drawn, Format
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
from projections.report.sources import own_software, replayed_subject
from projections.report.taken import OVERSIGHT, at, in_log_order, signature_counts
from projections.sections import deviation_order, guarded, problems_in
from projections.times import holds_by

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from datetime import date, datetime

    from ledger.signing.strict_json import JsonObject
    from projections.masking import MaskedProjections
    from projections.masking.snapshot import Snapshot
    from projections.reading import ReadableLedger
    from projections.report.basis import Row
    from projections.report.document import Block, Document

_SHOWN = ("subject", "consent", "eligibility", "allocation", "visits", "safety")
_NOT_SHOWN = frozenset({"seq", "lag", "messages", "hours_after_infusion", "anchor_recorded"})
"""Values of rows that no masked table has a place for."""


def _withheld() -> dict[str, Callable[[Material], Block]]:
    return {
        name: partial(_without_material, name=name, title=title, reason=reason)
        for name, title, reason in masked.WITHHELD
    }


def _without_material(_: Material, *, name: str, title: str, reason: str) -> Block:
    return masked.withheld(name, title, reason)


_AWAY = _withheld()

SECTIONS: tuple[Callable[[Material], Block], ...] = (
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


def masked_report(
    reading: MaskedProjections,
    ledger: ReadableLedger,
    *,
    as_of: date | None = None,
    subject: str | None = None,
) -> Drawn:
    """The masked audit report; two ledgers that differ only in arms give the same bytes.

    ``as_of`` is a day of record: what was recorded by its end, and what falls due by then; that
    of the last arm-neutral record when absent. ``subject`` names whose replay is shown.

    Raises:
        RejectedInput: ``report.before-the-trial``, ``report.unknown-subject``.
    """
    return Drawn(_document(reading, ledger, as_of, subject))


def render_masked(
    reading: MaskedProjections,
    ledger: ReadableLedger,
    *,
    format: Format,  # noqa: A002 - the parameter's name on every surface
    as_of: date | None = None,
    subject: str | None = None,
) -> bytes:
    """The masked report in UTF-8, whole in memory; parameters and errors as `masked_report`."""
    out = BytesIO()
    masked_report(reading, ledger, as_of=as_of, subject=subject).write(out, format=format)
    return out.getvalue()


def _document(
    reading: MaskedProjections, ledger: ReadableLedger, as_of: date | None, subject: str | None
) -> Document:
    material = _material(reading, ledger, as_of, subject)
    registry = material.definition.registry
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
        "sections": [_without_places(make(material)) for make in SECTIONS],
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
    sections = HeldSections({name: _views(held, name, as_of) for name in held.names})
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
        oversight=_oversight(held),
        signatures={
            "counts": [*signature_counts(masked_object(row, zone) for row in held.trail())]
        },
        replayed=replayed,
        replay=course or {},
        verification=None,
    )


def _views(held: Snapshot, subject: str, as_of: datetime) -> JsonObject:
    found = held.sections(subject)
    return {view: masked_object(at(found[view], as_of), held.zone) for view in _SHOWN}


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


def _oversight(held: Snapshot) -> dict[str, list[JsonObject]]:
    bodies = [held.sections(name)["oversight"] for name in held.names] + held.oversight()
    return {
        member: [
            masked_object(row, held.zone)
            for row in sorted(
                (dict(row) for body in bodies for row in shapes(body, member)), key=in_log_order
            )
        ]
        for member in OVERSIGHT
    }


def _without_places(section: Block) -> Block:
    """The section without the columns and values that a masked table does not have."""
    rules = ARM_NEUTRAL if section["id"] == "rules" else None
    return {
        **section,
        "blocks": [
            _table(block, rules) if block["block"] == "table" else block
            for block in section["blocks"]
        ],
    }


def _table(block: Block, rules: Container[object] | None) -> Block:
    """A table of what a masked reader is shown; with ``rules`` of those rules alone."""
    columns = []
    for entry in block["columns"]:
        parts = [one for one in entry["parts"] if one["key"] not in _NOT_SHOWN]
        if parts:
            columns.append({**entry, "parts": parts})
    rows = [
        {name: value for name, value in row.items() if name not in _NOT_SHOWN}
        for row in block["rows"]
        if rules is None or row["rule"] in rules
    ]
    return {**block, "columns": columns, "rows": rows}


__all__ = ["SECTIONS", "masked_report", "render_masked"]

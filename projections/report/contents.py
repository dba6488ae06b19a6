"""The contents of the audit report, once: every renderer draws this document and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projections.report.sections import (
    allocation,
    consent,
    deviations,
    eligibility,
    enrolment,
    follow_up,
    front,
    glance,
    integrity,
    people,
    quality,
    replay,
    subjects,
    treatment,
)
from projections.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from projections.report.basis import Basis
    from projections.report.document import Block, Document

SECTIONS: tuple[Callable[[Basis], Block], ...] = (
    glance.glance,
    front.certificate,
    front.trial,
    front.documents,
    enrolment.flow,
    subjects.recruitment,
    subjects.disposition,
    consent.consent,
    eligibility.eligibility,
    allocation.allocation,
    allocation.unblinding,
    treatment.infusions,
    treatment.stock,
    follow_up.endpoint,
    follow_up.safety,
    deviations.deviations,
    quality.refusals,
    quality.corrections,
    quality.late_entries,
    quality.personal_data,
    people.delegation,
    people.keys,
    people.signatures,
    integrity.integrity,
    replay.replay,
    deviations.rules,
    integrity.offline,
)
"""The sections of the report, in order."""


def contents(basis: Basis) -> Document:
    """The whole report: ``report`` says what it is, ``sections`` what it shows.

    Rows of tables are read from the basis while they are drawn. It holds no clock and no
    randomness: the same basis gives the same document (R-23).
    """
    registry, head = basis.definition.registry, basis.head
    return {
        "report": {
            "title": "Audit report",
            "edition": 1,
            "trial": basis.trial,
            "trial_title": registry.title,
            "registry": f"{registry.register} {registry.nct_id}",
            "as_of": utc_text(basis.as_of),
            "time_zone": str(basis.zone),
            "demonstration": basis.genesis.demonstration,
            "rendering": "unmasked",
            "subject": basis.replayed,
            "head": {
                "size": head.size,
                "sha256": head.sha256,
                "root": head.root,
                "recorded_at": utc_text(head.recorded_at),
                "checkpoint": head.checkpoint,
            },
        },
        "sections": [make(basis) for make in SECTIONS],
    }

"""What a reader wants to know first: is the record sound, how far is the trial, what went wrong."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from projections.report.document import facts, section

if TYPE_CHECKING:
    from projections.report.basis import Listing, Material, Row
    from projections.report.document import Block

_SEVERITIES = ("critical", "important", "minor")


def glance(basis: Material) -> Block:
    """Soundness, progress, deviations and open points, in words anybody can read."""
    counts = basis.enrolment
    planned = basis.definition.protocol.planned_number
    return section(
        "glance",
        "At a glance",
        "What the rest of this report shows in full.",
        facts(
            "at-a-glance",
            [
                ("Is the record sound?", _soundness(basis.verification), "text"),
                ("Subjects randomized", f"{counts.get('randomized')} of {planned}", "text"),
                ("Subjects assessed", counts.get("assessed"), "number"),
                ("Deviations", _deviations(basis.deviations), "text"),
                ("Commands the ledger refused", _listed(basis, "refusals"), "number"),
                ("Records corrected or voided", _changed(basis), "number"),
            ],
        ),
    )


def _soundness(found: Row | None) -> str:
    if found is None:
        return "Not checked for this report: verify it before relying on it."
    if found.get("status") != "sound":
        return "No. Damage was found; see the integrity statement."
    against = "itself only" if found.get("internally_consistent_only") else "its root of trust"
    doubtful = found.get("doubtful")
    number = len(doubtful) if isinstance(doubtful, list | tuple) else 0
    records = "1 record was" if number == 1 else f"{number} records were"
    doubt = f" {records} signed by a key that may have been misused." if number else ""
    return f"Yes: every check passed, against {against}.{doubt}"


def _deviations(rows: Listing) -> str:
    found = Counter(str(row.get("severity")) for row in rows if row.get("standing") == "deviation")
    undecided = sum(row.get("standing") == "indeterminate" for row in rows)
    said = [f"{found[severity]} {severity}" for severity in _SEVERITIES]
    return ", ".join(said) + (f"; {undecided} could not be decided" if undecided else "")


def _listed(basis: Material, member: str) -> int:
    return len(basis.oversight[member])


def _changed(basis: Material) -> int:
    return _listed(basis, "corrections") + _listed(basis, "voided")

"""Why screening fails: what is found, and what the physician judges from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from api.demonstration.pen import partial

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject


@dataclass(frozen=True, slots=True)
class Finding:
    """What makes a subject fail: the criterion, the judgement, and the evidence that differs."""

    criterion: str
    result: str
    type: str | None = None
    data: JsonObject = field(default_factory=dict)


def coded(term: str, code: str, onset: str) -> JsonObject:
    """A condition with its ICD-10 code."""
    return {
        "term": term,
        "code": code,
        "code_system": "ICD-10",
        "onset": partial(onset),
        "ongoing": True,
    }


HISTORY: Final = "medical-history.recorded.v1"
THERAPY: Final = "concomitant-therapy.recorded.v1"
FINDINGS: Final = (
    Finding("IN02", "NOT_MET"),
    Finding("EX01", "PRESENT", HISTORY, coded("Hepatocellular carcinoma", "C22.0", "2023-11")),
    Finding("EX03", "PRESENT", HISTORY, coded("Acute heart failure", "I50.9", "2024-01")),
    Finding(
        "EX05", "PRESENT", "lab-result.recorded.v1",
        {"test_code": "hiv-western-blot", "result": "positive"},
    ),
    Finding(
        "EX06", "PRESENT", THERAPY,
        {
            "drug": "Peginterferon alfa-2a", "therapy_class": "interferon",
            "route": "subcutaneous", "start": partial("2023-09"), "end": partial("2023-12-20"),
        },
    ),
    Finding("EX07", "PRESENT", HISTORY, coded("Depressive episode", "F32.1", "2021")),
    Finding("EX08", "PRESENT", "prior-trial-participation.recorded.v1"),
    Finding(
        "EX10", "PRESENT", "allergy.recorded.v1",
        {"kind": "drug", "substance": "Penicillins, shellfish", "drug_count": 2, "food_count": 1},
    ),
    Finding("EX02", "PRESENT", HISTORY, coded("Liver transplant status", "Z94.4", "2019-05-14")),
    Finding("EX04", "PRESENT"),
    Finding("EX11", "PRESENT"),
    Finding("IN02", "NOT_MET"),
)  # fmt: skip
"""Why the screen failures fail, one after the other."""

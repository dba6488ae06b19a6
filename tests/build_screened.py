"""What is recorded of a subject from identification to the confirmation of eligibility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ledger.signing.rfc3339 import format_recorded_at
from tests.build_ledger import COORDINATOR, DOCUMENT, INVESTIGATOR

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.trials.criteria import Criterion

SCOPES: Final = ("intervention", "visits", "record_review", "samples", "secondary_use")
STRATUM: Final = "baseline-child-pugh-class=B"
"""Where whoever is screened so belongs."""

_LABORATORY: Final = (
    ("bilirubin", "40", "umol/L"), ("albumin", "30", "g/L"), ("inr", "1.8", "{INR}"),
)  # fmt: skip


class Say(Protocol):
    """Tells the ledger one event on the subject's stream, or makes it to be told later."""

    def __call__(self, type_name: str, data: JsonObject, *, by: str, meaning: str) -> str:
        """The id of the event."""


def identified(say: Say, subject: str) -> None:
    """The site identifies a man born in 1968."""
    data: JsonObject = {
        "subject_id": subject, "sex": "male",
        "birth_date": {"value": "1968-05-02", "precision": "day"},
    }  # fmt: skip
    say("subject.identified.v1", data, by=COORDINATOR, meaning="authorship")


def consent_at(moment: datetime) -> JsonObject:
    """A flawless consent to all scopes."""
    at = format_recorded_at(moment)
    return {
        "icf_version": "1.0", "icf_sha256": DOCUMENT, "language": "zh-CN", "scopes": [*SCOPES],
        "given_by": "self", "can_read": True, "participant_signed_at": at, "leader": INVESTIGATOR,
        "leader_signed_at": at, "copy_given": True, "medium": "paper",
    }  # fmt: skip


def found_eligible(say: Say, criteria: Sequence[Criterion]) -> str:
    """Screening with nothing against the subject; the id of the confirmation."""
    for type_name, data in _screening():
        by = COORDINATOR if type_name.startswith(("lab", "screening")) else INVESTIGATOR
        say(type_name, data, by=by, meaning="authorship")
    assessments: list[JsonValue] = []
    for criterion in criteria:
        judged: JsonObject = {
            "criterion_id": criterion.id,
            "result": "MET" if criterion.kind == "inclusion" else "ABSENT",
            "basis": criterion.basis,
            "evidence": [],
        }
        told = say("criterion.assessed.v1", judged, by=INVESTIGATOR, meaning="authorship")
        assessments.append(told)
    confirmed: JsonObject = {
        "criteria_version": "1.0", "assessments": assessments, "statement": "All are met.",
    }  # fmt: skip
    return say("eligibility.confirmed.v1", confirmed, by=INVESTIGATOR, meaning="approval")


def _screening() -> list[tuple[str, JsonObject]]:
    results: list[tuple[str, JsonObject]] = [
        ("lab-result.recorded.v1", {"test_code": code, "value": {"value": value, "unit": unit}})
        for code, value, unit in _LABORATORY
    ]
    return [
        ("screening.started.v1", {"screening_number": 1}),
        *results,
        ("lab-result.recorded.v1", {"test_code": "hiv-antigen-antibody", "result": "negative"}),
        (
            "clinical-assessment.recorded.v1",
            {"ascites": "slight", "encephalopathy_grade": 0, "assessor": INVESTIGATOR,
             "assessor_masked": False},
        ),
        (
            "diagnosis.recorded.v1",
            {"term": "Cirrhosis", "code": "K74.6", "code_system": "ICD-10", "ongoing": True},
        ),
        ("prior-trial-participation.recorded.v1", {"participated": False}),
        ("concomitant-therapy.recorded.v1", {"drug": "Spironolactone", "ongoing": True,
                                             "therapy_class": "diuretic", "route": "oral"}),
        ("allergy.recorded.v1", {"kind": "none-known"}),
    ]  # fmt: skip

"""A small trial in which fifty subjects wait for the last ten slots of the list."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from ledger.allocation.sealed_list import SealedList
from ledger.application import LedgerApplication
from ledger.recording.genesis import Sponsor, open_trial
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.ledger_keys import LedgerKeys
from ledger.signing.rfc3339 import format_recorded_at
from ledger.storage.database import Database
from ledger.storage.head_file import HeadFile
from ledger.trials.loading import parse_trial
from tests.build_ledger import (
    COORDINATOR,
    DOCUMENT,
    EDC,
    INVESTIGATOR,
    ORIGIN,
    PHARMACIST,
    REGISTRAR,
    SITE,
    SPONSOR,
    START,
    STATISTICIAN,
    TASKS,
    BuiltLedger,
    Signed,
    party,
    seal_list,
    seed_of,
)
from tests.projections.masking.build_twins import SCOPES

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject, JsonValue

SLOTS = 10
WAITING = 50
STRATUM = "baseline-child-pugh-class=B"


def small_trial(directory: Path) -> BuiltLedger:
    """A ledger ready for subjects of a trial that plans ten, whose list has ten slots a stratum."""
    document: dict[str, Any] = json.loads(
        resources.files("ledger.trials").joinpath("xhnkky-dfsc.json").read_bytes()
    )
    document["protocol"]["planned_number"] = SLOTS
    document["registry"]["enrollment"]["count"] = SLOTS
    definition = parse_trial(document)
    place = Database.parse(f"sqlite:///{directory / 'ledger.sqlite3'}")
    place.prepare()
    files, keys = LedgerFiles.of(place), LedgerKeys.from_seed(ORIGIN, seed_of("ledger"))
    keys.save(files.keys)
    protocol = definition.protocol
    SealedList.draw(protocol.allocation, SLOTS, block_sizes=(2,), seed=seed_of("last slots")).save(
        files.allocation
    )
    sponsor = party(SPONSOR, "Sponsor of the trial")
    application = LedgerApplication(place)
    try:
        open_trial(
            application,
            definition,
            keys,
            Sponsor(sponsor.id, sponsor.name, sponsor.key),
            head_file=HeadFile(files.head),
            at=START,
            demonstration=True,
        )
    finally:
        application.close()
    built = BuiltLedger(directory, place.url, files, keys, definition, TrialLedger(place, files))
    _begin(built)
    return built


def waiting(built: BuiltLedger, number: int = WAITING) -> list[Signed]:
    """Screen subjects of one stratum; a request for each, signed and not yet posted."""
    confirmed = [screened(built, one) for one in range(1, number + 1)]
    return [
        built.sign(
            "subject.randomization-requested.v1",
            f"subject/{SITE}-{number:04d}",
            {"confirmation": event},
            by=INVESTIGATOR,
            meaning="authorship",
        )
        for number, event in enumerate(confirmed, start=1)
    ]


def screened(built: BuiltLedger, number: int) -> str:
    """Record all that eligibility rests on in one go; the id of its confirmation."""
    subject = f"{SITE}-{number:04d}"
    stream, told = f"subject/{subject}", list[Signed]()

    def say(type_name: str, data: JsonObject, meaning: str = "authorship") -> str:
        by = COORDINATOR if type_name.startswith(("lab", "screening")) else INVESTIGATOR
        told.append(built.sign(type_name, stream, data, by=by, meaning=meaning))
        return told[-1].event.id

    person: JsonObject = {
        "subject_id": subject, "sex": "male",
        "birth_date": {"value": "1968-05-02", "precision": "day"},
    }  # fmt: skip
    say("subject.identified.v1", person)
    at = format_recorded_at(built.now)
    consent: JsonObject = {
        "icf_version": "1.0", "icf_sha256": DOCUMENT, "language": "zh-CN", "scopes": [*SCOPES],
        "given_by": "self", "can_read": True, "participant_signed_at": at, "leader": INVESTIGATOR,
        "leader_signed_at": at, "copy_given": True, "medium": "paper",
    }  # fmt: skip
    say("consent.obtained.v1", consent, "consent-explained")
    say("screening.started.v1", {"screening_number": 1})
    for code, value, unit in (
        ("bilirubin", "40", "umol/L"),
        ("albumin", "30", "g/L"),
        ("inr", "1.8", "{INR}"),
    ):
        say(
            "lab-result.recorded.v1",
            {"test_code": code, "value": {"value": value, "unit": unit}},
        )
    say("lab-result.recorded.v1", {"test_code": "hiv-antigen-antibody", "result": "negative"})
    findings: JsonObject = {
        "ascites": "slight", "encephalopathy_grade": 0, "assessor": INVESTIGATOR,
        "assessor_masked": False,
    }  # fmt: skip
    say("clinical-assessment.recorded.v1", findings)
    cirrhosis: JsonObject = {
        "term": "Cirrhosis", "code": "K74.6", "code_system": "ICD-10", "ongoing": True,
    }  # fmt: skip
    say("diagnosis.recorded.v1", cirrhosis)
    say("prior-trial-participation.recorded.v1", {"participated": False})
    therapy: JsonObject = {
        "drug": "Spironolactone", "ongoing": True, "therapy_class": "diuretic", "route": "oral",
    }  # fmt: skip
    say("concomitant-therapy.recorded.v1", therapy)
    say("allergy.recorded.v1", {"kind": "none-known"})
    assessments: list[JsonValue] = [
        say(
            "criterion.assessed.v1",
            {
                "criterion_id": criterion.id,
                "result": "MET" if criterion.kind == "inclusion" else "ABSENT",
                "basis": criterion.basis,
                "evidence": [],
            },
        )
        for criterion in built.definition.protocol.criteria
    ]
    confirmation: JsonObject = {
        "criteria_version": "1.0", "assessments": assessments, "statement": "All are met.",
    }  # fmt: skip
    event = say("eligibility.confirmed.v1", confirmation, "approval")
    for answer in built.record_all(told):
        if isinstance(answer, Exception) or answer.outcome.refused:
            raise AssertionError(f"Subject {number} could not be screened.")
    return event


def _begin(built: BuiltLedger) -> None:
    """People, roles, the approved form, the site, the sealed list."""
    built.register(REGISTRAR, by=SPONSOR)
    built.grant(REGISTRAR, "registrar", "trial", by=SPONSOR)
    roles = {
        STATISTICIAN: ("statistician", "trial"),
        INVESTIGATOR: ("principal-investigator", f"site/{SITE}"),
        COORDINATOR: ("study-coordinator", f"site/{SITE}"),
        PHARMACIST: ("pharmacist", f"site/{SITE}"),
        EDC: ("site-system", f"site/{SITE}"),
    }
    for owner, (role, scope) in roles.items():
        built.register(owner)
        built.grant(owner, role, scope)
    form: JsonObject = {
        "doc_type": "icf", "version": "1.0", "language": "zh-CN", "sha256": DOCUMENT,
        "body": "Ethics committee", "decision": "approved", "approved_on": "2024-01-15",
        "effective_from": "2024-01-15T00:00:00+08:00",
    }  # fmt: skip
    approval = built.state("document.approved.v1", "trial", form, by=SPONSOR)
    site: JsonObject = {
        "site": SITE, "name": "General Hospital", "timezone": "Asia/Shanghai",
        "approvals": [approval.id], "activated_on": "2024-02-01",
    }  # fmt: skip
    built.state("site.activated.v1", f"site/{SITE}", site, by=SPONSOR)
    for person, tasks in TASKS.items():
        if tasks:
            built.delegate(person, tasks)
    seal_list(built)

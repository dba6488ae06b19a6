"""The usual scenes of a trial, told into a ``Story``: flawless unless a test changes something."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED
from ledger.signing.register import LEDGER
from ledger.signing.statement import Meaning
from tests.ledger.rules.build import (
    ALL_TASKS,
    ANY_HASH,
    ASSESSOR,
    COORDINATOR,
    EDC,
    ICF_1,
    NURSE,
    PHARMACIST,
    PHYSICIAN,
    PI,
    SITE,
    SPONSOR,
    STATISTICIAN,
    STRANGER,
    SUBJECT,
    Story,
    definition,
    key_of,
    later,
    local,
)

if TYPE_CHECKING:
    from ledger.trials import TrialDefinition


def opened(trial: TrialDefinition | None = None) -> Story:
    """A trial that is set up: keys, roles, delegation and training, approvals, an active site."""
    story = Story(trial)
    _open(story)
    people = {
        PI: "principal-investigator",
        PHYSICIAN: None,
        COORDINATOR: "study-coordinator",
        NURSE: None,
        STRANGER: None,
        PHARMACIST: "pharmacist",
        ASSESSOR: "outcome-assessor",
        STATISTICIAN: "statistician",
        EDC: "site-system",
    }
    for owner, role in people.items():
        register(story, owner)
        if role is not None:
            scope = "trial" if owner.startswith("/sponsor") else f"site/{SITE}"
            story.add(
                "role.granted.v1",
                {"holder": owner, "role": role, "scope": scope},
                at="2024-01-10 09:00",
                by=SPONSOR,
            )
    for person in (PHYSICIAN, COORDINATOR, NURSE):
        tasks = ALL_TASKS if person != NURSE else ["data-entry", "infusion"]
        delegate(story, person, tasks, physician=person == PHYSICIAN)
        train(story, person, tasks)
    approval = approve(story, "protocol", "1.0", ANY_HASH)
    approve(story, "icf", "1.0", ICF_1)
    activate(story, [approval])
    return story


def _open(story: Story) -> None:
    sponsor = {"id": SPONSOR, "name": "Sponsor", "jwk": key_of(SPONSOR).public.as_object()}
    story._append(
        "trial.opened.v1",
        {"statement_key": key_of(LEDGER).public.as_object(), "sponsor": sponsor},
        at=local("2024-01-02 09:00"),
        stream="trial",
        by=(LEDGER, SPONSOR),
        recorded=local("2024-01-02 09:00"),
        meaning=Meaning.APPROVAL,
    )


def register(story: Story, owner: str) -> str:
    """Register the key of a person or system."""
    kind = "system" if "/systems/" in owner else "person"
    data: dict[str, Any] = {
        "jwk": key_of(owner).public.as_object(),
        "owner": {"kind": kind, "id": owner, "name": owner.rsplit("/", 1)[1]},
    }
    if kind == "system":
        data["source_prefix"] = owner
    return story.add("key.registered.v1", data, at="2024-01-09 09:00", by=(SPONSOR, owner))


def delegate(
    story: Story,
    person: str,
    tasks: list[str],
    *,
    physician: bool = False,
    first: str = "2024-01-11",
    last: str | None = None,
) -> str:
    """Delegate tasks to a person at the site."""
    data: dict[str, Any] = {
        "person": person,
        "site": SITE,
        "qualification": {"physician": physician},
        "tasks": tasks,
        "from": first,
    }
    if last is not None:
        data["to"] = last
    return story.add("staff.delegated.v1", data, at="2024-01-11 09:00")


def train(story: Story, person: str, tasks: list[str], *, on: str = "2024-01-11") -> str:
    """Record a completed training."""
    return story.add(
        "training.completed.v1",
        {"person": person, "course": "gcp", "version": "1.0", "completed_on": on, "tasks": tasks},
        at=f"{on} 17:00",
    )


def approve(
    story: Story,
    doc_type: str,
    version: str,
    sha256: str,
    *,
    since: str = "2024-01-15 00:00",
    **more: Any,
) -> str:
    """Record the approval of a document."""
    data = {
        "doc_type": doc_type,
        "version": version,
        "language": "zh-CN",
        "sha256": sha256,
        "body": "Ethics committee",
        "decision": "approved",
        "approved_on": "2024-01-15",
        "effective_from": local(since),
        **more,
    }
    return story.add("document.approved.v1", data, at=max(since, "2024-01-15 10:00"), by=SPONSOR)


def activate(story: Story, approvals: list[str], *, at: str = "2024-01-20 09:00") -> str:
    """Activate the site."""
    data = {
        "site": SITE,
        "name": "General Hospital",
        "timezone": "Asia/Shanghai",
        "approvals": approvals,
        "activated_on": at[:10],
    }
    return story.add("site.activated.v1", data, at=at, by=SPONSOR)


def consent_data(at: str = "2024-03-01 09:00", **changes: Any) -> dict[str, Any]:
    """The payload of a flawless consent; a change to None takes a member away."""
    data = {
        "icf_version": "1.0",
        "icf_sha256": ICF_1,
        "language": "zh-CN",
        "scopes": ["intervention", "visits", "record_review", "samples", "secondary_use"],
        "given_by": "self",
        "can_read": True,
        "participant_signed_at": local(at),
        "leader": PHYSICIAN,
        "leader_signed_at": later(at, minutes=5),
        "copy_given": True,
        "medium": "paper",
        **changes,
    }
    return {name: value for name, value in data.items() if value is not None}


def consent(
    story: Story,
    at: str = "2024-03-01 09:00",
    *,
    type_name: str = "consent.obtained.v1",
    by: str = PHYSICIAN,
    subject: str = SUBJECT,
    **changes: Any,
) -> str:
    """Record a consent, flawless but for the changes."""
    return story.add(
        type_name,
        consent_data(at, **changes),
        at=later(at, minutes=5),
        stream=f"subject/{subject}",
        by=by,
        meaning=Meaning.CONSENT_EXPLAINED,
    )


def identify(
    story: Story, subject: str = SUBJECT, *, at: str = "2024-03-01 08:00", **changes: Any
) -> str:
    """Identify a subject: a man born in 1968."""
    data = {
        "subject_id": subject,
        "sex": "male",
        "birth_date": {"value": "1968-05-02", "precision": "day"},
        **changes,
    }
    data = {name: value for name, value in data.items() if value is not None}
    return story.add(
        "subject.identified.v1", data, at=at, by=COORDINATOR, stream=f"subject/{subject}"
    )


def lab(
    story: Story,
    test: str,
    value: str,
    unit: str | None = None,
    *,
    at: str,
    recorded: str | None = None,
    subject: str = SUBJECT,
    **more: Any,
) -> str:
    """Record a laboratory result: a number with its unit, or a word."""
    said: dict[str, Any] = {"value": {"value": value, "unit": unit}} if unit else {"result": value}
    data = {"test_code": test, **said, **more}
    return story.add(
        "lab-result.recorded.v1",
        data,
        at=at,
        recorded=recorded,
        by=COORDINATOR,
        stream=f"subject/{subject}",
    )


def baseline(story: Story, *, at: str = "2024-03-02 09:00", subject: str = SUBJECT) -> list[str]:
    """Record what the criteria need: Child-Pugh class B, HIV negative, no other trial."""
    stream = f"subject/{subject}"
    found = [
        lab(story, "bilirubin", "40", "umol/L", at=at, subject=subject),
        lab(story, "albumin", "30", "g/L", at=at, subject=subject),
        lab(story, "inr", "1.8", "{INR}", at=at, subject=subject),
        lab(story, "hiv-antigen-antibody", "negative", at=at, subject=subject),
    ]
    clinical = {
        "ascites": "slight",
        "encephalopathy_grade": 0,
        "assessor": ASSESSOR,
        "assessor_masked": True,
    }
    others: list[tuple[str, dict[str, Any], str]] = [
        ("clinical-assessment.recorded.v1", clinical, ASSESSOR),
        (
            "diagnosis.recorded.v1",
            {"term": "Cirrhosis", "code": "K74.6", "code_system": "ICD-10", "ongoing": True},
            PHYSICIAN,
        ),
        ("prior-trial-participation.recorded.v1", {"participated": False}, COORDINATOR),
        (
            "concomitant-therapy.recorded.v1",
            {
                "drug": "Spironolactone",
                "therapy_class": "diuretic",
                "route": "oral",
                "ongoing": True,
            },
            COORDINATOR,
        ),
        ("allergy.recorded.v1", {"kind": "none-known"}, COORDINATOR),
    ]
    return found + [story.add(name, data, at=at, by=by, stream=stream) for name, data, by in others]


def assess(
    story: Story,
    criterion: str,
    result: str,
    *,
    at: str,
    subject: str = SUBJECT,
    by: str = PHYSICIAN,
    **more: Any,
) -> str:
    """Record the assessment of a criterion."""
    row = story.definition.protocol.criterion(criterion)
    basis = row.basis if row is not None else "judgement"
    data = {"criterion_id": criterion, "result": result, "basis": basis, "evidence": [], **more}
    return story.add("criterion.assessed.v1", data, at=at, by=by, stream=f"subject/{subject}")


def assess_all(
    story: Story, *, at: str = "2024-03-04 09:00", subject: str = SUBJECT, **results: str
) -> list[str]:
    """Assess every criterion as passed, but for the results given; "" leaves one out."""
    found = []
    for criterion in story.definition.protocol.criteria:
        passed = "MET" if criterion.kind == "inclusion" else "ABSENT"
        result = results.get(criterion.id, passed)
        if result:
            found.append(assess(story, criterion.id, result, at=at, subject=subject))
    return found


def confirm(
    story: Story,
    assessments: list[str],
    *,
    at: str = "2024-03-04 10:00",
    subject: str = SUBJECT,
    by: str = PHYSICIAN,
) -> str:
    """Confirm eligibility."""
    return story.add(
        "eligibility.confirmed.v1",
        {"criteria_version": "1.0", "assessments": assessments, "statement": "All are met."},
        at=at,
        by=by,
        meaning=Meaning.APPROVAL,
        stream=f"subject/{subject}",
    )


def screen(story: Story, subject: str = SUBJECT) -> str:
    """Take a subject from identification to a confirmed eligibility; return the confirmation."""
    identify(story, subject)
    consent(story, subject=subject)
    story.add(
        "screening.started.v1",
        {"screening_number": 1},
        at="2024-03-01 10:00",
        by=COORDINATOR,
        stream=f"subject/{subject}",
    )
    baseline(story, subject=subject)
    return confirm(story, assess_all(story, subject=subject), subject=subject)


def seal_list(story: Story, slots: int = 96) -> str:
    """Seal a list with that many slots in each stratum."""
    names = ["baseline-child-pugh-class=B", "baseline-child-pugh-class=C"]
    data = {
        "list_root": ANY_HASH,
        "algorithm": "permuted-blocks-hmac-sha256.v1",
        "strata": [{"stratum": name, "slots": slots} for name in names],
        "total_slots": slots * len(names),
        "generator": STATISTICIAN,
        "protocol_version": "1.0",
    }
    return story.add("randomization-list.sealed.v1", data, at="2024-01-25 09:00", by=STATISTICIAN)


def randomize(
    story: Story,
    confirmation: str,
    *,
    at: str = "2024-03-05 09:00",
    subject: str = SUBJECT,
    slot: int = 1,
    stratum: str = "baseline-child-pugh-class=B",
    arm: str = "single",
) -> str:
    """Append a request and the ledger's allocation, without asking any guard; return the latter."""
    request = story.add(
        "subject.randomization-requested.v1",
        {"confirmation": confirmation},
        at=at,
        by=PHYSICIAN,
        stream=f"subject/{subject}",
        accept=False,
    )
    data = {
        "list_root": ANY_HASH,
        "slot": slot,
        "stratum": stratum,
        "path": [],
        "arm": arm,
        "slot_salt": "00" * 32,
    }
    return story.answer(request, RANDOMIZED, data)


def envelope(
    story: Story, *, at: str = "2024-03-05 09:00", subject: str = SUBJECT, **changes: Any
) -> str:
    """Record a randomization from a backup envelope."""
    data = {
        "envelope_id": "ENV-001",
        "slot": 1,
        "stratum": "baseline-child-pugh-class=B",
        "arm": "single",
        "opened_at": local(at),
        **changes,
    }
    data = {name: value for name, value in data.items() if value is not None}
    return story.add(ENVELOPE, data, at=at, by=PHYSICIAN, stream=f"treatment/{subject}")


def correct(
    story: Story,
    target: str,
    pointer: str,
    old: Any,
    new: Any,
    *,
    at: str,
    by: str = COORDINATOR,
    members: str = "changes",
) -> str:
    """Correct one member of a record."""
    data = {
        "target": target,
        "changes": [],
        members: [{"pointer": pointer, "old": old, "new": new}],
        "reason": {"code": "transcription", "text": "Misread from the source."},
        "source_ref": "Chart, page 3",
    }
    stream = story.record(target).stream
    return story.add("data.corrected.v1", data, at=at, by=by, stream=stream)


def void(story: Story, target: str, *, at: str, by: str = COORDINATOR) -> str:
    """Void a record."""
    data = {
        "target": target,
        "reason": {"code": "wrong-subject", "text": "The record belongs to another person."},
        "source_ref": "Chart, page 3",
    }
    return story.add("data.voided.v1", data, at=at, by=by, stream=story.record(target).stream)


def sign(
    story: Story, target: str, *, at: str, by: str = PI, meaning: Meaning = Meaning.AUTHORSHIP
) -> str:
    """Sign a record that is there."""
    data = {"target": target, "statement": "I vouch for this record."}
    stream = story.record(target).stream
    return story.add("record.signed.v1", data, at=at, by=by, stream=stream, meaning=meaning)


def with_protocol(**changes: Any) -> TrialDefinition:
    """The seed trial with some members of its protocol replaced."""
    whole = definition()
    return replace(whole, protocol=replace(whole.protocol, **changes))

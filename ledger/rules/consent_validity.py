"""What keeps a consent from being valid, as of the time it was given (DV-02 to DV-05, DV-07)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.rules.delegation import (
    INVESTIGATORS,
    delegations_on,
    is_signed,
    roles_at,
    signers_of,
    task_lacking,
)
from ledger.rules.deviation import Standing
from ledger.rules.documents import consent_form_in_force
from ledger.rules.members import flag, instant, shape, text, whole
from ledger.vocabulary import Task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case

CAPACITY = "capacity.assessed.v1"
CLINICAL = "clinical-assessment.recorded.v1"
SIGNED_AT = {
    "participant": "participant_signed_at",
    "representative": "participant_signed_at",
    "discussion-leader": "leader_signed_at",
}


@dataclass(frozen=True, slots=True)
class ConsentProblem:
    """Why a consent does not count: the deviation rule and a sentence.

    ``standing`` INDETERMINATE means that validity cannot be shown; guards then do not count the
    consent either.
    """

    rule: str
    message: str
    standing: Standing = Standing.DEVIATION


def given_at(consent: Fact) -> datetime:
    """When a consent was given: as the subject or representative signed, else the event's time."""
    return instant(consent.data, "participant_signed_at") or consent.occurred_at


def consent_problems(case: Case, consent: Fact) -> tuple[ConsentProblem, ...]:
    """All that keeps the consent from being valid, by what was in force when it was given."""
    at = given_at(consent)
    return (
        *_form(case, consent, at),
        *_signatures(case, consent),
        *_witness(case, consent),
        *_capacity(case, consent, at),
        *_leader(case, consent, at),
    )


def capable_at(case: Case, at: datetime) -> bool | None:
    """Whether the subject could consent, by the last assessment until then; None if unknown.

    A West Haven grade from the protocol's limit on means that a representative is needed,
    whatever was ticked.
    """
    grade = _encephalopathy(case, at)
    if (
        grade is not None
        and grade >= case.protocol.consent.encephalopathy_grade_needs_representative
    ):
        return False
    assessed = [fact for fact in case.records.of(CAPACITY) if fact.occurred_at <= at]
    return flag(assessed[-1].data, "capable") if assessed else None


def _encephalopathy(case: Case, at: datetime) -> int | None:
    grades = [
        grade
        for fact in case.records.of(CAPACITY, CLINICAL)
        if fact.occurred_at <= at
        and (grade := whole(fact.data, "encephalopathy_grade")) is not None
    ]
    return grades[-1] if grades else None


def _form(case: Case, consent: Fact, at: datetime) -> Iterator[ConsentProblem]:
    version, language = text(consent.data, "icf_version"), text(consent.data, "language") or ""
    form = consent_form_in_force(case.trial, site=case.site_id, language=language, at=at)
    if form is None:
        message = f"No consent form in {language} was in force at {case.site_id} at that time."
    elif form.version != version:
        message = f"The consent form {version} was signed while {form.version} was in force."
    elif form.sha256 != text(consent.data, "icf_sha256"):
        message = f"The form that was signed is not the approved consent form {version}."
    else:
        return
    yield ConsentProblem("DV-02", message)


def _signatures(case: Case, consent: Fact) -> Iterator[ConsentProblem]:
    given_by = text(consent.data, "given_by")
    for required in case.protocol.consent.required_signers:
        if required.given_by != given_by:
            continue
        for signer in required.signers:
            if instant(consent.data, SIGNED_AT[signer]) is None:
                yield ConsentProblem(
                    "DV-03", f"The signature of the {signer} is missing or has no date."
                )
    if not is_signed(consent):
        yield ConsentProblem("DV-03", "No person has signed the record of this consent yet.")
    elif not _vouched_for(case, consent):
        yield ConsentProblem(
            "DV-03", "Nobody entrusted with consent at the site has signed the record of it."
        )


def _vouched_for(case: Case, consent: Fact) -> bool:
    day = case.local_date(given_at(consent))
    return any(
        roles_at(case.register, person, case.site_id, consent.seq) & INVESTIGATORS
        or any(
            Task.CONSENT in row.tasks
            for row in delegations_on(case.register, person, case.site_id, day)
        )
        for person in signers_of(consent, case.register)
    )


def _witness(case: Case, consent: Fact) -> Iterator[ConsentProblem]:
    if not case.protocol.consent.witness_when_unable_to_read:
        return
    if flag(consent.data, "can_read") is not False:
        return
    witness = shape(consent.data, "witness") or {}
    if flag(witness, "impartial") is not True or flag(witness, "present_throughout") is not True:
        yield ConsentProblem(
            "DV-04",
            "Who consented cannot read, and no impartial witness was present throughout.",
        )


def _capacity(case: Case, consent: Fact, at: datetime) -> Iterator[ConsentProblem]:
    capable = capable_at(case, at)
    if text(consent.data, "given_by") == "self":
        if capable is False:
            yield ConsentProblem(
                "DV-05", "The subject consented without a representative but lacked capacity."
            )
        return
    if shape(consent.data, "representative") is None:
        yield ConsentProblem("DV-05", "The representative's relation and ground are not stated.")
    if capable is True:
        yield ConsentProblem("DV-05", "A representative consented for a subject who was capable.")
    elif capable is None:
        yield ConsentProblem(
            "DV-05",
            "A representative consented, and the subject's capacity is not documented.",
            Standing.INDETERMINATE,
        )


def _leader(case: Case, consent: Fact, at: datetime) -> Iterator[ConsentProblem]:
    lacking = task_lacking(
        case.register,
        text(consent.data, "leader") or "",
        task=Task.CONSENT,
        site=case.site_id,
        day=case.local_date(at),
        seq=consent.seq,
    )
    if lacking is not None:
        yield ConsentProblem("DV-07", lacking)

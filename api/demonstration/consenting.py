"""Consent: discussion, capacity, the signed form, its renewal, its refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from api.demonstration.days import AMENDED, RECONSENT_DUE, at, minutes
from api.demonstration.dice import Dice
from api.demonstration.mess import Mess
from api.demonstration.people import member_of
from api.demonstration.step import Remark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from api.demonstration.participants import Participant
    from api.demonstration.pen import Pen
    from ledger.signing.strict_json import JsonObject, JsonValue

LANGUAGE: Final = "zh-Hans"
SCOPES: Final[tuple[str, ...]] = (
    "intervention",
    "visits",
    "record_review",
    "samples",
    "secondary_use",
)


def form_sha256(seed: bytes, version: str) -> str:
    """The SHA-256 of a version of the consent form."""
    return Dice(seed, "icf").digest(version)


def form_in_force(day: date) -> str:
    """The version of the consent form that is in force on a day."""
    return "2.0" if day >= AMENDED else "1.0"


def discuss(pen: Pen, person: Participant, day: date) -> None:
    """Explain the trial, and assess whether the subject can decide."""
    version = form_in_force(day)
    grade = 2 if person.story is Mess.REPRESENTATIVE else int(person.items[4] == 2)
    pen.write(
        "consent.discussion-held.v1",
        {
            "icf_version": version,
            "icf_sha256": form_sha256(pen.seed, version),
            "language": LANGUAGE,
            "leader": member_of(person.physician).id,
            "mode": "in-person",
            "questions_answered": True,
            "minutes": pen.dice.between(35, 80, "minutes"),
            "interpreter": False,
        },
        at=at(day, 9, 10),
        by=person.physician,
        recorded=at(day, 10, 2),
    )
    assess_capacity(pen, person, at(day, 9, 20), grade=grade, recorded=at(day, 10, 2))


def assess_capacity(
    pen: Pen, person: Participant, when: datetime, *, grade: int, recorded: datetime | None = None
) -> None:
    """Judge whether the subject can consent."""
    pen.write(
        "capacity.assessed.v1",
        {"capable": grade < 2, "method": "clinical-interview", "encephalopathy_grade": grade},
        at=when,
        by=person.physician,
        recorded=recorded,
    )


def consent(
    pen: Pen,
    person: Participant,
    when: datetime,
    *,
    version: str,
    changes: Mapping[str, JsonValue] | None = None,
    type_name: str = "consent.obtained.v1",
    remark: Remark | None = None,
) -> str:
    """Record the consent signed at ``when``; ``changes`` say what differs from the usual form."""
    data: JsonObject = {
        "icf_version": version,
        "icf_sha256": form_sha256(pen.seed, version),
        "language": LANGUAGE,
        "scopes": list(SCOPES),
        "given_by": "self",
        "can_read": True,
        "participant_signed_at": when.isoformat(),
        "leader": member_of(person.physician).id,
        "leader_signed_at": (when + minutes(3)).isoformat(),
        "copy_given": True,
        "copy_given_at": (when + minutes(6)).isoformat(),
        "medium": "paper",
    }
    data.update(changes or {})
    return pen.write(
        type_name, data, at=when, by=person.physician, recorded=None, remark=remark or Remark()
    )


def first_consent(pen: Pen, person: Participant, day: date) -> str:
    """The consent that lets the subject into screening, as this person gives it."""
    when, version = at(day, 10, 5), form_in_force(day)
    match person.story:
        case Mess.ILLITERATE:
            changes: JsonObject = {
                "can_read": False,
                "witness": {
                    "impartial": True,
                    "present_throughout": True,
                    "signed_at": (when + minutes(2)).isoformat(),
                },
                "witness_name": "Wei Guang",
            }
            remark = Remark(mess=Mess.ILLITERATE)
        case Mess.REPRESENTATIVE:
            changes = {
                "given_by": "representative",
                "representative": {"relation": "spouse", "ground": "hepatic-encephalopathy"},
                "representative_name": "Ma Xiulan",
            }
            remark = Remark(mess=Mess.REPRESENTATIVE)
        case Mess.SUPERSEDED_FORM:
            changes, version, remark = {}, "1.0", Remark(mess=Mess.SUPERSEDED_FORM)
        case _:
            changes, remark = {}, Remark()
    return consent(pen, person, when, version=version, changes=changes, remark=remark)


def decline(pen: Pen, day: date) -> None:
    """The person declines; no reason is asked for."""
    pen.write(
        "consent.declined.v1",
        {"icf_version": form_in_force(day)},
        at=at(day, 10, 20),
        by="crc",
        remark=Remark(mess=Mess.DECLINED),
    )


def renew_after_amendment(pen: Pen, person: Participant, asked_on: date, signed_on: date) -> None:
    """Ask for consent on the amended form, and record it when it is given."""
    required = pen.write(
        "reconsent.required.v1",
        {
            "icf_version": "2.0",
            "icf_sha256": form_sha256(pen.seed, "2.0"),
            "trigger": "protocol-amendment",
            "due": at(RECONSENT_DUE, 18).isoformat(),
        },
        at=at(asked_on, 11),
        by="crc",
        recorded=at(asked_on, 11, 30),
    )
    late = person.story is Mess.RECONSENT_OVERDUE
    consent(
        pen,
        person,
        at(signed_on, 10),
        version="2.0",
        changes={"requirement": required},
        type_name="consent.renewed.v1",
        remark=Remark(mess=Mess.RECONSENT_OVERDUE if late else Mess.RECONSENT),
    )

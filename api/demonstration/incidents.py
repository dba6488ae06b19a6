"""Incidents in the lives of randomized subjects: one function per story."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from api.demonstration.consenting import SCOPES
from api.demonstration.days import at, days_after
from api.demonstration.following import serious_event
from api.demonstration.mess import Mess
from api.demonstration.pen import Pen, partial, says
from api.demonstration.people import EDC, PI, member_of
from api.demonstration.step import Remark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.demonstration.participants import Participant
    from ledger.signing.strict_json import JsonObject

EXPLANATIONS: Final = {
    "DV-18": "The subject was travelling; the ward was not told to book within the window.",
    "DV-19": "The withdrawal was told to the coordinator and did not reach the ward in time.",
    "DV-20": "The ward took the plan of another subject; the release had been refused.",
    "DV-24": "The ward round lasted longer than planned and nobody looked at the label again.",
    "DV-35": "The report lay over the weekend; the deputy did not know of it.",
}


def leave(pen: Pen, person: Participant, story: Mess | None, day: date) -> None:
    """The subject leaves the study before its planned end."""
    remark = Remark(mess=story)
    match story:
        case Mess.ALL_WITHDRAWN:
            withdraw(pen, at(day, 11), scopes=SCOPES, remark=remark)
        case Mess.LOST:
            lost: JsonObject = {"last_contact_on": day.isoformat(), "attempts": 5}
            when = at(days_after(day, 45), 10)
            pen.write("subject.lost-to-follow-up.v1", lost, at=when, by="crc", remark=remark)
        case Mess.STUDY_LEFT:
            reason = says("moved-away", "Moved to another province and cannot come to the visits.")
            left: JsonObject = {"reason": reason, "last_contact_on": day.isoformat()}
            pen.write("study.discontinued.v1", left, at=at(day, 10), by="crc", remark=remark)
        case Mess.DEATH:
            event = serious_event(
                pen, person, at(day, 2, 10), told_after=timedelta(hours=4), fatal=True
            )
            pen.write(
                "death.recorded.v1",
                {
                    "died_on": partial(day.isoformat()),
                    "cause_code": "K92.2",
                    "cause_text": "Variceal haemorrhage, told by the ward of another hospital.",
                    "source": "hospital-letter",
                    "adverse_event": event,
                },
                at=at(day, 17),
                by="crc",
                remark=remark,
            )
        case _:
            return


def withdraw(pen: Pen, when: datetime, *, scopes: Sequence[str], remark: Remark) -> None:
    """The subject withdraws consent to some scopes; no reason is asked for."""
    data: JsonObject = {"scopes": list(scopes), "told_to": member_of("crc").id}
    if "samples" in scopes:
        data["samples_action"] = "destroy"
    pen.write("consent.withdrawn.v1", data, at=when, by="crc", remark=remark)


def assess(pen: Pen, stream: str, anchor: str, rule: str, day: date) -> None:
    """The principal investigator explains a deviation and judges it important."""
    pen.write(
        "deviation.assessed.v1",
        {
            "rule": rule,
            "anchor": anchor,
            "important": True,
            "explanation": EXPLANATIONS[rule],
            "action": "Talked through with the team; the check list was changed.",
            "reported_to_ethics_committee": True,
            "reported_at": at(day, 16).isoformat(),
            "closed": True,
        },
        at=at(day, 16, 30),
        by=PI,
        stream=stream,
        remark=Remark(mess=Mess.DEVIATION_REPORTED),
    )


def violate_criterion(pen: Pen, person: Participant, day: date) -> None:
    """A letter shows a glucocorticoid course half a year before randomization."""
    therapy = pen.write(
        "concomitant-therapy.recorded.v1",
        {
            "drug": "Prednisone",
            "therapy_class": "glucocorticoid",
            "route": "oral",
            "indication": "Autoimmune hepatitis, suspected",
            "start": partial("2023-10"),
            "end": partial("2023-11-20"),
        },
        at=at(day, 10),
        by=EDC,
        remark=Remark(mess=Mess.CRITERION_VIOLATED),
    )
    pen.write(
        "criterion.assessed.v1",
        {
            "criterion_id": "EX06",
            "result": "PRESENT",
            "basis": "derived",
            "evidence": [therapy],
            "comment": "A discharge letter that came today tells of the course.",
        },
        at=at(day, 11),
        by=person.physician,
    )
    pen.write(
        "eligibility.revoked.v1",
        {
            "criteria": ["EX06"],
            "reason_code": "new-information",
            "reason_text": "A glucocorticoid course within the year before randomization.",
        },
        at=at(day, 11, 10),
        by=person.physician,
        remark=Remark(mess=Mess.CRITERION_VIOLATED),
    )
    pen.write(
        "deviation.reported.v1",
        {
            "anchor": therapy,
            "rule": "DV-10",
            "category": "eligibility",
            "description": "Randomized although EX06 was present; found from a letter afterwards.",
            "discovered_at": at(day, 10).isoformat(),
        },
        at=at(day, 12),
        by="crc",
        remark=Remark(mess=Mess.DEVIATION_REPORTED),
    )

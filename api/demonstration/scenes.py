"""Scenes: what happens in one randomized subject's life, one function per story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from api.demonstration.days import at, days_after, minutes, workdays_after
from api.demonstration.following import PlannedVisit, adverse_event, serious_event
from api.demonstration.incidents import assess, withdraw
from api.demonstration.mess import Mess
from api.demonstration.participants import Participant, subject_id
from api.demonstration.pen import Pen, partial, quantity, says
from api.demonstration.people import LIMS, member_of
from api.demonstration.step import Expected, Remark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from api.demonstration.screening import Chart
    from ledger.signing.strict_json import JsonObject


@dataclass(frozen=True, slots=True)
class Scene:
    """Where an incident happens: the pen, the subject, its visits and their records."""

    pen: Pen
    person: Participant
    chart: Chart
    visits: Sequence[PlannedVisit]

    def day_of(self, name: str) -> date:
        """The day of a visit."""
        return next(visit.day for visit in self.visits if visit.name == name)


def tell(
    pen: Pen,
    person: Participant,
    story: Mess | None,
    chart: Chart,
    visits: Sequence[PlannedVisit],
) -> None:
    """Write the incident of a story, if it has one here."""
    scene = _SCENES.get(story) if story is not None else None
    if scene is not None:
        scene(Scene(pen, person, chart, visits))


def _late_entry(scene: Scene) -> None:
    day = scene.day_of("W04")
    scene.pen.write(
        "adverse-event.recorded.v1",
        {
            "term": "Pruritus",
            "code": "10037087",
            "code_system": "MedDRA",
            "onset": partial(day.isoformat()),
            "grade": 1,
            "causality": "unlikely",
            "expected": False,
            "outcome": "recovered",
            "record": {
                "mode": "late",
                "captured_at": at(day, 10).isoformat(),
                "source_ref": "Ward book 3, p. 41",
                "reason": says("overlooked", "The ward book was not at hand when data were sent."),
            },
        },
        at=at(day, 10),
        by="crc",
        recorded=at(days_after(day, 9), 15),
        remark=Remark(mess=Mess.LATE_ENTRY),
    )


def _correction(scene: Scene) -> None:
    target, day = scene.chart.ids["bilirubin/W04"], workdays_after(scene.day_of("W04"), 3)
    written = next(step for step in scene.pen.steps if step.id == target)
    value = written.data["value"]
    old = value["value"] if isinstance(value, dict) else None
    remark = Remark(mess=Mess.CORRECTION)
    scene.pen.write(
        "data.corrected.v1",
        {
            "target": target,
            "changes": [{"pointer": "/data/value/value", "old": old, "new": "33.1"}],
            "reason": says("transcription", "Two digits were swapped when the value was typed."),
            "source_ref": "Laboratory print-out 2024-1187",
            "requested_by": member_of(scene.person.physician).id,
        },
        at=at(day, 9, 40),
        by="crc",
        remark=remark,
    )
    scene.pen.write(
        "record.signed.v1",
        {"target": target, "statement": "I have seen the print-out; the corrected value holds."},
        at=at(day, 14),
        by=scene.person.physician,
        remark=remark,
    )


def _wrong_subject(scene: Scene) -> None:
    day, right = scene.day_of("W08"), subject_id(scene.person.number - 1)
    creatinine: JsonObject = {
        "test_code": "creatinine",
        "value": quantity("88", "umol/L"),
        "laboratory": "central",
    }
    remark = Remark(mess=Mess.WRONG_SUBJECT)
    wrong = scene.pen.write(
        "lab-result.recorded.v1", dict(creatinine), at=at(day, 12), by=LIMS, remark=remark
    )
    scene.pen.write(
        "data.voided.v1",
        {
            "target": wrong,
            "reason": says("wrong-subject", "The tube carried the label of another subject."),
            "source_ref": "Laboratory journal 2024-06, p. 12",
            "belongs_to": right,
        },
        at=at(day, 16),
        by="crc",
        remark=remark,
    )
    creatinine["record"] = {
        "mode": "transcribed",
        "source_ref": f"First recorded as {wrong}",
        "reason": says("wrong-subject", "Moved from the subject it was recorded on by mistake."),
    }
    scene.pen.write(
        "lab-result.recorded.v1",
        creatinine,
        at=at(day, 12),
        by="crc",
        stream=f"subject/{right}",
        recorded=at(day, 16, 20),
    )


def _signed_later(scene: Scene) -> None:
    scene.pen.write(
        "record.signed.v1",
        {
            "target": scene.chart.ids["clinical/W08"],
            "statement": "I made this examination and the record is true.",
        },
        at=at(workdays_after(scene.day_of("W08"), 2), 9),
        by="assessor",
        remark=Remark(mess=Mess.SIGNED_LATER),
    )


def _duplicate(scene: Scene) -> None:
    day, pen = scene.day_of("W04"), scene.pen
    first = pen.write(
        "adverse-event.recorded.v1",
        {"term": "Chills", "grade": 1, "causality": "possible", "outcome": "recovered"},
        at=at(day, 17, 30),
        by="nurse-3",
    )
    pen.again(first, after=minutes(3), remark=Remark(Expected.REPEATED, Mess.DUPLICATE))
    pen.write(
        "adverse-event.recorded.v1",
        {"term": "Chills", "grade": 2, "causality": "possible", "outcome": "recovered"},
        at=at(day, 17, 40),
        by="nurse-3",
        remark=Remark(Expected.REJECTED, Mess.ID_REUSED),
    )
    pen.alter_last(id=first)


def _out_of_order(scene: Scene) -> None:
    day = scene.day_of("W04")
    scene.pen.write(
        "adverse-event.recorded.v1",
        {"term": "Dizziness", "grade": 1, "causality": "unlikely", "outcome": "recovered"},
        at=at(day - timedelta(days=1), 20),
        by="nurse-3",
        recorded=at(day, 17, 50),
        remark=Remark(mess=Mess.OUT_OF_ORDER),
    )


def _naive_time(scene: Scene) -> None:
    when = at(scene.day_of("W08"), 8, 30)
    data: JsonObject = {"term": "Insomnia", "grade": 1}
    scene.pen.write(
        "adverse-event.recorded.v1",
        dict(data),
        at=when,
        by="crc",
        remark=Remark(Expected.REJECTED, Mess.NAIVE_TIME),
    )
    scene.pen.alter_last(time=when.replace(tzinfo=None).isoformat())
    scene.pen.write("adverse-event.recorded.v1", dict(data), at=when + minutes(2), by="crc")


def _quarantined(scene: Scene) -> None:
    # Signed while the lost key may have been in other hands: doubtful, not gone.
    adverse_event(scene.pen, date(2024, 6, 14), by="nurse-2")
    day = date(2024, 6, 20)
    event: JsonObject = {
        "term": "Abdominal pain",
        "grade": 1,
        "causality": "unlikely",
        "outcome": "recovered",
    }
    when, why = at(day, 15), says("key-revoked", "Sent under a key that had been revoked.")
    scene.pen.write(
        "adverse-event.recorded.v1",
        dict(event),
        at=when,
        by="nurse-2",
        remark=Remark(Expected.QUARANTINED, Mess.QUARANTINED),
    )
    record: JsonObject = {
        "mode": "transcribed",
        "captured_at": when.isoformat(),
        "originator": {"person": member_of("nurse-2").id},
        "source_ref": "Quarantine of 2024-06-20",
        "reason": why,
    }
    scene.pen.write(
        "adverse-event.recorded.v1",
        {**event, "record": record},
        at=when,
        by="crc",
        recorded=at(day + timedelta(days=1), 10),
        remark=Remark(mess=Mess.TRANSCRIBED),
    )


def _sae_late(scene: Scene) -> None:
    when = at(days_after(scene.day_of("W04"), 6), 20)
    event = serious_event(
        scene.pen,
        scene.person,
        when,
        told_after=timedelta(hours=61),
        remark=Remark(mess=Mess.SAE_LATE),
    )
    assess(scene.pen, scene.pen.stream, event, "DV-35", days_after(when.date(), 9))


def _emergency(scene: Scene) -> None:
    night, stream = at(days_after(scene.day_of("W04"), 3), 2, 15), f"treatment/{scene.person.id}"
    remark = Remark(mess=Mess.EMERGENCY_UNBLINDING)
    broken = scene.pen.write(
        "blind.broken.v1",
        {"type": "emergency", "told_to": ["treating-physician"]},
        at=night,
        by="si-1",
        stream=stream,
        remark=remark,
    )
    scene.pen.write(
        "unblinding-reason.recorded.v1",
        {
            "unblinding": broken,
            "reason_code": "medical-emergency",
            "reason_text": "Septic shock; the team had to know when cells were last given.",
            "told_to": ["treating-physician"],
            "impact": "The outcome assessor was not told; no impact on the endpoint is expected.",
        },
        at=night + timedelta(hours=7),
        by="si-1",
        stream=stream,
        remark=remark,
    )


def _accidental(scene: Scene) -> None:
    day = scene.day_of("W04")
    scene.pen.write(
        "accidental-unblinding.reported.v1",
        {
            "told_to": ["participant"],
            "cause": "The appointment letter named the number of infusions.",
            "impact": "The participant now knows the group; the assessor does not.",
            "discovered_at": at(day, 11).isoformat(),
        },
        at=at(day, 11, 20),
        by="crc",
        stream=f"treatment/{scene.person.id}",
        remark=Remark(mess=Mess.ACCIDENTAL_UNBLINDING),
    )


def _one_scope(scene: Scene) -> None:
    when = at(scene.day_of("W08"), 11)
    remark = Remark(mess=Mess.ONE_SCOPE_WITHDRAWN)
    withdraw(scene.pen, when, scopes=("samples",), remark=remark)


def _transplant(scene: Scene) -> None:
    day = days_after(scene.day_of("W08"), 20)
    scene.pen.write(
        "transplant.recorded.v1",
        {"organ": "liver", "transplanted_on": partial(day.isoformat())},
        at=at(day, 18),
        by="crc",
        remark=Remark(mess=Mess.TRANSPLANT),
    )


def _pregnancy(scene: Scene) -> None:
    when = at(scene.day_of("W12"), 10)
    scene.pen.write(
        "pregnancy.reported.v1",
        {
            "who": "subject",
            "aware_at": when.isoformat(),
            "sponsor_reported_at": (when + timedelta(hours=5)).isoformat(),
            "due_on": partial("2025-06"),
        },
        at=when + timedelta(hours=5),
        by=scene.person.physician,
        remark=Remark(mess=Mess.PREGNANCY),
    )


_SCENES: Final[dict[Mess, Callable[[Scene], None]]] = {
    Mess.LATE_ENTRY: _late_entry,
    Mess.CORRECTION: _correction,
    Mess.WRONG_SUBJECT: _wrong_subject,
    Mess.SIGNED_LATER: _signed_later,
    Mess.DUPLICATE: _duplicate,
    Mess.OUT_OF_ORDER: _out_of_order,
    Mess.NAIVE_TIME: _naive_time,
    Mess.QUARANTINED: _quarantined,
    Mess.SAE_LATE: _sae_late,
    Mess.EMERGENCY_UNBLINDING: _emergency,
    Mess.ACCIDENTAL_UNBLINDING: _accidental,
    Mess.ONE_SCOPE_WITHDRAWN: _one_scope,
    Mess.TRANSPLANT: _transplant,
    Mess.PREGNANCY: _pregnancy,
}

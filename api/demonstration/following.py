"""Follow-up: visits with their Child-Pugh inputs, adverse events, and how a subject leaves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from api.demonstration.days import at, days_after, evening_of
from api.demonstration.liver import items_at
from api.demonstration.pen import Pen, partial, says
from api.demonstration.people import EDC
from api.demonstration.screening import Chart, record_liver
from api.demonstration.step import ORDINARY, Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.demonstration.participants import Participant
    from ledger.signing.strict_json import JsonObject
    from ledger.trials import TrialDefinition

ADVERSE_EVENTS: Final = (
    ("Fever", "10016558", 1),
    ("Headache", "10019211", 1),
    ("Chills", "10008531", 1),
    ("Fatigue", "10016256", 2),
    ("Nausea", "10028813", 1),
)


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """A visit of the protocol on the day this subject comes."""

    name: str
    day: date


def visits(definition: TrialDefinition, pen: Pen, infused_on: date) -> Iterator[PlannedVisit]:
    """The visits after baseline, each a few days around its target."""
    for visit in definition.protocol.visits:
        if visit.target_day > 0:
            jitter = pen.dice.between(-4, 3, f"jitter/{visit.id}")
            yield PlannedVisit(visit.id, days_after(infused_on, visit.target_day + jitter))


def attend(pen: Pen, person: Participant, chart: Chart, visit: PlannedVisit, arm: str) -> None:
    """The visit takes place; the systems send it in the evening."""
    evening = evening_of(visit.day)
    items = items_at(person.items, arm=arm, visit=visit.name, dice=pen.dice)
    chart.ids[f"visit/{visit.name}"] = pen.write(
        "visit.completed.v1",
        {"visit": visit.name, "mode": "on-site"},
        at=at(visit.day, 9, 5),
        by=EDC,
        recorded=evening,
    )
    record_liver(pen, person, chart, visit.name, at(visit.day, 9, 30), evening=evening, items=items)


def miss(pen: Pen, visit: PlannedVisit, *, remark: Remark = ORDINARY) -> None:
    """The subject does not come."""
    pen.write(
        "visit.missed.v1",
        {"visit": visit.name, "reason": says("travel", "Flooded roads; reached by telephone.")},
        at=at(visit.day, 15),
        by="crc",
        remark=remark,
    )


def adverse_event(
    pen: Pen, day: date, *, by: str = "nurse-3", remark: Remark = ORDINARY, **changes: object
) -> str:
    """An adverse event that is not serious."""
    term, code, grade = pen.dice.one_of(ADVERSE_EVENTS, f"adverse/{day}")
    data: JsonObject = {
        "term": term,
        "code": code,
        "code_system": "MedDRA",
        "onset": partial(day.isoformat()),
        "grade": grade,
        "causality": "possible",
        "expected": True,
        "outcome": "recovered",
        "narrative": "Began in the evening after the infusion and passed without treatment.",
    }
    data.update(changes)  # type: ignore[arg-type]
    return pen.write("adverse-event.recorded.v1", data, at=at(day, 15, 40), by=by, remark=remark)


def serious_event(
    pen: Pen,
    person: Participant,
    when: datetime,
    *,
    told_after: timedelta,
    fatal: bool = False,
    remark: Remark = ORDINARY,
) -> str:
    """A serious adverse event; the sponsor is told ``told_after`` the site knew."""
    aware = when + timedelta(hours=3)
    return pen.write(
        "serious-adverse-event.reported.v1",
        {
            "term": "Variceal haemorrhage",
            "code": "10047337",
            "code_system": "MedDRA",
            "onset_at": when.isoformat(),
            "grade": 5 if fatal else 3,
            "causality": "unlikely",
            "expected": False,
            "outcome": "fatal" if fatal else "recovering",
            "criteria": ["death"] if fatal else ["hospitalisation", "life-threatening"],
            "aware_at": aware.isoformat(),
            "sponsor_reported_at": (aware + told_after).isoformat(),
            "authority_reported_at": (aware + told_after + timedelta(hours=6)).isoformat(),
            "narrative": "Haematemesis at home; endoscopic ligation on admission.",
        },
        at=aware + told_after + timedelta(hours=7),
        by=person.physician,
        remark=remark,
    )


def complete(pen: Pen, visit: PlannedVisit) -> None:
    """The subject completed the study as planned."""
    pen.write(
        "study.completed.v1",
        {"last_visit": visit.name},
        at=at(visit.day, 17, 30),
        by="crc",
    )

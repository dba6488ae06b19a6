"""The second chapter of a life: from the allocation to the last visit, with its story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from api.demonstration import following, incidents, scenes
from api.demonstration.consenting import assess_capacity, consent, renew_after_amendment
from api.demonstration.days import AMENDED, at, days_after, workday, workdays_after
from api.demonstration.entering import final_days
from api.demonstration.following import PlannedVisit
from api.demonstration.mess import Mess
from api.demonstration.pen import Pen
from api.demonstration.screening import Chart
from api.demonstration.step import Expected, Remark
from api.demonstration.stock import SHORT_DATED, give_back, hand_over
from api.demonstration.treating import Course

if TYPE_CHECKING:
    from api.demonstration.participants import Participant
    from api.demonstration.world import Days, World

_LEFT_AFTER: Final = {
    Mess.DEATH: 70,
    Mess.ALL_WITHDRAWN: 60,
    Mess.LOST: 62,
    Mess.STUDY_LEFT: 90,
}
"""Days from the first infusion to the end of a life in the study, where it ends early."""


@dataclass(frozen=True, slots=True)
class Life:
    """One randomized subject: what the second chapter is written from."""

    world: World
    pen: Pen
    person: Participant
    chart: Chart
    arm: str
    story: Mess | None
    days: Days

    @property
    def leaves_on(self) -> date | None:
        """The day the subject leaves the study before its planned end."""
        number = _LEFT_AFTER.get(self.story) if self.story is not None else None
        return None if number is None else days_after(self.days.first, number)


def go_on(world: World, person: Participant, arm: str) -> Pen:
    """Write the chapter for a subject who was allocated to ``arm``."""
    pen = Pen(world.seed, f"{person.id}/course", f"subject/{person.id}")
    days = final_days(world, person)
    life = Life(world, pen, person, Chart(), arm, world.story_for(person, arm), days)
    _reconsent(life)
    _first_infusion(life)
    _after_first(life)
    attended = _visits(life)
    scenes.tell(pen, person, life.story, life.chart, attended)
    if life.leaves_on is not None:
        incidents.leave(pen, person, life.story, life.leaves_on)
    elif attended:
        following.complete(pen, attended[-1])
    return pen


def _reconsent(life: Life) -> None:
    if not (life.days.asked < AMENDED and life.days.randomized < AMENDED):
        return
    overdue = life.story is Mess.RECONSENT_OVERDUE
    signed_on = workdays_after(AMENDED, 33 if overdue else 2 + life.person.number % 17)
    if life.leaves_on is None or life.leaves_on > signed_on:
        renew_after_amendment(life.pen, life.person, AMENDED, signed_on)


def _first_infusion(life: Life) -> None:
    course, day = _course(life), life.days.first
    match life.story:
        case Mess.EXPIRED_BAG:
            bag = life.world.store.take(day, lot=SHORT_DATED)
            course.request_release(bag, 1, at(day, 8, 50))
            hand_over(life.pen, bag, at(day, 9, 20), evening=at(day, 9, 45))
            given = course.give(bag, 1, at(day, 10, 10), remark=Remark(mess=Mess.EXPIRED_BAG))
            incidents.assess(life.pen, course.stream, given, "DV-24", days_after(day, 1))
        case Mess.INFUSION_INTERRUPTED:
            given = course.infuse(1, day)
            course.interrupt(1, at(day, 10, 8))
        case Mess.BAG_RETURNED:
            bag = life.world.store.take(day)
            course.request_release(bag, 1, at(day, 8, 50))
            give_back(life.pen, bag, at(day, 9, 30), why=("vein-access", "No vein was found."))
            course.infuse(1, workdays_after(day, 1))
        case Mess.RELEASE_REFUSED:
            bag = life.world.store.take(day)
            course.refuse_wrong_scan(bag, 1, at(day, 8, 30))
            course.request_release(bag, 1, at(day, 8, 50))
            hand_over(life.pen, bag, at(day, 9, 15), evening=at(day, 9, 40))
            course.give(bag, 1, at(day, 9, 50))
        case _:
            course.infuse(1, day)
    if life.pen.dice.chance(30, "adverse-event"):
        following.adverse_event(life.pen, day)


def _after_first(life: Life) -> None:
    course, day = _course(life), life.days.second
    if life.story is Mess.CRITERION_VIOLATED:
        incidents.violate_criterion(life.pen, life.person, days_after(life.days.first, 10))
        course.discontinue(
            at(days_after(life.days.first, 12), 10),
            code="criterion-violated",
            text="A criterion was found violated after randomization; no further infusion.",
            decided_by="investigator",
        )
    elif life.arm == "single":
        _single(life, course, day)
    else:
        _double(life, course, day)


def _single(life: Life, course: Course, day: date) -> None:
    course.complete(1, at(workdays_after(life.days.first, 1), 15))
    if life.story is Mess.SECOND_INFUSION:
        bag = life.world.store.take(day)
        # The ledger does not release the bag; the ward gives it all the same.
        course.request_release(
            bag, 2, at(day, 8, 50), remark=Remark(Expected.REFUSED, Mess.SECOND_INFUSION)
        )
        hand_over(life.pen, bag, at(day, 9, 15), evening=at(day, 9, 40))
        given = course.give(bag, 2, at(day, 9, 50), remark=Remark(mess=Mess.SECOND_INFUSION))
        incidents.assess(life.pen, course.stream, given, "DV-20", days_after(day, 2))


def _double(life: Life, course: Course, day: date) -> None:
    match life.story:
        case Mess.INFUSION_LATE:
            late = days_after(life.days.first, 40)
            bag = life.world.store.take(late)
            course.request_release(bag, 2, at(late, 8, 50))
            hand_over(life.pen, bag, at(late, 9, 15), evening=at(late, 9, 40))
            given = course.give(bag, 2, at(late, 9, 50), remark=Remark(mess=Mess.INFUSION_LATE))
            incidents.assess(life.pen, course.stream, given, "DV-18", days_after(late, 3))
            course.complete(2, at(late, 15))
        case Mess.INFUSION_NOT_GIVEN:
            course.not_given(2, at(day, 8, 30))
            course.discontinue(
                at(workdays_after(day, 2), 10),
                code="adverse-event",
                text="Fever of unknown origin; a further infusion would not be safe.",
                decided_by="investigator",
            )
        case Mess.AFTER_WITHDRAWAL:
            bag = life.world.store.take(day)
            course.request_release(bag, 2, at(day, 8, 10))
            incidents.withdraw(life.pen, at(day, 8, 30), scopes=("intervention",), remark=Remark())
            hand_over(life.pen, bag, at(day, 9, 15), evening=at(day, 9, 40))
            given = course.give(bag, 2, at(day, 9, 50), remark=Remark(mess=Mess.AFTER_WITHDRAWAL))
            incidents.assess(life.pen, course.stream, given, "DV-19", days_after(day, 1))
            course.discontinue(
                at(day, 16),
                code="consent-withdrawn",
                text="The subject had withdrawn consent to the intervention that morning.",
                decided_by="participant",
            )
        case _:
            course.infuse(2, day)
            course.complete(2, at(day, 15))


def _visits(life: Life) -> list[PlannedVisit]:
    pen, person, attended = life.pen, life.person, list[PlannedVisit]()
    for planned in following.visits(life.world.definition, pen, life.days.first):
        if life.leaves_on is not None and planned.day >= life.leaves_on:
            break
        visit = planned
        if life.story is Mess.VISIT_MISSED and visit.name == "W12":
            following.miss(pen, visit, remark=Remark(mess=Mess.VISIT_MISSED))
            continue
        if life.story is Mess.VISIT_MISSED and visit.name == "W08":
            visit = PlannedVisit(visit.name, workday(visit.day + timedelta(days=13)))
        following.attend(pen, person, life.chart, visit, life.arm)
        attended.append(visit)
        if life.story is Mess.REPRESENTATIVE and visit.name == "W04":
            _own_consent(life, visit.day)
    return attended


def _own_consent(life: Life, day: date) -> None:
    assess_capacity(life.pen, life.person, at(day, 10, 30), grade=0)
    consent(
        life.pen,
        life.person,
        at(day, 11),
        version="2.0" if day >= AMENDED else "1.0",
        type_name="consent.renewed.v1",
        remark=Remark(mess=Mess.OWN_CONSENT),
    )


def _course(life: Life) -> Course:
    return Course(life.pen, life.person, life.world.store)

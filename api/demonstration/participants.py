"""Who is asked to take part: 109 people, what becomes of each, and whose life shows which mess."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from api.demonstration.days import FIRST_SCREENING, LAST_SCREENING, workday
from api.demonstration.dice import Dice
from api.demonstration.liver import BASELINES, Grade, Items
from api.demonstration.mess import Mess
from api.demonstration.people import SITE


class Fate(StrEnum):
    """How far a person comes."""

    RANDOMIZED = "randomized"
    DECLINED = "declined"
    SCREEN_FAILED = "screen-failed"
    RESCREENED = "rescreened"
    TOO_LATE = "too-late"


DECLINERS: Final = (9, 34, 61, 88)
FAILURES: Final = (5, 14, 22, 31, 40, 49, 58, 66, 75, 84, 93, 101)
RESCREENED: Final = 26
LAST: Final = 109

STORIES: Final[dict[int, Mess]] = {
    3: Mess.ILLITERATE,
    7: Mess.REPRESENTATIVE,
    11: Mess.UNSIGNED_ELIGIBILITY,
    17: Mess.LATE_ENTRY,
    19: Mess.CORRECTION,
    21: Mess.WRONG_SUBJECT,
    24: Mess.CRITERION_VIOLATED,
    28: Mess.SIGNED_LATER,
    30: Mess.RECONSENT_OVERDUE,
    33: Mess.DUPLICATE,
    36: Mess.OUT_OF_ORDER,
    38: Mess.NAIVE_TIME,
    42: Mess.QUARANTINED,
    45: Mess.SAE_LATE,
    48: Mess.DEATH,
    52: Mess.EMERGENCY_UNBLINDING,
    55: Mess.ONE_SCOPE_WITHDRAWN,
    57: Mess.ALL_WITHDRAWN,
    63: Mess.LOST,
    65: Mess.TRANSPLANT,
    68: Mess.STUDY_LEFT,
    70: Mess.INFUSION_INTERRUPTED,
    72: Mess.EXPIRED_BAG,
    76: Mess.SUPERSEDED_FORM,
    82: Mess.ACCIDENTAL_UNBLINDING,
    86: Mess.PREGNANCY,
    90: Mess.ENVELOPE,
    95: Mess.BAG_RETURNED,
    97: Mess.RELEASE_REFUSED,
    103: Mess.VISIT_MISSED,
}
"""Stories that do not depend on the arm, by the number of the person."""

ARM_STORIES: Final = (
    (Mess.INFUSION_LATE, "double"),
    (Mess.INFUSION_NOT_GIVEN, "double"),
    (Mess.AFTER_WITHDRAWAL, "double"),
    (Mess.SECOND_INFUSION, "single"),
)
"""Stories that need an arm: told of the first in that arm whose life is otherwise ordinary."""


@dataclass(frozen=True, slots=True)
class Participant:
    """One person who was asked: pseudonym, what screening finds, the physician who leads."""

    number: int
    fate: Fate
    story: Mess | None
    asked_on: date
    sex: str
    born: date
    childbearing: bool
    grade: Grade
    items: Items
    physician: str

    @property
    def id(self) -> str:
        """The subject id."""
        return subject_id(self.number)


def subject_id(number: int) -> str:
    """The pseudonym of the person with that number."""
    return f"{SITE}-{number:04}"


def participants(seed: bytes) -> tuple[Participant, ...]:
    """Everybody who is asked, in the order they are asked."""
    return tuple(_participant(seed, number) for number in range(1, LAST + 1))


def _participant(seed: bytes, number: int) -> Participant:
    dice = Dice(seed, subject_id(number))
    story = STORIES.get(number)
    span = (LAST_SCREENING - FIRST_SCREENING).days
    asked_on = workday(FIRST_SCREENING + timedelta(days=span * (number - 1) // (LAST - 1)))
    female = dice.chance(35, "sex")
    age = dice.between(31, 72, "age")
    grade: Grade = "B" if dice.chance(62, "grade") else "C"
    items = dice.one_of(BASELINES[grade], "items")
    if story is Mess.REPRESENTATIVE:
        grade, items = "C", (3, 2, 2, 2, 2)
    if story is Mess.PREGNANCY:
        female, age = True, 33
    return Participant(
        number=number,
        fate=_fate(number),
        story=story,
        asked_on=asked_on,
        sex="female" if female else "male",
        born=date(2023 - age, dice.between(1, 12, "month"), dice.between(1, 28, "day")),
        childbearing=female and age < 50,
        grade=grade,
        items=items,
        physician=("pi", "si-1", "si-2")[number % 3],
    )


def _fate(number: int) -> Fate:
    if number in DECLINERS:
        return Fate.DECLINED
    if number in FAILURES:
        return Fate.SCREEN_FAILED
    if number == RESCREENED:
        return Fate.RESCREENED
    return Fate.TOO_LATE if number == LAST else Fate.RANDOMIZED

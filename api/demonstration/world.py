"""What the lives share: the trial as data, each person's days, the bags, the stories to tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.demonstration.days import AMENDED, days_after, workdays_after
from api.demonstration.dice import Dice
from api.demonstration.participants import ARM_STORIES, Participant

if TYPE_CHECKING:
    from datetime import date

    from api.demonstration.mess import Mess
    from api.demonstration.stock import Store
    from ledger.trials import TrialDefinition


@dataclass(frozen=True, slots=True)
class Days:
    """The days of one subject's way to the second infusion."""

    asked: date
    confirmed: date
    randomized: date
    first: date
    second: date


def days_of(seed: bytes, person: Participant, *, asked: date | None = None) -> Days:
    """When this person is screened, randomized and infused, if all goes as planned."""
    dice = Dice(seed, f"{person.id}/days")
    start = asked or person.asked_on
    confirmed = workdays_after(start, 2)
    randomized = workdays_after(confirmed, 1)
    if start < AMENDED <= randomized:
        # In screening when the form changes: the new form is signed first.
        confirmed = workdays_after(AMENDED, 1)
        randomized = workdays_after(confirmed, 1)
    first = workdays_after(randomized, dice.between(1, 3, "first"))
    return Days(
        asked=start,
        confirmed=confirmed,
        randomized=randomized,
        first=first,
        second=days_after(first, 28 + dice.between(-3, 2, "second")),
    )


@dataclass(slots=True)
class World:
    """Shared by all lives; what is taken from it is taken in the order of the plan."""

    definition: TrialDefinition
    seed: bytes = field(repr=False)
    store: Store
    untold: list[tuple[Mess, str]] = field(default_factory=lambda: list(ARM_STORIES))

    def story_for(self, person: Participant, arm: str) -> Mess | None:
        """The person's own story, or one that waited for somebody of this arm."""
        if person.story is not None:
            return person.story
        for waiting in self.untold:
            if waiting[1] == arm:
                self.untold.remove(waiting)
                return waiting[0]
        return None

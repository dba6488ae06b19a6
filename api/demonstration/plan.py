"""The plan: every step of the demonstration in the order in which it is recorded.

Pure: the same definition and seed always give the same steps. The allocation list is drawn from
the seed too, so the plan foresees each arm; whoever posts it checks that the ledger agrees.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from api.demonstration import conducting, founding, stock
from api.demonstration.course import go_on
from api.demonstration.days import at
from api.demonstration.dice import derive
from api.demonstration.entering import enter
from api.demonstration.mess import Mess
from api.demonstration.participants import Participant, participants
from api.demonstration.step import Expected, Step
from api.demonstration.stock import Store
from api.demonstration.world import World, days_of
from ledger.allocation.sealed_list import SealedList
from ledger.allocation.slot import stratum_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject
    from ledger.trials import TrialDefinition

REQUESTED: Final = "subject.randomization-requested.v1"
BLOCK_SIZES: Final = (4, 6)
"""The statistician's choice; a demonstration has no list to conceal."""

SEALED: Final = "randomization-list.sealed.v1"
ENVELOPE: Final = "randomization.recorded.v1"


def allocation_list(definition: TrialDefinition, seed: bytes) -> SealedList:
    """The demonstration's allocation list, drawn from its seed."""
    protocol = definition.protocol
    return SealedList.draw(
        protocol.allocation,
        protocol.planned_number,
        block_sizes=BLOCK_SIZES,
        seed=derive(seed, "allocation-list"),
    )


def plan(definition: TrialDefinition, seed: bytes) -> Iterator[Step]:
    """All steps after entry 0, by ``recorded_at``, which never decreases."""
    yield from _Timeline(definition, seed).run()


@dataclass(slots=True)
class _Timeline:
    """Steps waiting by the time they are recorded; an allocation adds the rest of a life."""

    definition: TrialDefinition
    seed: bytes = field(repr=False)
    _waiting: list[tuple[datetime, int, Step]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _used: dict[str, int] = field(default_factory=dict)
    _sealed_list: str = ""

    def run(self) -> Iterator[Step]:
        """The steps in order."""
        people = {person.id: person for person in participants(self.seed)}
        sealed = allocation_list(self.definition, self.seed)
        world = self._begin(people, sealed)
        while self._waiting:
            _, _, step = heapq.heappop(self._waiting)
            if step.type in (REQUESTED, ENVELOPE) and step.expect is Expected.RECORDED:
                person = people[step.subject or ""]
                stratum = self._stratum(person)
                slot = self._used[stratum] = self._used.get(stratum, 0) + 1
                arm = sealed.opening(stratum, slot).slot.arm
                if step.type == REQUESTED:
                    step = replace(step, slot=(stratum, slot))
                else:
                    told: JsonObject = {"slot": slot, "stratum": stratum, "arm": arm}
                    step = replace(step, data={**step.data, **told})
                self._add(go_on(world, person, arm).in_order())
            yield step
        yield from conducting.count_at_end(
            self.seed, world.store.lots, world.store.taken
        ).in_order()
        yield from conducting.conclude(self.seed, self._sealed_list).in_order()

    def _begin(self, people: dict[str, Participant], sealed: SealedList) -> World:
        founded = founding.found(self.seed, self.definition, sealed)
        self._add(founded.in_order())
        self._sealed_list = next(step.id for step in founded.steps if step.type == SEALED)
        approvals = [step.id for step in founded.steps if step.type == "document.approved.v1"]
        self._add(conducting.conduct(self.seed, self.definition, approvals).in_order())
        lots = stock.lots(self._short_dated_expiry(people))
        for lot in lots:
            self._add(stock.deliver(self.seed, lot).in_order())
        self._add(conducting.keep_stock(self.seed, lots).in_order())
        world = World(self.definition, self.seed, Store(lots))
        for person in people.values():
            self._add(enter(world, person).in_order())
        return world

    def _short_dated_expiry(self, people: dict[str, Participant]) -> datetime:
        """Half an hour before the bag of that story is infused."""
        person = next(row for row in people.values() if row.story is Mess.EXPIRED_BAG)
        return at(days_of(self.seed, person).first, 9, 40)

    def _stratum(self, person: Participant) -> str:
        factor = self.definition.protocol.allocation.strata[0].factor
        return stratum_name([(factor, person.grade)])

    def _add(self, steps: list[Step]) -> None:
        for step in steps:
            heapq.heappush(self._waiting, (step.recorded_at, next(self._numbers), step))

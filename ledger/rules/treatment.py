"""The treatment of one subject as recorded: the arm, the infusions, and what ended treatment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED
from ledger.rules.members import instant, stopped_at, text, texts, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ledger.history import Fact, History
    from ledger.trials.protocol import Arm, Protocol

ADMINISTERED = "infusion.administered.v1"
NOT_GIVEN = "infusion.not-given.v1"
INTERRUPTED = "infusion.interrupted.v1"
COMPLETED = "treatment.completed.v1"
DISCONTINUED = "treatment.discontinued.v1"
DEATH = "death.recorded.v1"
TRANSPLANT = "transplant.recorded.v1"
LOST = "subject.lost-to-follow-up.v1"
STUDY_DISCONTINUED = "study.discontinued.v1"
WITHDRAWN = "consent.withdrawn.v1"
INTERVENTION = "intervention"

ENDS_TREATMENT = (DEATH, TRANSPLANT, DISCONTINUED, STUDY_DISCONTINUED, LOST)


class ArmUnknown(StrEnum):
    """Why the arm of a subject cannot be told."""

    NOT_RANDOMIZED = "The subject is not randomized."
    WITHHELD = "The opening of the subject's arm is not at hand."
    UNPLANNED = "The arm opened is none of the protocol."


@dataclass(frozen=True, slots=True)
class Infusion:
    """One infusion that was given; ``started_at`` reads as the event's time when not stated."""

    fact: Fact
    number: int
    started_at: datetime
    stopped_at: datetime | None
    lot: str
    bags: tuple[str, ...]

    @property
    def id(self) -> str:
        """The event's id."""
        return self.fact.id


def randomizations(records: History) -> list[Fact]:
    """The records that assign the subject to an arm, in order of occurrence."""
    return records.of(RANDOMIZED, ENVELOPE)


def arm_of(records: History, protocol: Protocol) -> Arm | ArmUnknown:
    """The arm the subject was first assigned to and stays in (intention to treat)."""
    assigned = randomizations(records)
    if not assigned:
        return ArmUnknown.NOT_RANDOMIZED
    arm_id = text(assigned[0].data, "arm")
    if arm_id is None:
        return ArmUnknown.WITHHELD
    return protocol.arm(arm_id) or ArmUnknown.UNPLANNED


def infusions(records: History) -> list[Infusion]:
    """The infusions given, in order of their start, then of the log."""
    found = [_infusion(fact) for fact in records.of(ADMINISTERED)]
    return sorted(found, key=lambda row: (row.started_at, row.fact.seq))


def _infusion(fact: Fact) -> Infusion:
    return Infusion(
        fact=fact,
        number=whole(fact.data, "infusion_number") or 0,
        started_at=instant(fact.data, "started_at") or fact.occurred_at,
        stopped_at=instant(fact.data, "stopped_at"),
        lot=text(fact.data, "lot") or "",
        bags=texts(fact.data, "bag_ids"),
    )


def numbered(records: History) -> Iterator[tuple[Infusion, bool]]:
    """Each infusion, and whether it comes after the first and so tells the arm."""
    for index, given in enumerate(infusions(records)):
        yield given, index > 0


def treatment_end(records: History, *, not_given_after: Infusion | None = None) -> datetime | None:
    """When a record first ended the subject's treatment, or said why it was not given.

    Death, transplant, discontinuation of treatment or study, loss to follow-up and withdrawal of
    consent to the intervention end it. With ``not_given_after`` an infusion recorded as not given
    after that one counts as well; a subject who died on a day known only in part is taken to
    have died when the record says so.
    """
    ends = [fact.occurred_at for fact in records.of(*ENDS_TREATMENT)]
    for fact in records.of(WITHDRAWN):
        scopes = texts(fact.data, "scopes")
        if not scopes or INTERVENTION in scopes:
            ends.append(stopped_at(fact, "effective_at"))
    if not_given_after is not None:
        ends += [
            fact.occurred_at
            for fact in records.of(NOT_GIVEN)
            if (whole(fact.data, "infusion_number") or 0) > not_given_after.number
        ]
    return min(ends, default=None)

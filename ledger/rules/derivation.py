"""What recorded evidence says of a criterion, and the reference days it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED
from ledger.rules.consent import consents_of
from ledger.rules.members import instant_or_time

if TYPE_CHECKING:
    from datetime import date, datetime

    from ledger.history import Fact
    from ledger.rules.calendar import DaySpan
    from ledger.rules.case import Case
    from ledger.rules.consent import Consents
    from ledger.trials.criteria import Criterion, ReferenceDay

Result: TypeAlias = Literal[
    "MET", "NOT_MET", "PRESENT", "ABSENT", "NOT_APPLICABLE", "INDETERMINATE"
]

SCREENINGS = ("screening.started.v1", "rescreening.started.v1")
SPECIMENS = ("lab-result.recorded.v1", "pregnancy-test.recorded.v1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """What the data say: the result, a sentence why, and the records it rests on.

    ``judgeable`` tells whether a physician's signed statement may stand where the data are
    silent; where it is false, undecided data keep the criterion from being passed.
    """

    result: Result
    reason: str
    evidence: tuple[str, ...] = ()
    judgeable: bool = False


def undecided(
    reason: str, *, evidence: tuple[str, ...] = (), judgeable: bool = False
) -> Derivation:
    """The data do not decide."""
    return Derivation(result="INDETERMINATE", reason=reason, evidence=evidence, judgeable=judgeable)


def passes(criterion: Criterion, result: str) -> bool | None:
    """Whether a result lets the subject in; None when it decides nothing."""
    if result == "INDETERMINATE":
        return None
    if criterion.kind == "inclusion":
        return result == "MET"
    return result in ("ABSENT", "NOT_APPLICABLE")


def within(span: DaySpan, first: date, last: date) -> bool | None:
    """Whether the day meant lies from ``first`` to ``last``, both included; None if unknown."""
    after, before = span.on_or_after(first), span.on_or_before(last)
    if after is False or before is False:
        return False
    return True if after and before else None


def observed_at(fact: Fact) -> datetime:
    """When evidence was taken: the specimen's or procedure's time, else the event's."""
    if fact.type in SPECIMENS:
        return instant_or_time(fact, "specimen_time")
    if fact.type == "procedure.recorded.v1":
        return instant_or_time(fact, "started_at")
    return fact.occurred_at


def randomization_times(case: Case) -> list[tuple[datetime, Fact]]:
    """When the subject was randomized, by the ledger or from an envelope, in order of time."""
    found = [(fact.occurred_at, fact) for fact in case.records.of(RANDOMIZED)]
    found += [(instant_or_time(f, "opened_at"), f) for f in case.records.of(ENVELOPE)]
    return sorted(found, key=lambda row: (row[0], row[1].seq))


@dataclass(frozen=True)
class Question:
    """A case asked about at an instant, with the reference days its criteria count from."""

    case: Case
    at: datetime

    @property
    def consents(self) -> Consents:
        """The consent records of the case."""
        return consents_of(self.case)

    @cached_property
    def today(self) -> date:
        """The site's calendar day at the instant asked about."""
        return self.case.local_date(self.at)

    def reference_day(self, name: ReferenceDay) -> date | None:
        """The day a criterion counts from; None while there is no such day.

        Before randomization its reference day is the day asked about, so that a look-back is
        tested again each time and last of all at randomization itself.
        """
        if name == "randomization":
            before = [when for when, _ in randomization_times(self.case) if when <= self.at]
            return self.case.local_date(before[0]) if before else self.today
        if name == "consent":
            given = [row for row in self.consents.given if row.given_at <= self.at]
            counted = next((row for row in given if row.valid), given[-1] if given else None)
            return self.case.local_date(counted.given_at) if counted else None
        started = [f for f in self.case.records.of(*SCREENINGS) if f.occurred_at <= self.at]
        return self.case.local_date(started[-1].occurred_at) if started else None

    def observed(self, *types: str) -> list[Fact]:
        """The evidence of these types taken by then, in the order it was taken."""
        found = [f for f in self.case.records.of(*types) if observed_at(f) <= self.at]
        return sorted(found, key=lambda fact: (observed_at(fact), fact.seq))

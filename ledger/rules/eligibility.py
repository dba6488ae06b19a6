"""Eligibility: each criterion's signed assessment beside what the data say, and the whole.

Eligible is who meets every inclusion criterion and shows no exclusion criterion, each by a signed
assessment that the data do not contradict. There is no waiver (R-50 to R-52).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.rules.case import once_a_case
from ledger.rules.criteria import derive
from ledger.rules.delegation import is_signed
from ledger.rules.derivation import SCREENINGS, Derivation, Question, passes
from ledger.rules.members import text
from ledger.rules.strata import stratum_of

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.trials.criteria import Criterion

ASSESSED = "criterion.assessed.v1"
CONFIRMED = "eligibility.confirmed.v1"
REVOKED = "eligibility.revoked.v1"
SCREEN_FAILED = "subject.screen-failed.v1"

__all__ = [
    "CriterionRow",
    "Eligibility",
    "current_assessments",
    "eligibility",
    "stratum_of",
]


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """One criterion: the assessment that counts, if any, and what the data say."""

    criterion: Criterion
    assessment: Fact | None
    derived: Derivation

    @property
    def result(self) -> str | None:
        """The result as assessed; None while nobody assessed it."""
        return text(self.assessment.data, "result") if self.assessment is not None else None

    @property
    def conflict(self) -> bool:
        """Whether assessment and data contradict each other on whether the subject may enter.

        What a criterion leaves to judgement, data cannot contradict.
        """
        if self.result is None or self.criterion.basis == "judgement":
            return False
        assessed = passes(self.criterion, self.result)
        derived = passes(self.criterion, self.derived.result)
        return assessed is not None and derived is not None and assessed != derived

    @property
    def passing(self) -> bool:
        """Whether the criterion is passed: assessed so, signed, and by data that do not object."""
        if self.assessment is None or not is_signed(self.assessment) or self.conflict:
            return False
        if self.derived.result == "INDETERMINATE" and not self.derived.judgeable:
            return False
        return passes(self.criterion, self.result or "INDETERMINATE") is True

    @property
    def open_point(self) -> str | None:
        """What keeps the criterion from being passed, as a sentence; None when it is passed."""
        name = self.criterion.id
        if self.passing:
            return None
        if self.assessment is None:
            return f"{name} is not assessed."
        if self.conflict:
            data = f"the data say {self.derived.result}: {self.derived.reason}"
            return f"{name} is assessed {self.result}, but {data}"
        if passes(self.criterion, self.result or "INDETERMINATE") is not True:
            return f"{name} is assessed {self.result}."
        if not is_signed(self.assessment):
            return f"The assessment of {name} is not signed."
        return f"{name} cannot be shown: {self.derived.reason}"


@dataclass(frozen=True, slots=True)
class Eligibility:
    """All criteria of the protocol, in its order, at an instant."""

    at: datetime
    rows: tuple[CriterionRow, ...]

    @property
    def passing(self) -> bool:
        """Whether every criterion is passed."""
        return all(row.passing for row in self.rows)

    @property
    def missing(self) -> tuple[CriterionRow, ...]:
        """The criteria nobody assessed."""
        return tuple(row for row in self.rows if row.assessment is None)

    @property
    def conflicts(self) -> tuple[CriterionRow, ...]:
        """The criteria whose assessment the data contradict."""
        return tuple(row for row in self.rows if row.conflict)

    @property
    def open_points(self) -> tuple[str, ...]:
        """What keeps the subject from being eligible, a sentence each."""
        return tuple(point for row in self.rows if (point := row.open_point) is not None)


@once_a_case
def eligibility(case: Case, at: datetime) -> Eligibility:
    """Every criterion as assessed and as the data say, at an instant of occurrence."""
    question = Question(case, at)
    assessed = current_assessments(case, at)
    rows = tuple(
        CriterionRow(criterion, assessed.get(criterion.id), derive(question, criterion))
        for criterion in case.protocol.criteria
    )
    return Eligibility(at, rows)


def current_assessments(case: Case, at: datetime) -> dict[str, Fact]:
    """The last assessment of each criterion since the current screening began, by criterion."""
    started = [fact.occurred_at for fact in case.records.of(*SCREENINGS) if fact.occurred_at <= at]
    return {
        text(fact.data, "criterion_id") or "": fact
        for fact in case.records.of(ASSESSED)
        if fact.occurred_at <= at and (not started or fact.occurred_at >= started[-1])
    }

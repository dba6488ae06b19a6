"""Eligibility criteria as data: the text verbatim, who decides, and the rule that reads evidence.

A criterion's ``parameters`` name the rule by their member ``rule``; a new trial picks from these
rules and gives its own numbers, so no bound stands in code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from ledger.trials.grammar import Code, Count, Days, EventTypeName, Matches, Years

ConsentScope: TypeAlias = Literal[
    "intervention", "visits", "record_review", "samples", "secondary_use"
]
ReferenceDay: TypeAlias = Literal["consent", "screening-started", "randomization"]


@dataclass(frozen=True, slots=True)
class AgeRange:
    """Age in completed years on the reference day lies between two bounds, both included."""

    rule: Literal["age-range"]
    minimum_years: Years
    maximum_years: Years
    reference: ReferenceDay


@dataclass(frozen=True, slots=True)
class ConsentValid:
    """Consent to a scope is valid at the assessment and again at randomization."""

    rule: Literal["consent-valid"]
    scope: ConsentScope


@dataclass(frozen=True, slots=True)
class DiagnosisJudged:
    """A physician judges that the disease is present; codes and Child-Pugh grades support it."""

    rule: Literal["diagnosis-judged"]
    code_system: str
    code_prefixes: tuple[Code, ...]
    child_pugh_grades: tuple[Literal["A", "B", "C"], ...]


@dataclass(frozen=True, slots=True)
class NamedCondition:
    """A condition the criterion names, found by the beginnings of its diagnosis codes."""

    name: str
    code_prefixes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class ConditionsAbsent:
    """None of the named conditions stands in the history (``ever``) or is ``current``.

    With ``other_conditions_by_judgement`` the data can prove the criterion present, but only a
    physician can state that it is absent.
    """

    rule: Literal["conditions-absent"]
    code_system: str
    conditions: tuple[NamedCondition, ...]
    timing: Literal["ever", "current"]
    other_conditions_by_judgement: bool


@dataclass(frozen=True, slots=True)
class InfectionAbsent:
    """A screening test is not reactive, or a confirmatory test decides; codes prove presence."""

    rule: Literal["infection-absent"]
    screening_test_codes: tuple[Code, ...]
    confirmatory_test_codes: tuple[Code, ...]
    code_system: str
    code_prefixes: tuple[Code, ...]


@dataclass(frozen=True, slots=True)
class NoTherapyWithin:
    """No dose of the therapy classes within calendar years before the reference day.

    ``boundary_day_counts``: a last dose exactly that many years before is within.
    """

    rule: Literal["no-therapy-within"]
    therapy_classes: tuple[Code, ...]
    disregarded_routes: tuple[Code, ...]
    lookback_years: Years
    boundary_day_counts: bool
    reference: ReferenceDay


@dataclass(frozen=True, slots=True)
class NoTrialWithin:
    """No participation in another trial within days before the reference day."""

    rule: Literal["no-trial-within"]
    lookback_days: Days
    boundary_day_counts: bool
    reference: ReferenceDay


@dataclass(frozen=True, slots=True)
class NotPregnantOrBreastfeeding:
    """A test within its validity is negative and breastfeeding is denied, where either applies."""

    rule: Literal["not-pregnant-or-breastfeeding"]
    repeat_before_each_infusion: bool


@dataclass(frozen=True, slots=True)
class AllergiesAbsent:
    """None of the named kinds, and fewer than ``multiple_from`` allergies as counted."""

    rule: Literal["allergies-absent"]
    named_kinds: tuple[Code, ...]
    multiple_from: Count
    multiple_counts: Literal[
        "drugs-and-foods-together", "drugs-or-foods-apart", "both-drugs-and-foods"
    ]


@dataclass(frozen=True, slots=True)
class JudgementOnly:
    """Nothing in the data decides; the physician judges and gives a reason if present."""

    rule: Literal["judgement"]
    reason_required_when_present: bool


CriterionParameters: TypeAlias = (
    AgeRange
    | ConsentValid
    | DiagnosisJudged
    | ConditionsAbsent
    | InfectionAbsent
    | NoTherapyWithin
    | NoTrialWithin
    | NotPregnantOrBreastfeeding
    | AllergiesAbsent
    | JudgementOnly
)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One inclusion or exclusion criterion.

    ``basis``: ``derived`` = the data decide; ``evidence`` = the data can prove presence, a
    physician states absence; ``judgement`` = a physician decides. All need a signed assessment.
    ``evidence`` names the event types an assessment may cite.
    """

    id: Annotated[str, Matches(r"(IN|EX)[0-9]{2}", "IN or EX and two digits")]
    kind: Literal["inclusion", "exclusion"]
    text: str
    basis: Literal["derived", "evidence", "judgement"]
    evidence: tuple[EventTypeName, ...]
    parameters: CriterionParameters

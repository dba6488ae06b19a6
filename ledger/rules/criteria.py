"""The criteria as the data decide them: one rule per kind, with the protocol's numbers.

Three values each: proven one way, proven the other, or INDETERMINATE. Nothing unknown is ever
taken as passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.calendar import (
    DaySpan,
    add_days,
    completed_years_span,
    exact_day,
    parse_partial_date,
)
from ledger.rules.child_pugh import ChildPughScore
from ledger.rules.criteria_history import allergies_absent, conditions_absent, no_therapy_within
from ledger.rules.criteria_tests import infection_absent, not_pregnant_or_breastfeeding
from ledger.rules.derivation import Derivation, Question, undecided, within
from ledger.rules.members import flag, partial_date, text, whole
from ledger.rules.strata import baseline_child_pugh
from ledger.trials.criteria import (
    AgeRange,
    AllergiesAbsent,
    ConditionsAbsent,
    ConsentValid,
    DiagnosisJudged,
    InfectionAbsent,
    JudgementOnly,
    NoTherapyWithin,
    NotPregnantOrBreastfeeding,
    NoTrialWithin,
)

if TYPE_CHECKING:
    from ledger.trials.criteria import Criterion

DEMOGRAPHICS = "demographics.recorded.v1"
IDENTIFIED = "subject.identified.v1"
PARTICIPATION = "prior-trial-participation.recorded.v1"


def derive(question: Question, criterion: Criterion) -> Derivation:
    """What the records at hand say of one criterion at the instant asked about."""
    match criterion.parameters:
        case AgeRange() as rule:
            found = _age_range(question, rule)
        case ConsentValid() as rule:
            found = _consent_valid(question, rule)
        case DiagnosisJudged() as rule:
            found = _diagnosis_judged(question, rule)
        case NoTrialWithin() as rule:
            found = _no_trial_within(question, rule)
        case NoTherapyWithin() as rule:
            found = no_therapy_within(question, rule)
        case _ as rule:
            found = _absence(question, rule)
    return found


def _absence(
    question: Question,
    rule: ConditionsAbsent
    | InfectionAbsent
    | NotPregnantOrBreastfeeding
    | AllergiesAbsent
    | JudgementOnly,
) -> Derivation:
    match rule:
        case ConditionsAbsent():
            found = conditions_absent(question, rule)
        case InfectionAbsent():
            found = infection_absent(question, rule)
        case NotPregnantOrBreastfeeding():
            found = not_pregnant_or_breastfeeding(question)
        case AllergiesAbsent():
            found = allergies_absent(question, rule)
        case JudgementOnly():
            reason = "The criterion rests on a physician's judgement."
            found = undecided(reason, judgeable=True)
    return found


def birth_span(question: Question) -> tuple[DaySpan | None, tuple[str, ...]]:
    """The days of birth that all records agree on, and the records; None if unknown or at odds."""
    spans: list[DaySpan] = []
    evidence: list[str] = []
    for fact in question.case.records.of(IDENTIFIED, DEMOGRAPHICS):
        span = partial_date(fact.data, "birth_date")
        year = whole(fact.data, "birth_year")
        if span is None and year is not None:
            span = parse_partial_date(f"{year:04}", "year")
        if span is not None:
            spans.append(span)
            evidence.append(fact.id)
    if not spans:
        return None, ()
    earliest, latest = max(s.earliest for s in spans), min(s.latest for s in spans)
    return (DaySpan(earliest, latest) if earliest <= latest else None), tuple(evidence)


def _erasures(question: Question) -> list[str]:
    facts = question.case.records.of(IDENTIFIED, DEMOGRAPHICS)
    return list(dict.fromkeys(act for fact in facts for act in fact.record.erased))


def _age_range(question: Question, rule: AgeRange) -> Derivation:
    reference = question.reference_day(rule.reference)
    if reference is None:
        return undecided(f"There is no day of {rule.reference} yet to count the age from.")
    birth, evidence = birth_span(question)
    if birth is None and not evidence and (acts := _erasures(question)):
        # What was judged while it could be read stands; nobody deviates by an erasure.
        reason = f"The date of birth was erased by {', '.join(acts)}; the assessment stands."
        return undecided(reason, judgeable=True)
    if birth is None:
        reason = (
            "The dates of birth recorded disagree." if evidence else "No date of birth is known."
        )
        return undecided(reason, evidence=evidence)
    least, greatest = completed_years_span(birth, exact_day(reference))
    if rule.minimum_years <= least and greatest <= rule.maximum_years:
        reason = f"The age on {reference} was {_years(least, greatest)}."
        return Derivation(result="MET", reason=reason, evidence=evidence)
    if greatest < rule.minimum_years or least > rule.maximum_years:
        reason = f"The age on {reference} was {_years(least, greatest)}."
        return Derivation(result="NOT_MET", reason=reason, evidence=evidence)
    return undecided(
        f"The date of birth is not known well enough: {_years(least, greatest)} on {reference}.",
        evidence=evidence,
    )


def _years(least: int, greatest: int) -> str:
    return f"{least} years" if least == greatest else f"{least} or {greatest} years"


def _consent_valid(question: Question, rule: ConsentValid) -> Derivation:
    found = question.consents.standing(rule.scope, question.at)
    evidence = (found.event,) if found.event else ()
    return Derivation(
        result="MET" if found.valid else "NOT_MET", reason=found.reason, evidence=evidence
    )


def _diagnosis_judged(question: Question, rule: DiagnosisJudged) -> Derivation:
    supporting = [
        fact
        for fact in question.observed("diagnosis.recorded.v1", "medical-history.recorded.v1")
        if text(fact.data, "code_system") == rule.code_system
        and (text(fact.data, "code") or "").startswith(rule.code_prefixes)
    ]
    score, inputs = baseline_child_pugh(question.case, question.at)
    said = [f"the diagnosis {text(fact.data, 'code')}" for fact in supporting]
    if isinstance(score, ChildPughScore) and score.grade in rule.child_pugh_grades:
        said.append(f"Child-Pugh class {score.grade}")
    reason = f"Supported by {', '.join(said)}." if said else "No recorded data support it."
    evidence = (*(fact.id for fact in supporting), *inputs)
    return undecided(reason, evidence=evidence, judgeable=True)


def _no_trial_within(question: Question, rule: NoTrialWithin) -> Derivation:
    reference = question.reference_day(rule.reference)
    facts = question.case.records.of(PARTICIPATION)
    if not facts or reference is None:
        return undecided("Whether the subject took part in another trial is not recorded.")
    first = add_days(reference, -rule.lookback_days)
    if not rule.boundary_day_counts:
        first = add_days(first, 1)
    evidence = tuple(fact.id for fact in facts)
    unknown = False
    for fact in facts:
        if flag(fact.data, "participated") is False:
            continue
        last = partial_date(fact.data, "last_participation")
        if last is None:
            unknown = True
            continue
        recent = within(last, first, reference)
        # A last day beyond the reference day leaves open whether there was an earlier one.
        if last.on_or_before(reference) is False:
            recent = None
        if recent:
            return Derivation(
                result="PRESENT",
                reason=f"The subject took part in another trial on or after {first}.",
                evidence=(fact.id,),
            )
        unknown = unknown or recent is None
    if unknown:
        reason = "The day of the last participation in another trial is not known well enough."
        return undecided(reason, evidence=evidence)
    reason = f"No participation in another trial from {first} to {reference}."
    return Derivation(result="ABSENT", reason=reason, evidence=evidence)

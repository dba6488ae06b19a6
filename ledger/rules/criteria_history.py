"""Criteria read from the history: conditions, therapies, allergies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.calendar import add_days, add_years, exact_day
from ledger.rules.derivation import Derivation, Question, undecided
from ledger.rules.members import flag, partial_date, text, whole

if TYPE_CHECKING:
    from datetime import date

    from ledger.history import Fact
    from ledger.trials.criteria import AllergiesAbsent, ConditionsAbsent, NoTherapyWithin

DIAGNOSIS = "diagnosis.recorded.v1"
HISTORY = "medical-history.recorded.v1"
TRANSPLANT = "transplant.recorded.v1"
THERAPY = "concomitant-therapy.recorded.v1"
ALLERGY = "allergy.recorded.v1"


def conditions_absent(question: Question, rule: ConditionsAbsent) -> Derivation:
    """PRESENT when a coded condition is proven to stand; ABSENT only where data may say so.

    A record without a code of the protocol's system cannot be compared, and is named.
    """
    facts = question.case.records.of(DIAGNOSIS, HISTORY, TRANSPLANT)
    doubtful: list[str] = []
    for fact in facts:
        named = _condition_named(fact, rule)
        stands = _stands(question, fact, rule.timing) if named is not None else None
        if named and stands:
            return Derivation(result="PRESENT", reason=f"Recorded: {named}.", evidence=(fact.id,))
        if named == "" or (named and stands is None):
            doubtful.append(fact.id)
    evidence = tuple(doubtful) or tuple(fact.id for fact in facts)
    if doubtful:
        reason = "A recorded condition lacks the code or the dates that would decide."
        return undecided(reason, evidence=evidence, judgeable=True)
    if rule.other_conditions_by_judgement:
        reason = "None of the named conditions is recorded; absence is for a physician to state."
        return undecided(reason, evidence=evidence, judgeable=True)
    if not facts:
        return undecided("No diagnosis or history is recorded.", judgeable=True)
    reason = "None of the named conditions is among those recorded."
    return Derivation(result="ABSENT", reason=reason, evidence=evidence)


def _condition_named(fact: Fact, rule: ConditionsAbsent) -> str | None:
    """The name of the condition a record matches, None if none, empty if it cannot be told."""
    if fact.type == TRANSPLANT:
        organ = text(fact.data, "organ") or ""
        return next((row.name for row in rule.conditions if organ in row.name.split()), None)
    code = text(fact.data, "code")
    if code is None or text(fact.data, "code_system") != rule.code_system:
        return ""
    return next((row.name for row in rule.conditions if code.startswith(row.code_prefixes)), None)


def _stands(question: Question, fact: Fact, timing: str) -> bool | None:
    """Whether a condition had begun, and where only the current counts, had not ended."""
    began = _had_begun(question, fact)
    if timing == "ever" or not began:
        return began
    ended = partial_date(fact.data, "ended")
    if ended is not None:
        return ended.on_or_after(question.today)
    return flag(fact.data, "ongoing")


def _had_begun(question: Question, fact: Fact) -> bool | None:
    name = "transplanted_on" if fact.type == TRANSPLANT else "onset"
    onset = partial_date(fact.data, name)
    if fact.occurred_at <= question.at:
        return True
    if onset is not None:
        return onset.on_or_before(question.today)
    # History taken afterwards may tell of earlier days; a later diagnosis or transplant does not.
    return None if fact.type == HISTORY else False


def no_therapy_within(question: Question, rule: NoTherapyWithin) -> Derivation:
    """PRESENT when a last dose may not lie before the look-back; dates known in part are spans."""
    reference = question.reference_day(rule.reference)
    if reference is None:
        return undecided(f"There is no day of {rule.reference} yet to look back from.")
    first = add_years(reference, -rule.lookback_years)
    if not rule.boundary_day_counts:
        first = add_days(first, 1)
    facts = question.case.records.of(THERAPY)
    matching = [fact for fact in facts if text(fact.data, "therapy_class") in rule.therapy_classes]
    counted = [f for f in matching if text(f.data, "route") not in rule.disregarded_routes]
    doubtful: list[str] = []
    for fact in counted:
        recent = _dosed_within(question, fact, first, reference)
        if recent and (text(fact.data, "route") is not None or not rule.disregarded_routes):
            reason = f"{text(fact.data, 'therapy_class')} was given on or after {first}."
            return Derivation(result="PRESENT", reason=reason, evidence=(fact.id,))
        if recent is not False:
            doubtful.append(fact.id)
    if doubtful:
        reason = f"The dates or the route of a therapy do not tell whether it falls after {first}."
        return undecided(reason, evidence=tuple(doubtful))
    if not facts:
        return undecided("No therapy is recorded.", judgeable=True)
    reason = f"No dose of the named classes from {first} to {reference} is recorded."
    return Derivation(result="ABSENT", reason=reason, evidence=tuple(fact.id for fact in matching))


def _dosed_within(question: Question, fact: Fact, first: date, reference: date) -> bool | None:
    start, end = partial_date(fact.data, "start"), partial_date(fact.data, "end")
    begun = start.on_or_before(reference) if start is not None else None
    if begun is False:
        return False
    recorded = exact_day(question.case.local_date(fact.occurred_at))
    if start is None and recorded.on_or_before(reference):
        begun = True
    lasted = end.on_or_after(first) if end is not None else None
    # What went on when it was recorded was given that day; for how long after is not known.
    if end is None and flag(fact.data, "ongoing") and recorded.on_or_after(first):
        lasted = True
    if lasted is None and start is not None and start.on_or_after(first):
        lasted = True
    if lasted is False:
        return False
    return True if lasted and begun else None


def allergies_absent(question: Question, rule: AllergiesAbsent) -> Derivation:
    """PRESENT when a named kind is recorded or the allergies counted reach the limit."""
    facts = question.observed(ALLERGY)
    for fact in facts:
        if text(fact.data, "kind") in rule.named_kinds:
            reason = f"Recorded: {text(fact.data, 'kind')}."
            return Derivation(result="PRESENT", reason=reason, evidence=(fact.id,))
    drugs, foods = _count(facts, "drug"), _count(facts, "food")
    match rule.multiple_counts:
        case "drugs-and-foods-together":
            multiple = drugs + foods >= rule.multiple_from
        case "drugs-or-foods-apart":
            multiple = max(drugs, foods) >= rule.multiple_from
        case "both-drugs-and-foods":
            multiple = min(drugs, foods) >= rule.multiple_from
    evidence = tuple(fact.id for fact in facts)
    if multiple:
        reason = f"Recorded: allergies to {drugs} drugs and {foods} foods."
        return Derivation(result="PRESENT", reason=reason, evidence=evidence)
    reason = "The allergies recorded do not decide; absence is for a physician to state."
    return undecided(reason, evidence=evidence, judgeable=True)


def _count(facts: list[Fact], kind: str) -> int:
    return sum(
        max(whole(fact.data, f"{kind}_count") or 0, int(text(fact.data, "kind") == kind))
        for fact in facts
    )

"""Criteria read from tests: infections by screening and confirmation, pregnancy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.derivation import Derivation, Question, observed_at, undecided
from ledger.rules.members import flag, text

if TYPE_CHECKING:
    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.trials.criteria import InfectionAbsent

LAB = "lab-result.recorded.v1"
PREGNANCY = "pregnancy-test.recorded.v1"
REACTIVE = frozenset({"reactive", "positive", "detected"})
NOT_REACTIVE = frozenset({"non-reactive", "not-reactive", "negative", "not-detected"})


def infection_absent(question: Question, rule: InfectionAbsent) -> Derivation:
    """A code or confirmatory test proves the infection; a reactive screen alone decides nothing."""
    for fact in question.observed("diagnosis.recorded.v1", "medical-history.recorded.v1"):
        if text(fact.data, "code_system") == rule.code_system and (
            text(fact.data, "code") or ""
        ).startswith(rule.code_prefixes):
            reason = f"Recorded: the diagnosis {text(fact.data, 'code')}."
            return Derivation(result="PRESENT", reason=reason, evidence=(fact.id,))
    screens = _latest(question, rule.screening_test_codes)
    confirmations = _latest(question, rule.confirmatory_test_codes)
    evidence = tuple(fact.id for fact in (*screens, *confirmations))
    if any(_reactive(fact) for fact in confirmations):
        reason = "A confirmatory test is positive."
        return Derivation(result="PRESENT", reason=reason, evidence=evidence)
    if not screens:
        return undecided("No screening test is recorded.", evidence=evidence)
    if all(_reactive(fact) is False for fact in screens):
        reason = "The screening test is negative."
        return Derivation(result="ABSENT", reason=reason, evidence=evidence)
    last_screen = max(observed_at(fact) for fact in screens)
    if any(_reactive(f) is False and observed_at(f) >= last_screen for f in confirmations):
        reason = "The screening test is not negative, the confirmatory test is."
        return Derivation(result="ABSENT", reason=reason, evidence=evidence)
    return undecided("The screening test needs a confirmatory test.", evidence=evidence)


def _latest(question: Question, codes: tuple[str, ...]) -> list[Fact]:
    """The last result of each of these tests."""
    found = {text(fact.data, "test_code"): fact for fact in question.observed(LAB)}
    return [found[code] for code in codes if code in found]


def _reactive(fact: Fact) -> bool | None:
    word = (text(fact.data, "result") or "").lower()
    return True if word in REACTIVE else False if word in NOT_REACTIVE else None


def not_pregnant_or_breastfeeding(question: Question) -> Derivation:
    """Not applicable to males and those who cannot bear; else a valid test and a statement."""
    sex, sexed_by = _sex(question.case)
    if sex == "male":
        reason = "The subject is male."
        return Derivation(result="NOT_APPLICABLE", reason=reason, evidence=sexed_by)
    tests = question.observed(PREGNANCY)
    if not tests:
        return undecided("No pregnancy test or statement is recorded.", evidence=sexed_by)
    return _by_tests(question, tests)


def _by_tests(question: Question, tests: list[Fact]) -> Derivation:
    last, evidence = tests[-1], tuple(fact.id for fact in tests)
    stated = [f for f in tests if flag(f.data, "breastfeeding") is not None]
    breastfeeding = flag(stated[-1].data, "breastfeeding") if stated else None
    if breastfeeding or text(last.data, "result") == "positive":
        reason = "The subject breast-feeds." if breastfeeding else "The last test is positive."
        return Derivation(result="PRESENT", reason=reason, evidence=evidence)
    if flag(last.data, "childbearing_potential") is False:
        reason = "A pregnancy is not possible."
        return Derivation(result="NOT_APPLICABLE", reason=reason, evidence=(last.id,))
    lacking = None
    if text(last.data, "result") != "negative":
        lacking = "The last pregnancy test has no clear result."
    elif not _in_validity(question, last):
        lacking = "The last pregnancy test is no longer valid."
    elif breastfeeding is None:
        lacking = "Whether the subject breast-feeds is not stated."
    if lacking is not None:
        return undecided(lacking, evidence=evidence)
    reason = "The last test is negative and the subject does not breast-feed."
    return Derivation(result="ABSENT", reason=reason, evidence=evidence)


def _in_validity(question: Question, fact: Fact) -> bool:
    limits = question.case.protocol.screening.evidence_validity
    days = next((row.days for row in limits if row.evidence == "pregnancy-test"), None)
    asked = question.reference_day("randomization") or question.today
    age = (asked - question.case.local_date(observed_at(fact))).days
    return days is None or age <= days


def _sex(case: Case) -> tuple[str | None, tuple[str, ...]]:
    facts = case.records.of("subject.identified.v1", "demographics.recorded.v1")
    return (text(facts[-1].data, "sex"), (facts[-1].id,)) if facts else (None, ())

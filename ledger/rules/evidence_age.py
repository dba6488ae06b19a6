"""How old the tests are that eligibility rests on (DV-13, and the guard that goes before it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.rules.derivation import observed_at
from ledger.rules.eligibility import eligibility
from ledger.rules.members import text, texts
from ledger.trials.criteria import InfectionAbsent

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.eligibility import CriterionRow

EVIDENCE_KINDS = {
    "lab-result.recorded.v1": "lab-result",
    "clinical-assessment.recorded.v1": "clinical-assessment",
    "pregnancy-test.recorded.v1": "pregnancy-test",
    "procedure.recorded.v1": "imaging",
}


@dataclass(frozen=True, slots=True)
class OutdatedEvidence:
    """A test that is older, in local days, than its kind may be."""

    fact: Fact
    kind: str
    age_days: int
    limit_days: int

    @property
    def message(self) -> str:
        """One sentence that says how old it is and how old it might be."""
        return (
            f"{self.kind} used for eligibility was {self.age_days} days old; "
            f"{self.limit_days} allowed."
        )


def outdated_evidence(case: Case, at: datetime) -> list[OutdatedEvidence]:
    """The tests that assessments rest on and that are too old at an instant.

    Of several results of one test for a criterion the newest counts. What an assessment rests on
    are the records it cites and those the data decide the criterion by.
    """
    limits = {row.evidence: row.days for row in case.protocol.screening.evidence_validity}
    infection_tests = {
        code
        for criterion in case.protocol.criteria
        if isinstance(rule := criterion.parameters, InfectionAbsent)
        for code in (*rule.screening_test_codes, *rule.confirmatory_test_codes)
    }
    used: dict[str, Fact] = {}
    for row in eligibility(case, at).rows:
        for fact in _newest(case, row, at):
            used[fact.id] = fact
    found: list[OutdatedEvidence] = []
    for fact in used.values():
        is_infection = text(fact.data, "test_code") in infection_tests
        kind = "infection-test" if is_infection else EVIDENCE_KINDS[fact.type]
        age = (case.local_date(at) - case.local_date(observed_at(fact))).days
        if kind in limits and age > limits[kind]:
            found.append(OutdatedEvidence(fact, kind, age, limits[kind]))
    return found


def _newest(case: Case, row: CriterionRow, at: datetime) -> list[Fact]:
    if row.assessment is None:
        return []
    newest: dict[tuple[str, str | None], Fact] = {}
    for name in (*texts(row.assessment.data, "evidence"), *row.derived.evidence):
        fact = case.records.facts.get(name)
        if fact is None or fact.voided_by or fact.type not in EVIDENCE_KINDS:
            continue
        code = text(fact.data, "test_code") or text(fact.data, "procedure")
        known = newest.get((fact.type, code))
        taken = observed_at(fact)
        if taken <= at and (known is None or taken > observed_at(known)):
            newest[(fact.type, code)] = fact
    return list(newest.values())

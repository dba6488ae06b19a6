"""Deviations of eligibility: DV-10 to DV-13 and DV-43 (ICH E6(R3) 2.7.1, 4.3.5; no waivers)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.delegation import delegations_on, is_signed, persons_of, roles_at
from ledger.rules.derivation import observed_at, passes, randomization_times
from ledger.rules.deviation import CaseRule, Finding, Severity, Standing
from ledger.rules.documents import ethics_approval, site_active
from ledger.rules.eligibility import ASSESSED, CONFIRMED, REVOKED, eligibility
from ledger.rules.evidence_age import outdated_evidence
from ledger.rules.findings import one_per_anchor
from ledger.rules.members import text, texts
from ledger.vocabulary import Role, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.eligibility import CriterionRow


def criteria_were_passed(case: Case) -> Iterable[Finding]:
    """DV-10: nobody is randomized who failed a criterion, also when it is found out later.

    What counts is what was so at randomization: evidence from before it, whenever recorded, and a
    later judgement that rests on such evidence.
    """
    found: list[Finding] = []
    for at, randomized in randomization_times(case)[:1]:
        for row in eligibility(case, at).rows:
            found += _failed(row, randomized, at)
        found += _found_later(case, at)
    return one_per_anchor(found, default=Severity.CRITICAL)


def _failed(row: CriterionRow, randomized: Fact, at: datetime) -> Iterator[Finding]:
    name, decided = row.criterion.id, row.derived
    if row.assessment is not None and passes(row.criterion, row.result or "") is False:
        yield Finding(
            row.assessment.id, at, f"Randomized although {name} was assessed {row.result}."
        )
    if row.criterion.basis != "judgement" and passes(row.criterion, decided.result) is False:
        yield Finding(
            decided.evidence[0] if decided.evidence else randomized.id,
            at,
            f"Randomized although the data say {decided.result} of {name}: {decided.reason}",
            evidence=decided.evidence,
        )


def _found_later(case: Case, at: datetime) -> Iterator[Finding]:
    for fact in case.records.of(ASSESSED):
        criterion = case.protocol.criterion(text(fact.data, "criterion_id") or "")
        result = text(fact.data, "result") or ""
        if fact.occurred_at <= at or criterion is None or passes(criterion, result) is not False:
            continue
        cited = [case.records.facts.get(name) for name in texts(fact.data, "evidence")]
        known = [evidence for evidence in cited if evidence is not None]
        message = f"After randomization {criterion.id} was assessed {result}."
        if any(observed_at(evidence) <= at for evidence in known):
            yield Finding(fact.id, at, message, evidence=tuple(e.id for e in known))
        elif not known:
            message += " Whether it was so at randomization is not stated."
            yield Finding(fact.id, at, message, Standing.INDETERMINATE)


def criteria_were_decided(case: Case) -> Iterator[Finding]:
    """DV-11: nobody is randomized with a criterion undecided or not assessed."""
    for at, randomized in randomization_times(case)[:1]:
        rows = eligibility(case, at).rows
        absent = [row.criterion.id for row in rows if row.assessment is None]
        undecided = [row.criterion.id for row in rows if row.result == "INDETERMINATE"]
        unproven = [
            row.criterion.id
            for row in rows
            if row.result not in (None, "INDETERMINATE")
            and row.derived.result == "INDETERMINATE"
            and not row.derived.judgeable
        ]
        parts = [
            f"{word}: {', '.join(names)}."
            for word, names in (("Not assessed", absent), ("Assessed as undecided", undecided))
            if names
        ]
        if parts:
            yield Finding(randomized.id, at, f"Randomized all the same. {' '.join(parts)}")
        elif unproven:
            message = f"The data do not decide: {', '.join(unproven)}."
            yield Finding(randomized.id, at, message, Standing.INDETERMINATE)


def eligibility_was_confirmed(case: Case) -> Iterator[Finding]:
    """DV-12: a physician confirmed eligibility by signature before randomization."""
    for at, randomized in randomization_times(case)[:1]:
        confirmed = [fact for fact in case.records.of(CONFIRMED) if fact.occurred_at <= at]
        revoked = [fact for fact in case.records.of(REVOKED) if fact.occurred_at <= at]
        if not confirmed:
            yield Finding(randomized.id, at, "Eligibility was not confirmed before randomization.")
        elif revoked and revoked[-1].order > confirmed[-1].order:
            message = "The confirmation of eligibility had been revoked before randomization."
            yield Finding(randomized.id, at, message, evidence=(revoked[-1].id,))
        elif not is_signed(confirmed[-1]):
            message = "The confirmation of eligibility is not signed by a person."
            yield Finding(randomized.id, at, message, evidence=(confirmed[-1].id,))
        elif not _by_physician(case, confirmed[-1]):
            message = "Eligibility was not confirmed by a delegated physician."
            yield Finding(randomized.id, at, message, evidence=(confirmed[-1].id,))


def _by_physician(case: Case, fact: Fact) -> bool:
    day = case.local_date(fact.occurred_at)
    for person in persons_of(fact, case.register):
        if Role.PRINCIPAL_INVESTIGATOR in roles_at(case.register, person, case.site_id, fact.seq):
            return True
        delegations = delegations_on(case.register, person, case.site_id, day)
        if any(row.physician and Task.ELIGIBILITY in row.tasks for row in delegations):
            return True
    return False


def evidence_was_fresh(case: Case) -> Iterator[Finding]:
    """DV-13: no test that an assessment rests on is older at randomization than it may be.

    Of several results of one test for a criterion the newest counts.
    """
    for at, _ in randomization_times(case)[:1]:
        for row in outdated_evidence(case, at):
            yield Finding(row.fact.id, at, row.message)


def site_was_open(case: Case) -> Iterator[Finding]:
    """DV-43: no consent, screening or randomization at a site that is not active or approved."""
    entries = [
        (fact.occurred_at, fact)
        for fact in case.records.of(
            "consent.obtained.v1", "screening.started.v1", "rescreening.started.v1"
        )
    ]
    for at, fact in [*entries, *randomization_times(case)]:
        if not site_active(case.site, at):
            yield Finding(fact.id, at, f"The site {case.site_id} was not active at that time.")
        elif not ethics_approval(case.trial, case.site, case.site_id, at):
            message = f"No ethics approval was in force for {case.site_id} at that time."
            yield Finding(fact.id, at, message)


CRITICAL = Severity.CRITICAL

CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule("DV-10", CRITICAL, "Randomized although a criterion fails.", criteria_were_passed),
    CaseRule(
        "DV-11", CRITICAL, "Randomized with a criterion undecided or absent.", criteria_were_decided
    ),
    CaseRule(
        "DV-12",
        CRITICAL,
        "Eligibility not confirmed by a physician's signature before randomization.",
        eligibility_was_confirmed,
    ),
    CaseRule(
        "DV-13",
        Severity.IMPORTANT,
        "A screening test older than allowed at randomization.",
        evidence_was_fresh,
    ),
    CaseRule(
        "DV-43",
        CRITICAL,
        "Screening or enrolment at a site not active or without ethics approval.",
        site_was_open,
    ),
)

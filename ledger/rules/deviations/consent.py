"""Deviations of consent: DV-01 to DV-09 and DV-40 (ICH E6(R3) 2.8; FDA 2008 on withdrawal)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ledger.rules.consent import ConsentState, consents_of
from ledger.rules.deviation import CaseRule, Finding, Severity, Standing
from ledger.rules.findings import one_per_anchor
from ledger.rules.members import flag, instant
from ledger.rules.procedures import collected_after_withdrawal, procedures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.consent import GivenConsent
    from ledger.rules.procedures import Procedure


def consent_before_procedures(case: Case) -> Iterable[Finding]:
    """DV-01: no procedure of the trial before the first valid consent to what it rests on.

    A consent that is not valid has its own findings; the procedures that rest on it make one
    finding together, at the first of them. A time of midnight sharp is read as a day without a
    time, so that order within that day cannot be shown.
    """
    consents = consents_of(case)
    tried = consents.given[0].given_at if consents.given else None
    resting: list[Procedure] = []
    for procedure in procedures(case):
        standing = _before(case, procedure.at, consents.first_valid_to(procedure.scope))
        if standing is None:
            continue
        if standing is Standing.DEVIATION and tried is not None and procedure.at >= tried:
            resting.append(procedure)
        elif standing is Standing.DEVIATION:
            message = f"{procedure.fact.type} took place before any valid consent."
            yield Finding(
                procedure.fact.id,
                procedure.at,
                message,
                tells_arm=_tells(procedure.fact),
            )
        else:
            message = f"{procedure.fact.type} and consent fall on one day in unknown order."
            yield Finding(
                procedure.fact.id,
                procedure.at,
                message,
                standing,
                tells_arm=_tells(procedure.fact),
            )
    if resting:
        yield Finding(
            resting[0].fact.id,
            resting[0].at,
            f"{len(resting)} procedures took place on a consent that is not valid.",
            evidence=tuple(row.fact.id for row in resting[1:]),
            tells_arm=any(_tells(row.fact) for row in resting),
        )


def _before(case: Case, at: datetime, first: GivenConsent | None) -> Standing | None:
    if first is None:
        return Standing.DEVIATION
    same_day = case.local_date(at) == case.local_date(first.given_at)
    if same_day and (_no_clock(case, at) or _no_clock(case, first.given_at)):
        return Standing.INDETERMINATE
    return Standing.DEVIATION if at < first.given_at else None


def _no_clock(case: Case, at: datetime) -> bool:
    clock = at.astimezone(case.zone).time()
    return (clock.hour, clock.minute, clock.second, clock.microsecond) == (0, 0, 0, 0)


def consent_flawless(case: Case, *, rule: str) -> Iterable[Finding]:
    """DV-02 to DV-05, DV-07: each consent was valid by what was in force when it was given."""
    found = [
        Finding(consent.fact.id, consent.given_at, problem.message, problem.standing)
        for consent in consents_of(case).given
        for problem in consent.problems
        if problem.rule == rule
    ]
    return one_per_anchor(found, default=_SEVERITY[rule])


def signed_together(case: Case) -> Iterator[Finding]:
    """DV-06: subject and leader sign on one day, the subject first."""
    for consent in consents_of(case).given:
        subject = instant(consent.fact.data, "participant_signed_at")
        leader = instant(consent.fact.data, "leader_signed_at")
        if subject is None or leader is None:
            continue
        since = max(subject, leader)
        if case.local_date(subject) != case.local_date(leader):
            message = "The subject and the leader of the discussion signed on different days."
            yield Finding(consent.fact.id, since, message)
        elif leader < subject:
            message = "The leader of the discussion signed before the subject."
            yield Finding(consent.fact.id, since, message)


def copy_given(case: Case) -> Iterator[Finding]:
    """DV-08: the subject has a copy of the signed form by the first procedure after it."""
    done = procedures(case)
    for consent in consents_of(case).given:
        first = next((row for row in done if row.at >= consent.given_at), None)
        if first is None:
            continue
        given_at = instant(consent.fact.data, "copy_given_at")
        given = flag(consent.fact.data, "copy_given")
        if given is False or (given_at is not None and given_at > first.at):
            yield Finding(
                consent.fact.id,
                first.at,
                "No copy of the signed form was given by the first procedure.",
                evidence=(first.fact.id,),
                tells_arm=_tells(first.fact),
            )


def reconsent_in_time(case: Case) -> Iterator[Finding]:
    """DV-09: no procedure on a consent whose renewal is overdue; one finding per obligation."""
    consents = consents_of(case)
    late: dict[str, list[Procedure]] = {}
    for procedure in procedures(case):
        found = consents.standing(procedure.scope, procedure.at)
        if found.state is ConsentState.RECONSENT_DUE and not found.valid and found.obligation:
            late.setdefault(found.obligation, []).append(procedure)
    for obligation, rows in late.items():
        yield Finding(
            obligation,
            rows[0].at,
            f"{len(rows)} procedures took place after consent should have been renewed.",
            evidence=tuple(row.fact.id for row in rows),
            tells_arm=any(_tells(row.fact) for row in rows),
        )


def nothing_after_withdrawal(case: Case) -> Iterator[Finding]:
    """DV-40: no data are collected after withdrawal of the scope they rest on.

    Infusions have their own rule (DV-19).
    """
    for row, found in collected_after_withdrawal(case):
        message = f"{row.fact.type} was collected after consent to {row.scope} was withdrawn."
        evidence = (found.event,) if found.event else ()
        yield Finding(row.fact.id, row.at, message, evidence=evidence)


def _tells(fact: Fact) -> bool:
    """Whether a finding at a record tells the arm: how many a treatment has must not be seen."""
    return fact.record.stream.startswith("treatment/")


CRITICAL, IMPORTANT, MINOR = Severity.CRITICAL, Severity.IMPORTANT, Severity.MINOR
_DEFINITIONS = {
    "DV-02": (
        CRITICAL,
        "Consent on a form not in force at that site, in that language, at that time.",
    ),
    "DV-03": (
        CRITICAL,
        "A signature of the subject, representative or discussion leader is missing.",
    ),
    "DV-04": (CRITICAL, "The one who consented cannot read, and no impartial witness was present."),
    "DV-05": (
        CRITICAL,
        "A representative's consent for a capable subject, or none for an incapable one.",
    ),
    "DV-07": (IMPORTANT, "The discussion leader was not delegated or trained for consent."),
}
_SEVERITY = {rule: severity for rule, (severity, _) in _DEFINITIONS.items()}

CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule(
        "DV-01", CRITICAL, "A procedure before the first valid consent.", consent_before_procedures
    ),
    *(
        CaseRule(rule, severity, meaning, partial(consent_flawless, rule=rule))
        for rule, (severity, meaning) in _DEFINITIONS.items()
    ),
    CaseRule(
        "DV-06",
        MINOR,
        "Subject and leader signed on different days, or leader first.",
        signed_together,
    ),
    CaseRule("DV-08", MINOR, "No copy of the signed form by the first procedure.", copy_given),
    CaseRule("DV-09", IMPORTANT, "A procedure after re-consent was overdue.", reconsent_in_time),
    CaseRule(
        "DV-40",
        CRITICAL,
        "Data collected after withdrawal of the matching scope.",
        nothing_after_withdrawal,
    ),
)

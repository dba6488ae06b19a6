"""Deviations of allocation and masking: DV-14 to DV-16, DV-37, DV-38 (ICH E9 2.3.2; E6(R3) 4.1)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.aggregates.allocation import ENVELOPE
from ledger.history import History
from ledger.rules.case import Case
from ledger.rules.derivation import randomization_times
from ledger.rules.deviation import CaseRule, Finding, Severity, Standing, TrialRule
from ledger.rules.enrolment import planned_number
from ledger.rules.findings import one_per_anchor
from ledger.rules.members import shapes, text, texts, whole
from ledger.rules.strata import stratum_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.deviation import TrialOverview

UNDECIDED = Standing.INDETERMINATE
IDENTIFIED = "subject.identified.v1"
BROKEN = "blind.broken.v1"
REASONED = "unblinding-reason.recorded.v1"
ACCIDENTAL = "accidental-unblinding.reported.v1"
DOWN, UP = "downtime.started.v1", "downtime.ended.v1"


def list_was_followed(overview: TrialOverview) -> Iterable[tuple[str | None, Finding]]:
    """DV-14: slots are used in order, once, in the right stratum, and by the system.

    An envelope is in order while a downtime is declared.
    """
    by_subject: dict[str, list[Finding]] = {}
    used: dict[str, set[int]] = {}
    for at, subject, fact in _in_order(overview):
        findings = by_subject.setdefault(subject, [])
        for message, standing in (
            *_slot(overview, fact, used),
            *_stratum(overview, subject, fact, at),
            *_way(overview, subject, fact, at),
        ):
            findings.append(Finding(fact.id, at, message, standing, tells_arm=True))
    for subject, findings in by_subject.items():
        for finding in one_per_anchor(findings, default=Severity.IMPORTANT):
            yield subject, finding


def _in_order(overview: TrialOverview) -> list[tuple[datetime, str, Fact]]:
    """All randomizations in order of time; the ledger's own in order of the log."""
    found = [
        (when, subject, fact)
        for subject, records in overview.subjects.items()
        for when, fact in randomization_times(_case(overview, subject, records))
    ]
    return sorted(found, key=lambda row: (row[0], row[2].seq))


def _slot(
    overview: TrialOverview, fact: Fact, used: dict[str, set[int]]
) -> Iterator[tuple[str, Standing]]:
    slot, stratum = whole(fact.data, "slot"), text(fact.data, "stratum")
    if slot is None or stratum is None:
        yield "Which slot of the list was used is not recorded.", UNDECIDED
        return
    sizes = _sizes(overview)
    taken = used.setdefault(stratum, set())
    if sizes and not 1 <= slot <= sizes.get(stratum, 0):
        yield f"The list has no slot {slot} in the stratum {stratum}.", Standing.DEVIATION
    elif slot in taken:
        yield f"The slot {slot} of {stratum} was used before.", Standing.DEVIATION
    else:
        due = next(number for number in range(1, slot + 1) if number not in taken)
        if slot != due:
            message = f"The slot {slot} of {stratum} was used while {due} was next."
            yield message, Standing.DEVIATION
    taken.add(slot)


def _sizes(overview: TrialOverview) -> dict[str, int]:
    sealed = overview.allocation.sealed_list
    rows = shapes(sealed.data, "strata") if sealed is not None else ()
    return {text(row, "stratum") or "": whole(row, "slots") or 0 for row in rows}


def _stratum(
    overview: TrialOverview, subject: str, fact: Fact, at: datetime
) -> Iterator[tuple[str, Standing]]:
    stated = text(fact.data, "stratum")
    if stated is None:
        return
    derived = stratum_of(_case(overview, subject, overview.subjects[subject]), at)
    if derived is None:
        yield "The baseline data do not tell the subject's stratum.", UNDECIDED
    elif derived != stated:
        message = f"Randomized within {stated}; the data say {derived}."
        yield message, Standing.DEVIATION


def _way(
    overview: TrialOverview, subject: str, fact: Fact, at: datetime
) -> Iterator[tuple[str, Standing]]:
    if fact.type != ENVELOPE:
        return
    named = text(fact.data, "downtime")
    site = subject.rsplit("-", 1)[0]
    ends = {text(end.data, "started"): end.occurred_at for end in overview.trial.of(UP)}
    declared = [
        start
        for start in overview.trial.of(DOWN)
        if start.occurred_at <= at <= ends.get(start.id, at)
        and text(start.data, "site") in (None, site)
    ]
    if not any(named in (None, start.id) for start in declared):
        yield "An envelope was opened while no downtime was declared.", Standing.DEVIATION


def allocated_once(overview: TrialOverview) -> Iterable[tuple[str | None, Finding]]:
    """DV-15: a subject is randomized once, and a person has one subject id."""
    for subject, records in overview.subjects.items():
        times = randomization_times(_case(overview, subject, records))
        for at, fact in times[1:]:
            message = f"The subject {subject} was randomized before."
            yield subject, Finding(fact.id, at, message, evidence=(times[0][1].id,))
    first: dict[str, tuple[str, Fact]] = {}
    identified = [
        (fact, subject)
        for subject, records in overview.subjects.items()
        for fact in records.of(IDENTIFIED)
    ]
    for fact, subject in sorted(identified, key=lambda row: row[0].seq):
        check = text(fact.data, "identity_check")
        known = first.setdefault(check, (subject, fact)) if check is not None else None
        if known is not None and known[0] != subject:
            message = f"The same person is the subject {known[0]}."
            yield subject, Finding(fact.id, fact.occurred_at, message, evidence=(known[1].id,))


def planned_number_kept(overview: TrialOverview) -> Iterable[tuple[str | None, Finding]]:
    """DV-16: no more subjects are randomized than planned by the amendments in force."""
    randomized: set[str] = set()
    for at, subject, fact in _in_order(overview):
        if subject in randomized:
            continue
        randomized.add(subject)
        planned = planned_number(overview.trial, overview.definition, at)
        if len(randomized) > planned:
            message = f"The subject is number {len(randomized)} of {planned} planned."
            yield subject, Finding(fact.id, at, message)


def _case(overview: TrialOverview, subject: str, records: History) -> Case:
    # Without the site's stream: days are then counted in the zone of the protocol.
    return Case(
        subject=subject,
        definition=overview.definition,
        records=records,
        trial=overview.trial,
        site=History(),
        register=overview.register,
        lots=overview.lots,
    )


def masking_kept(case: Case) -> Iterator[Finding]:
    """DV-37: nobody who is masked learns the arm outside planned unblinding."""
    masked = _masked_parties(case)
    told_later: dict[str, tuple[str, ...]] = {}
    for fact in case.records.of(REASONED):
        broken = text(fact.data, "unblinding") or ""
        told_later[broken] = (*told_later.get(broken, ()), *texts(fact.data, "told_to"))
    for fact in case.records.of(BROKEN, ACCIDENTAL):
        if fact.type == BROKEN and text(fact.data, "type") == "planned":
            continue
        at = fact.occurred_at
        told = (*texts(fact.data, "told_to"), *told_later.get(fact.id, ()))
        learnt = sorted({party for party in told if party in masked})
        if learnt:
            yield Finding(fact.id, at, f"Who is masked learnt the arm: {', '.join(learnt)}.")
        elif not told:
            yield Finding(fact.id, at, "Who learnt the arm is not recorded.", UNDECIDED)


def _masked_parties(case: Case) -> set[str]:
    masking = case.protocol.masking
    parties = {party.lower().replace("_", "-") for party in masking.masked_parties}
    # The register writes OUTCOMES_ASSESSOR, the roles of the ledger outcome-assessor.
    parties |= {party.replace("outcomes-", "outcome-") for party in parties}
    return parties | {role.value for role in masking.masked_roles}


def unblinding_reasoned(case: Case) -> Iterator[Finding]:
    """DV-38: the medical reason of an emergency unblinding is documented within the hours set."""
    hours = case.protocol.unblinding.reason_within_hours
    for fact in case.records.of(BROKEN):
        kind = text(fact.data, "type")
        due = fact.occurred_at + timedelta(hours=hours)
        later = [
            reason.occurred_at
            for reason in case.records.of(REASONED)
            if text(reason.data, "unblinding") == fact.id
        ]
        stated = text(fact.data, "reason_code") or text(fact.data, "reason_text")
        if kind == "planned" or stated is not None or any(at <= due for at in later):
            continue
        doubtful = kind is None or fact.record.withheld > 0
        yield Finding(
            fact.id,
            due,
            f"No medical reason of the unblinding was documented within {hours} hours.",
            UNDECIDED if doubtful else Standing.DEVIATION,
        )


CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule(
        "DV-37", Severity.CRITICAL, "Arm learnt by the participant or who is masked.", masking_kept
    ),
    CaseRule(
        "DV-38",
        Severity.IMPORTANT,
        "Emergency unblinding without a medical reason in time.",
        unblinding_reasoned,
    ),
)

TRIAL_RULES: tuple[TrialRule, ...] = (
    TrialRule(
        "DV-14",
        Severity.IMPORTANT,
        "Randomization out of sequence, in a wrong stratum, or outside the system.",
        list_was_followed,
    ),
    TrialRule(
        "DV-15",
        Severity.CRITICAL,
        "Subject randomized twice, or one person under two subject ids.",
        allocated_once,
    ),
    TrialRule(
        "DV-16", Severity.IMPORTANT, "More subjects randomized than planned.", planned_number_kept
    ),
)

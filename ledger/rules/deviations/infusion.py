"""Deviations of infusions: time, consent and number (DV-17 … 21), with those at the bedside.

What hangs on any infusion after the subject's first, or on how many there should be, tells the
arm and is marked so.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ledger.aggregates.allocation import ENVELOPE
from ledger.rules.calendar import add_days, days_between
from ledger.rules.consent import ConsentState, consents_of
from ledger.rules.deviation import CaseRule, Finding, Severity, Standing
from ledger.rules.deviations import bedside
from ledger.rules.findings import one_per_anchor, start_of_day_after
from ledger.rules.members import instant_or_time
from ledger.rules.treatment import (
    INTERVENTION,
    ArmUnknown,
    Infusion,
    arm_of,
    infusions,
    numbered,
    randomizations,
    treatment_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case

UNDECIDED = Standing.INDETERMINATE


def randomized_in_time(case: Case) -> Iterable[Finding]:
    """DV-17: no infusion before randomization, and a first one within the days allowed after."""
    given, assigned = infusions(case.records), randomizations(case.records)
    found = [*_before_randomization(given, assigned)]
    if assigned:
        found += _first_within_days(case, assigned[0], given)
    return one_per_anchor(found, default=Severity.CRITICAL)


def interval_kept(case: Case) -> Iterable[Finding]:
    """DV-18: planned infusions follow each other at the interval, within its tolerance."""
    arm, plan = arm_of(case.records, case.protocol), case.protocol.infusion
    if arm is ArmUnknown.NOT_RANDOMIZED:
        return
    given = infusions(case.records)
    most = max(row.planned_infusions for row in case.protocol.arms)
    planned = most if isinstance(arm, ArmUnknown) else arm.planned_infusions
    for earlier, later in pairwise(given[:planned]):
        days = days_between(case.local_date(earlier.started_at), case.local_date(later.started_at))
        if abs(days - plan.interval_days) > plan.interval_tolerance_days:
            yield Finding(
                later.id,
                later.started_at,
                f"{days} days after the infusion before it; planned are {plan.interval_days} "
                f"± {plan.interval_tolerance_days} days.{_reason(arm)}",
                standing=_standing(arm),
                evidence=(earlier.id,),
                tells_arm=True,
            )


def consented(case: Case) -> Iterable[Finding]:
    """DV-19: consent to the intervention stands when an infusion begins."""
    consents = consents_of(case)
    for given, later in numbered(case.records):
        found = consents.standing(INTERVENTION, given.started_at)
        # A renewal that is overdue is a finding of its own (DV-09).
        if found.state not in (ConsentState.GIVEN, ConsentState.RECONSENT_DUE):
            yield Finding(
                given.id,
                given.started_at,
                f"Infused without valid consent: {found.reason}",
                evidence=() if found.event is None else (found.event,),
                tells_arm=later,
            )


def single_not_exceeded(case: Case) -> Iterable[Finding]:
    """DV-20: a subject of an arm with one infusion receives no second."""
    arm, given = arm_of(case.records, case.protocol), infusions(case.records)
    if arm is ArmUnknown.NOT_RANDOMIZED:
        return
    if isinstance(arm, ArmUnknown):
        if any(row.planned_infusions == 1 for row in case.protocol.arms):
            yield from _surplus(given, 1, f"More than one infusion was given.{_reason(arm)}", arm)
    elif arm.planned_infusions == 1:
        yield from _surplus(given, 1, "The subject's arm plans one infusion only.", arm)


def planned_number_given(case: Case) -> Iterable[Finding]:
    """DV-21: an arm with several infusions receives all by the deadline, or a reason, and no more.

    The deadline is counted in local days from the first infusion. A documented stop is a record
    that ends treatment or says why an infusion was not given.
    """
    arm, given = arm_of(case.records, case.protocol), infusions(case.records)
    several = [row.planned_infusions for row in case.protocol.arms if row.planned_infusions > 1]
    if arm is ArmUnknown.NOT_RANDOMIZED or not several:
        return
    planned = max(several) if isinstance(arm, ArmUnknown) else arm.planned_infusions
    if planned < 2:
        return
    yield from _surplus(
        given, planned, f"More than the {planned} infusions planned.{_reason(arm)}", arm
    )
    if given and (since := _due_by(case, given, planned)) is not None:
        days = case.protocol.infusion.double_deadline_days
        yield Finding(
            given[0].id,
            since,
            f"Fewer than {planned} infusions within {days} days of the first, and no reason "
            f"recorded.{_reason(arm)}",
            standing=_standing(arm),
            evidence=tuple(row.id for row in given),
            tells_arm=True,
        )


def _before_randomization(given: list[Infusion], assigned: list[Fact]) -> Iterator[Finding]:
    since = min((_assigned_at(fact) for fact in assigned), default=None)
    for index, row in enumerate(given):
        if since is None or row.started_at < since:
            message = (
                "Infused without randomization."
                if since is None
                else ("Infused before randomization.")
            )
            yield Finding(row.id, row.started_at, message, tells_arm=index > 0)


def _first_within_days(case: Case, assigned: Fact, given: list[Infusion]) -> Iterator[Finding]:
    days = case.protocol.infusion.randomization_to_first_max_days
    last = add_days(case.local_date(_assigned_at(assigned)), days)
    since = start_of_day_after(last, case.zone)
    stopped = treatment_end(case.records)
    if (given and given[0].started_at < since) or (stopped is not None and stopped < since):
        return
    evidence = (given[0].id,) if given else ()
    yield Finding(
        assigned.id,
        since,
        f"No infusion within {days} days of randomization.",
        severity=Severity.IMPORTANT,
        evidence=evidence,
    )


def _assigned_at(fact: Fact) -> datetime:
    return instant_or_time(fact, "opened_at") if fact.type == ENVELOPE else fact.occurred_at


def _due_by(case: Case, given: list[Infusion], planned: int) -> datetime | None:
    """When the planned number was overdue; None when it was given or a reason was recorded."""
    days = case.protocol.infusion.double_deadline_days
    since = start_of_day_after(add_days(case.local_date(given[0].started_at), days), case.zone)
    in_time = [row for row in given if row.started_at < since]
    stopped = treatment_end(case.records, not_given_after=given[0])
    excused = stopped is not None and stopped < since
    return None if len(in_time) >= planned or excused else since


def _surplus(given: list[Infusion], planned: int, message: str, arm: object) -> Iterator[Finding]:
    for row in given[planned:]:
        yield Finding(row.id, row.started_at, message, standing=_standing(arm), tells_arm=True)


def _standing(arm: object) -> Standing:
    return UNDECIDED if isinstance(arm, ArmUnknown) else Standing.DEVIATION


def _reason(arm: object) -> str:
    return f" {arm}" if isinstance(arm, ArmUnknown) else ""


CRITICAL, IMPORTANT, MINOR = Severity.CRITICAL, Severity.IMPORTANT, Severity.MINOR

CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule(
        "DV-17",
        CRITICAL,
        "First infusion before randomization, or none within the days allowed after it.",
        randomized_in_time,
    ),
    CaseRule(
        "DV-18", IMPORTANT, "Interval between infusions outside its tolerance.", interval_kept
    ),
    CaseRule(
        "DV-19",
        CRITICAL,
        "Infusion while consent to the intervention was withdrawn, declined or never valid.",
        consented,
    ),
    CaseRule("DV-20", CRITICAL, "Further infusion in an arm that plans one.", single_not_exceeded),
    CaseRule(
        "DV-21",
        IMPORTANT,
        "Fewer infusions than planned at the deadline without a reason, or more than planned.",
        planned_number_given,
    ),
    *bedside.CASE_RULES,
)
"""The rules over one subject."""

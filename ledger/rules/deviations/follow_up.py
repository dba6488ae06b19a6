"""Deviations of follow-up: visits, Child-Pugh, safety reports (DV-31, 32, 34 … 36).

Nothing here depends on the arm, except visits that the protocol counts from the last infusion.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.rules.calendar import add_days
from ledger.rules.child_pugh import ChildPughIndeterminate
from ledger.rules.deviation import CaseRule, Finding, Severity, Standing
from ledger.rules.endpoint import score_visit
from ledger.rules.findings import one_per_anchor, start_of_day_after
from ledger.rules.members import instant, instant_or_time, text
from ledger.rules.safety_reports import SeriousEvent, Susar, serious_events
from ledger.rules.treatment import randomizations
from ledger.rules.visits import PlannedVisit, planned_visit, schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.endpoint import VisitScore

UNDECIDED = Standing.INDETERMINATE
CRITICAL, IMPORTANT, MINOR = Severity.CRITICAL, Severity.IMPORTANT, Severity.MINOR

PREGNANCY_TEST = "pregnancy-test.recorded.v1"
PREGNANCY = "pregnancy.reported.v1"


def visits_in_window(case: Case) -> Iterable[Finding]:
    """DV-31: each visit takes place within its window; the endpoint's visit is important.

    A visit without any record is overdue once its window has passed; that hangs on the event
    the visit is counted from, for the endpoint's visit on the randomization.
    """
    found = [finding for row in schedule(case) for finding in _visit(case, row)]
    return one_per_anchor(found, default=MINOR)


def endpoint_inputs_complete(case: Case) -> Iterable[Finding]:
    """DV-32: at the endpoint's visit all five inputs are there, scorable, and taken together."""
    visit = case.protocol.visit(case.protocol.endpoint.visit)
    if visit is None:
        return []
    planned, score = planned_visit(case, visit), score_visit(case, visit.id)
    first = min(score.inputs.values(), key=lambda row: row.taken_at, default=None)
    shown_by = planned.completed or (None if first is None else first.fact)
    if shown_by is None:
        return []
    found = [
        *_missing_inputs(shown_by, planned, score),
        *_unscorable_inputs(shown_by, score),
        *_apart(case, shown_by, score),
    ]
    return one_per_anchor(found, default=IMPORTANT)


def pregnancy_reported(case: Case) -> Iterable[Finding]:
    """DV-34: a pregnancy after randomization is reported to the sponsor in time."""
    assigned = randomizations(case.records)
    if not assigned:
        return
    limit = timedelta(hours=case.protocol.safety.pregnancy_report_hours)
    since = assigned[0].occurred_at
    reports = case.records.of(PREGNANCY)
    for fact in case.records.of(PREGNANCY_TEST):
        taken = instant_or_time(fact, "specimen_time")
        if text(fact.data, "result") != "positive" or taken < since:
            continue
        known = max(taken, fact.occurred_at)
        if not any(
            text(row.data, "who") != "partner" and instant_or_time(row, "aware_at") <= known + limit
            for row in reports
        ):
            message = "A positive pregnancy test was not followed by a report in time."
            yield Finding(fact.id, known + limit, message)
    for fact in reports:
        due = instant_or_time(fact, "aware_at") + limit
        told = instant(fact.data, "sponsor_reported_at")
        if due - limit >= since and (told is None or told > due):
            yield Finding(
                fact.id, due, f"{_told('The sponsor', told)} The report was due by {due:{_TIME}}."
            )


def sae_reported_to_sponsor(case: Case) -> Iterable[Finding]:
    """DV-35: the sponsor is told of a serious adverse event within the hours allowed."""
    limit = timedelta(hours=case.protocol.safety.sae_report_hours)
    for event in serious_events(case.records):
        due = event.aware_at + limit
        told = next(iter(event.told("sponsor_reported_at")), None)
        if told is None or told > due:
            yield Finding(
                event.first.id,
                due,
                f"{_told('The sponsor', told)} The report was due by {due:{_TIME}}.",
                evidence=tuple(fact.id for fact in event.reports[1:]),
            )


def susar_reported_to_authority(case: Case) -> Iterable[Finding]:
    """DV-36: the authority is told of a SUSAR within the calendar days of its kind (ICH E2A).

    Days are the site's, awareness is day 0, and the last day counts as in time. A fatal or
    life-threatening one needs a first report and, later, a complete one.
    """
    found = [
        finding for event in serious_events(case.records) for finding in _authority(case, event)
    ]
    return one_per_anchor(found, default=CRITICAL)


def _visit(case: Case, row: PlannedVisit) -> Iterator[Finding]:
    severity = IMPORTANT if row.visit.id == case.protocol.endpoint.visit else MINOR
    tells_arm = row.visit.anchor == "last-infusion"
    anchored = () if row.anchor is None else (row.anchor.event,)
    if row.completed is not None:
        if row.in_window is False:
            side = "before" if row.days_outside < 0 else "after"
            yield Finding(
                row.completed.id,
                row.completed.occurred_at,
                f"The visit {row.visit.id} took place {abs(row.days_outside)} days {side} "
                "its window.",
                severity=severity,
                evidence=anchored,
                tells_arm=tells_arm,
            )
    elif row.expected is False:
        return
    elif row.missed is not None:
        yield Finding(
            row.missed.id,
            row.missed.occurred_at,
            f"The visit {row.visit.id} was missed.",
            standing=Standing.DEVIATION if row.expected else UNDECIDED,
            severity=severity,
            evidence=anchored,
            tells_arm=tells_arm,
        )
    elif row.closes is not None and row.window is not None and row.anchor is not None:
        assigned = randomizations(case.records)
        hangs_on = assigned[0].id if severity is IMPORTANT and assigned else row.anchor.event
        yield Finding(
            hangs_on,
            row.closes,
            f"No record of the visit {row.visit.id}; its window ends on {row.window.last}.",
            standing=Standing.DEVIATION if row.expected else UNDECIDED,
            severity=severity,
            evidence=anchored,
            tells_arm=tells_arm,
        )


def _missing_inputs(shown_by: Fact, planned: PlannedVisit, score: VisitScore) -> Iterator[Finding]:
    if isinstance(score.outcome, ChildPughIndeterminate) and score.outcome.missing:
        # Until the window closes what is missing may still be taken.
        since = max(planned.closes or shown_by.occurred_at, shown_by.occurred_at)
        names = ", ".join(score.outcome.missing)
        message = f"Child-Pugh inputs missing at {score.visit}: {names}."
        yield Finding(shown_by.id, since, message, evidence=score.sources)


def _unscorable_inputs(shown_by: Fact, score: VisitScore) -> Iterator[Finding]:
    if isinstance(score.outcome, ChildPughIndeterminate):
        since = max((row.taken_at for row in score.inputs.values()), default=shown_by.occurred_at)
        for row in score.outcome.unscorable:
            message = f"Child-Pugh input that cannot be scored: {row.item}, {row.reason}."
            yield Finding(shown_by.id, since, message, evidence=score.sources)


def _apart(case: Case, shown_by: Fact, score: VisitScore) -> Iterator[Finding]:
    limit = case.protocol.child_pugh.max_days_apart
    if score.days_apart > limit:
        since = max(row.taken_at for row in score.inputs.values())
        message = (
            f"Child-Pugh inputs of {score.visit} were taken {score.days_apart} days apart; "
            f"allowed are {limit}."
        )
        yield Finding(shown_by.id, since, message, evidence=score.sources)


def _authority(case: Case, event: SeriousEvent) -> Iterator[Finding]:
    found, since, fatal_since = event.susar()
    if found is Susar.NO:
        return
    clocks, told = case.protocol.safety, event.told("authority_reported_at")
    first, later = next(iter(told), None), told[1] if len(told) > 1 else None
    if fatal_since is None:
        yield from _overdue(case, event, "The report", clocks.susar_other_days, since, first, found)
        return
    days = clocks.susar_fatal_or_life_threatening_days
    yield from _overdue(case, event, "The first report", days, fatal_since, first, found)
    days = clocks.susar_follow_up_days
    yield from _overdue(case, event, "The complete report", days, fatal_since, later, found)


def _overdue(
    case: Case,
    event: SeriousEvent,
    what: str,
    days: int,
    since: datetime,
    told: datetime | None,
    susar: Susar,
) -> Iterator[Finding]:
    last = add_days(case.local_date(since), days)
    if told is not None and case.local_date(told) <= last:
        return
    unknown = susar is Susar.UNKNOWN
    doubt = " Causality or expectedness is not stated." if unknown else ""
    yield Finding(
        event.first.id,
        start_of_day_after(last, case.zone),
        f"{what} to the authority was due on {last}, day {days}.{doubt}",
        standing=UNDECIDED if unknown else Standing.DEVIATION,
        evidence=tuple(fact.id for fact in event.reports[1:]),
    )


def _told(who: str, told: datetime | None) -> str:
    if told is None:
        return f"{who} is not recorded as told."
    return f"{who} was told at {told:{_TIME}}."


_TIME = "%Y-%m-%dT%H:%M:%SZ"

CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule("DV-31", MINOR, "Visit missed or outside its window.", visits_in_window),
    CaseRule(
        "DV-32",
        IMPORTANT,
        "Child-Pugh input missing, not scorable, or too far from the others at the endpoint.",
        endpoint_inputs_complete,
    ),
    CaseRule(
        "DV-34",
        IMPORTANT,
        "Pregnancy after randomization not reported in time.",
        pregnancy_reported,
    ),
    CaseRule(
        "DV-35",
        IMPORTANT,
        "Serious adverse event reported to the sponsor too late.",
        sae_reported_to_sponsor,
    ),
    CaseRule(
        "DV-36",
        CRITICAL,
        "SUSAR reported to the authority too late.",
        susar_reported_to_authority,
    ),
)
"""The rules over one subject."""

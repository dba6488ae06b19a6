"""Visits: when each is due, and how it stands (R-74; ICH E6(R3) 4.3.4).

A window lies around the target day, counted in local days from the day of the anchor. A visit
that says it is another one does not count for this; of several records of one visit the first
within the window counts, else the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ledger.rules.calendar import DaySpan, DayWindow, day_window, exact_day
from ledger.rules.findings import start_of_day, start_of_day_after
from ledger.rules.members import partial_date_or_day, stopped_at, text, texts
from ledger.rules.treatment import (
    DEATH,
    LOST,
    STUDY_DISCONTINUED,
    WITHDRAWN,
    infusions,
    randomizations,
)

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.trials.protocol import VisitWindow

VISIT_COMPLETED = "visit.completed.v1"
VISIT_MISSED = "visit.missed.v1"
SCOPE = "visits"


class VisitStatus(StrEnum):
    """How a planned visit stands at an instant."""

    UNSCHEDULED = "unscheduled"
    UPCOMING = "upcoming"
    DUE = "due"
    COMPLETED = "completed"
    OUT_OF_WINDOW = "out of window"
    MISSED = "missed"
    OVERDUE = "overdue"
    NOT_EXPECTED = "not expected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Anchor:
    """The event a visit is counted from and its local day."""

    event: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PlannedVisit:
    """One visit of the protocol for one subject.

    ``window``, ``opens`` and ``closes`` (the first instant after its last day) are None until the
    anchor is known. ``expected`` is whether the subject is still on study for it: None when the
    end is known too vaguely to tell. ``in_window`` is None without a visit or a window.
    """

    visit: VisitWindow
    anchor: Anchor | None
    window: DayWindow | None
    opens: datetime | None
    closes: datetime | None
    completed: Fact | None
    missed: Fact | None
    in_window: bool | None
    days_outside: int
    expected: bool | None

    def status(self, at: datetime) -> VisitStatus:
        """How the visit stands at an instant, from what is recorded."""
        if self.completed is not None and self.completed.occurred_at <= at:
            outside = self.in_window is False
            return VisitStatus.OUT_OF_WINDOW if outside else VisitStatus.COMPLETED
        if self.missed is not None and self.missed.occurred_at <= at:
            return VisitStatus.MISSED
        return VisitStatus.NOT_EXPECTED if self.expected is False else self._by_window(at)

    def _by_window(self, at: datetime) -> VisitStatus:
        if self.opens is None or self.closes is None:
            return VisitStatus.UNSCHEDULED
        if at < self.opens:
            return VisitStatus.UPCOMING
        if at < self.closes:
            return VisitStatus.DUE
        return VisitStatus.UNKNOWN if self.expected is None else VisitStatus.OVERDUE


def schedule(case: Case) -> tuple[PlannedVisit, ...]:
    """All visits the protocol plans, for one subject."""
    return tuple(planned_visit(case, visit) for visit in case.protocol.visits)


def planned_visit(case: Case, visit: VisitWindow) -> PlannedVisit:
    """One visit of the protocol, for one subject."""
    anchor = _anchor(case, visit)
    window = None if anchor is None else _window(case, visit, anchor)
    completed = _counted(case, visit, window)
    missed = [f for f in case.records.of(VISIT_MISSED) if text(f.data, "visit") == visit.id]
    outside = 0
    if completed is not None and window is not None:
        outside = window.deviation_days(case.local_date(completed.occurred_at))
    return PlannedVisit(
        visit=visit,
        anchor=anchor,
        window=window,
        opens=None if window is None else start_of_day(window.first, case.zone),
        closes=None if window is None else start_of_day_after(window.last, case.zone),
        completed=completed,
        missed=missed[0] if missed else None,
        in_window=None if completed is None or window is None else outside == 0,
        days_outside=outside,
        expected=_expected(case, window),
    )


def visits_due(case: Case, at: datetime) -> tuple[PlannedVisit, ...]:
    """The visits whose window is open, or over without a record, at an instant."""
    awaited = (VisitStatus.DUE, VisitStatus.OVERDUE, VisitStatus.UNKNOWN)
    return tuple(row for row in schedule(case) if row.status(at) in awaited)


def ends_of_study(case: Case) -> list[tuple[DaySpan, Fact]]:
    """The days on which the subject left the study, and the records that say so.

    Death, discontinuation, loss to follow-up and the withdrawal of consent to visits; completion
    and screen failure are not among them.
    """
    found = [
        (partial_date_or_day(fact, "died_on", local_date=case.local_date), fact)
        for fact in case.records.of(DEATH)
    ]
    found += [
        (exact_day(case.local_date(fact.occurred_at)), fact)
        for fact in case.records.of(STUDY_DISCONTINUED, LOST)
    ]
    for fact in case.records.of(WITHDRAWN):
        scopes = texts(fact.data, "scopes")
        if not scopes or SCOPE in scopes:
            effective = stopped_at(fact, "effective_at")
            found.append((exact_day(case.local_date(effective)), fact))
    return found


def _anchor(case: Case, visit: VisitWindow) -> Anchor | None:
    if visit.anchor == "randomization":
        assigned = randomizations(case.records)
        return Anchor(assigned[0].id, assigned[0].occurred_at) if assigned else None
    given = infusions(case.records)
    if not given:
        return None
    anchor = given[0] if visit.anchor == "first-infusion" else given[-1]
    return Anchor(anchor.id, anchor.started_at)


def _window(case: Case, visit: VisitWindow, anchor: Anchor) -> DayWindow:
    return day_window(
        case.local_date(anchor.at),
        target_day=visit.target_day,
        days_before=visit.days_before,
        days_after=visit.days_after,
    )


def _counted(case: Case, visit: VisitWindow, window: DayWindow | None) -> Fact | None:
    held = [f for f in case.records.of(VISIT_COMPLETED) if text(f.data, "visit") == visit.id]
    within = [
        fact for fact in held if window is not None and case.local_date(fact.occurred_at) in window
    ]
    return next(iter(within or held), None)


def _expected(case: Case, window: DayWindow | None) -> bool | None:
    """Whether the subject is on study up to the last day of the window."""
    ended = [
        True if window is None else span.on_or_before(window.last)
        for span, _ in ends_of_study(case)
    ]
    if any(ended):
        return False
    return None if None in ended else True

"""Whether a therapy beside the trial's was given on study, from dates known only in part."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ledger.rules.calendar import DaySpan, add_days
from ledger.rules.members import flag, partial_date
from ledger.rules.visits import ends_of_study

if TYPE_CHECKING:
    from ledger.history import Fact
    from ledger.rules.case import Case

THERAPY = "concomitant-therapy.recorded.v1"
SCREEN_FAILED = "subject.screen-failed.v1"
STUDY_COMPLETED = "study.completed.v1"


def given_on_study(case: Case, therapy: Fact, *, consent_day: date) -> bool | None:
    """Tell whether a dose was given after the day of consent and before the study ended.

    A dose on the day of consent may have come before it, and a date known only in part may lie
    on either side: then None.
    """
    start, last = partial_date(therapy.data, "start"), _last_dose(case, therapy)
    after = _after(start, last, consent_day)
    left = _left_on(case)
    before_end: bool | None = True
    if left is not None:
        before_end = None if start is None else start.on_or_before(left)
    if after is False or before_end is False:
        return False
    return True if after and before_end else None


def _after(start: DaySpan | None, last: DaySpan | None, consent_day: date) -> bool | None:
    next_day = add_days(consent_day, 1)
    if any(span is not None and span.on_or_after(next_day) for span in (start, last)):
        return True
    before = last is not None and last.on_or_before(add_days(consent_day, -1))
    return False if before else None


def _last_dose(case: Case, therapy: Fact) -> DaySpan | None:
    end = partial_date(therapy.data, "end")
    if end is not None or flag(therapy.data, "ongoing") is not True:
        return end
    return DaySpan(case.local_date(therapy.occurred_at), date.max)


def _left_on(case: Case) -> date | None:
    """The day on which the subject left the study, by the earliest record that says so."""
    ends = [span.latest for span, _ in ends_of_study(case)]
    ends += [
        case.local_date(fact.occurred_at)
        for fact in case.records.of(STUDY_COMPLETED, SCREEN_FAILED)
    ]
    return min(ends, default=None)

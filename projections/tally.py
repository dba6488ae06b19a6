"""The enrolment counts kept current: how many subjects are on each course, who changes next.

A course can change by time alone, without any record; the agenda lists when it does for whom, so
that a page looks at the subjects it touches and at those whose instant has come, at no others.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

from ledger.rules.members import shape, shapes, text
from ledger.signing.rfc3339 import parse_rfc3339
from projections.enrolment import Course, course_of
from projections.times import STANDINGS, sortable, utc_text

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.kept import KeptRows, PageRows

COURSES: Final = "courses"
AGENDA: Final = "agenda"
_KEY: Final = "trial"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a subject counts as, and from when on it will be another thing by time alone."""

    course: Course | None = None
    until: str | None = None


NOT_COUNTED: Final = Counted()


def counted(disposition: JsonObject, as_of: datetime) -> Counted:
    """What a subject's disposition counts as at an instant."""
    now = sortable(utc_text(as_of))
    endpoint = shape(disposition, "endpoint") or {}
    rows = (*shapes(disposition, STANDINGS), *shapes(endpoint, STANDINGS))
    ahead = [since for row in rows if (since := sortable(text(row, "since") or "")) > now]
    return Counted(course_of(disposition, as_of), min(ahead, default=None))


class Tally:
    """The counts up to a position; ``as_of`` is the record time they hold at."""

    def __init__(self, kept: KeptRows) -> None:
        body = kept.one(COURSES, _KEY) or {}
        as_of = text(body, "as_of")
        self.as_of = None if as_of is None else parse_rfc3339(as_of)
        self.courses: Counter[Course] = Counter()
        for row in _lists(body.get("courses")):
            number, course = _read(row)
            self.courses[course] = number

    def latest(self, recorded_at: datetime) -> datetime:
        """The instant to count at: record times never decrease, and neither does this."""
        return recorded_at if self.as_of is None else max(self.as_of, recorded_at)

    def due(self, rows: PageRows, as_of: datetime) -> list[str]:
        """The subjects whose course may have changed by an instant, though nothing was recorded."""
        found = rows.kept.keys(AGENDA, "", f"{sortable(utc_text(as_of))} ~")
        return [key.rpartition(" ")[2] for key in found]

    def move(self, rows: PageRows, subject: str, before: Counted, after: Counted) -> None:
        """Count a subject as something else than before."""
        if before.course != after.course:
            if before.course is not None:
                self.courses[before.course] -= 1
                if not self.courses[before.course]:
                    del self.courses[before.course]
            if after.course is not None:
                self.courses[after.course] += 1
        if before.until != after.until:
            if before.until is not None:
                rows.put(AGENDA, f"{before.until} {subject}", None)
            if after.until is not None:
                rows.put(AGENDA, f"{after.until} {subject}", {})

    def close(self, rows: PageRows, as_of: datetime) -> None:
        """Keep the counts as they are at the end of a page."""
        self.as_of = as_of
        told = [[number, *_told(course)] for course, number in self.courses.items()]
        rows.put(COURSES, _KEY, {"as_of": utc_text(as_of), "courses": [*sorted(told, key=str)]})


def _told(course: Course) -> list[JsonValue]:
    return [[*value] if isinstance(value, tuple) else value for value in astuple(course)]


def _lists(value: JsonValue) -> list[list[JsonValue]]:
    return [row for row in value if isinstance(row, list)] if isinstance(value, list) else []


def _read(row: list[JsonValue]) -> tuple[int, Course]:
    number, state, arm, consented, randomized, given, codes, failure, failed, counts_as = row
    course = Course(
        state=str(state),
        arm=_text(arm),
        consented=_text(consented),
        randomized=_text(randomized),
        infusions=given if isinstance(given, int) else 0,
        not_given=tuple(str(code) for code in codes) if isinstance(codes, list) else (),
        screen_failure=_text(failure),
        failed_a_criterion=failed is True,
        counts_as=str(counts_as),
    )
    return (number if isinstance(number, int) else 0), course


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None

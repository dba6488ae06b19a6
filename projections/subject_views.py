"""What is written of one subject, finished: it depends on the subject's case and an instant alone.

Whoever has the case can make it, in whatever process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from projections.deviation_rows import placed
from projections.kept import text_of
from projections.sections import problems_in, sections_of
from projections.tally import Counted, counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject

PROBLEMS: Final = "problems"


@dataclass(frozen=True, slots=True)
class SubjectViews:
    """The rows of a subject as they are stored, and what it counts as.

    ``texts`` are the views by projection, with the problems where there are any; ``deviations``
    the rows of its deviations by their places.
    """

    subject: str
    texts: Mapping[str, str]
    deviations: Mapping[str, str]
    counted: Counted


def views_of(case: Case, as_of: datetime) -> SubjectViews:
    """All rows of a subject from its case; ``as_of`` is the instant it is counted at."""
    sections = sections_of(case)
    problems = problems_in(sections)
    # Some of it holds the case: let go of here, it needs no collector to find that nobody wants it.
    case.worked_out.clear()
    bodies: dict[str, JsonObject] = dict(sections)
    if problems:
        bodies[PROBLEMS] = {PROBLEMS: problems}
    return SubjectViews(
        subject=case.subject,
        texts={name: text_of(body) for name, body in bodies.items()},
        deviations=placed(sections["deviations"]),
        counted=counted(sections["disposition"], as_of),
    )

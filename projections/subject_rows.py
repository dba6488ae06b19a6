"""The rows of subjects: made again when a page touches them, written where they differ.

What other views are read by (lots, identity checks) is entered at once, from the records alone;
what is made from the case comes when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from projections.deviation_rows import placed, replace_rows
from projections.identities import checks_of, ever_stated, note
from projections.subject_views import PROBLEMS
from projections.tally import NOT_COUNTED, Counted, Tally, counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ledger.rules.case import Case
    from projections.kept import KeptRows, PageRows
    from projections.subject_views import SubjectViews

LOT_SUBJECTS: Final = "lot-subjects"
"""Finds the subjects whose records ever named a lot; the keys are lot and subject."""

_MOST_HELD: Final = 256
_LAST: Final = "~"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is written of a subject: texts by projection, deviations by place, what it counts as.

    ``texts`` is None where the rows are there and were not read.
    """

    texts: Mapping[str, str] | None
    deviations: Mapping[str, str]
    counted: Counted


_NEW: Final = Standing({}, {}, NOT_COUNTED)


class SubjectRows:
    """Writes the rows of subjects; holds what it wrote last of the subjects touched last."""

    def __init__(self, kept: KeptRows) -> None:
        self._kept = kept
        self.tally = Tally(kept)
        self._held: dict[str, Standing] = {}

    def enter(self, rows: PageRows, case: Case) -> set[str]:
        """Enter what a subject is found by; the lots that it names or ever named."""
        lots = ever_stated(case.records.facts.values(), "lot")
        for lot in lots:
            rows.put(LOT_SUBJECTS, f"{lot} {case.subject}", {})
        note(rows, case.subject, checks_of(case.records))
        return lots

    def replace(self, rows: PageRows, views: SubjectViews) -> None:
        """Put a subject's rows in the place of those it had."""
        subject, before = views.subject, self._standing(views.subject)
        for name, text in views.texts.items():
            if before.texts is None or before.texts.get(name) != text:
                rows.write(name, subject, text)
        if PROBLEMS not in views.texts and (before.texts is None or PROBLEMS in before.texts):
            rows.put(PROBLEMS, subject, None)
        replace_rows(rows, before.deviations, views.deviations)
        self.tally.move(rows, subject, before.counted, views.counted)
        self._hold(subject, Standing(views.texts, views.deviations, views.counted))

    def pass_time(self, rows: PageRows, subject: str, as_of: datetime) -> None:
        """Count a subject anew of whom nothing was recorded, but whose instant has come."""
        before = self._standing(subject)
        after = counted(self._kept.one("disposition", subject) or {}, as_of)
        self.tally.move(rows, subject, before.counted, after)
        self._hold(subject, Standing(before.texts, before.deviations, after))

    def naming(self, rows: PageRows, lot: str) -> list[str]:
        """The subjects whose records name a lot, or ever did."""
        found = rows.keys(LOT_SUBJECTS, f"{lot} ", f"{lot} {_LAST}")
        return [key.rpartition(" ")[2] for key in found]

    def _standing(self, subject: str) -> Standing:
        held = self._held.get(subject)
        if held is not None:
            return held
        disposition = self._kept.one("disposition", subject)
        if disposition is None or self.tally.as_of is None:
            return _NEW
        return Standing(
            None,
            placed(self._kept.one("deviations", subject) or {}),
            counted(disposition, self.tally.as_of),
        )

    def _hold(self, subject: str, standing: Standing) -> None:
        self._held.pop(subject, None)
        self._held[subject] = standing
        if len(self._held) > _MOST_HELD:
            del self._held[next(iter(self._held))]

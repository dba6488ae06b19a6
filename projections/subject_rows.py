"""The rows of subjects: made again when a page touches them, written where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from projections.deviation_rows import replace_rows
from projections.identities import checks_of, ever_stated, note
from projections.kept import text_of
from projections.sections import problems_in, sections_of
from projections.tally import NOT_COUNTED, Counted, Tally, counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject
    from projections.kept import KeptRows, PageRows

LOT_SUBJECTS: Final = "lot-subjects"
"""Finds the subjects whose records ever named a lot; the keys are lot and subject."""

_PROBLEMS: Final = "problems"
_MOST_HELD: Final = 256
_LAST: Final = "~"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is written of a subject: texts by projection, and what other rows were made from.

    ``texts`` is None where the rows are there and were not read.
    """

    texts: Mapping[str, str] | None
    deviations: JsonObject
    lots: frozenset[str]
    counted: Counted


_NEW: Final = Standing({}, {}, frozenset(), NOT_COUNTED)


class SubjectRows:
    """Writes the rows of subjects; holds what it wrote last of the subjects touched last."""

    def __init__(self, kept: KeptRows) -> None:
        self._kept = kept
        self.tally = Tally(kept)
        self._held: dict[str, Standing] = {}

    def refresh(self, rows: PageRows, case: Case, as_of: datetime) -> frozenset[str]:
        """Make a subject's rows again; the lots that it names or ever named."""
        subject, before, sections = case.subject, self._standing(case.subject), sections_of(case)
        problems = problems_in(sections)
        bodies: dict[str, JsonObject] = dict(sections)
        if problems:
            bodies[_PROBLEMS] = {_PROBLEMS: problems}
        written = {name: text_of(body) for name, body in bodies.items()}
        for name, body in bodies.items():
            if before.texts is None or before.texts.get(name) != written[name]:
                rows.put(name, subject, body, written[name])
        if _PROBLEMS not in bodies and (before.texts is None or _PROBLEMS in before.texts):
            rows.put(_PROBLEMS, subject, None)
        replace_rows(rows, before.deviations, sections["deviations"])
        lots = frozenset(ever_stated(case.records.facts.values(), "lot"))
        for lot in lots - before.lots:
            rows.put(LOT_SUBJECTS, f"{lot} {subject}", {})
        after = counted(sections["disposition"], as_of)
        self.tally.move(rows, subject, before.counted, after)
        note(rows, subject, checks_of(case.records))
        self._hold(subject, Standing(written, sections["deviations"], lots, after))
        return lots

    def pass_time(self, rows: PageRows, subject: str, as_of: datetime) -> None:
        """Count a subject anew of whom nothing was recorded, but whose instant has come."""
        before = self._standing(subject)
        after = counted(self._kept.one("disposition", subject) or {}, as_of)
        self.tally.move(rows, subject, before.counted, after)
        self._hold(subject, Standing(before.texts, before.deviations, before.lots, after))

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
            self._kept.one("deviations", subject) or {},
            frozenset(),
            counted(disposition, self.tally.as_of),
        )

    def _hold(self, subject: str, standing: Standing) -> None:
        self._held.pop(subject, None)
        self._held[subject] = standing
        if len(self._held) > _MOST_HELD:
            del self._held[next(iter(self._held))]

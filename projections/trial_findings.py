"""What only the whole trial shows, found by looking at the subjects that can take part in it.

The rules over the trial look at randomizations, at bags and infusions, and at persons identified
twice. A subject without any of these changes no finding, whatever else is recorded of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED
from ledger.aggregates.trial_state import PRODUCT_USES
from ledger.rules.deviation import TrialOverview
from ledger.rules.deviations import TRIAL_RULES
from ledger.rules.members import shapes
from projections.deviation_rows import placed, replace_rows
from projections.deviations import trial_deviations_view
from projections.identities import shared
from projections.kept import text_of
from projections.prefix import TrueHistory
from projections.sections import guarded, problems_in

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ledger.aggregates.trial_state import TrialState
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from projections.kept import KeptRows, PageRows
    from projections.prefix import Prefix

TRIAL_DEVIATIONS: Final = "trial-deviations"
"""The projection of these findings, by subject; under ``trial`` those of none, and failed rules."""

TRIAL_KEY: Final = "trial"
DECIDING: Final = (RANDOMIZED, ENVELOPE, *PRODUCT_USES)
_PROBLEMS: Final = "problems"


class TrialFindings:
    """Keeps the rows of the trial's findings, and which subjects they can rest on."""

    def __init__(self, prefix: Prefix, kept: KeptRows) -> None:
        self._kept = kept
        self._concerned = prefix.subjects_of(DECIDING)
        self._written: dict[str, JsonObject] | None = None

    def note(self, record: Record) -> None:
        """Take in a record, from which on its subject may count."""
        if record.type in DECIDING:
            self._concerned.add(record.stream.partition("/")[2])

    def concerned(self, rows: PageRows) -> set[str]:
        """The subjects that findings can rest on, as this page leaves them."""
        return self._concerned | shared(rows)

    def refresh(self, rows: PageRows, state: TrialState, lots: Iterable[str]) -> None:
        """Run the rules over the trial, and write what differs from before."""
        overview = overview_of(state, self.concerned(rows), lots)
        found = guarded(lambda: trial_deviations_view(overview, TRIAL_RULES))
        before, after = self._before(), _by_subject(found)
        for key in before.keys() - after.keys():
            rows.put(TRIAL_DEVIATIONS, key, None)
            replace_rows(rows, placed(before[key]), {})
        for key, body in after.items():
            if key not in before or text_of(before[key]) != text_of(body):
                rows.put(TRIAL_DEVIATIONS, key, body)
                replace_rows(rows, placed(before.get(key, {})), placed(body))
        problems = problems_in({TRIAL_DEVIATIONS: found})
        place = f"{TRIAL_DEVIATIONS}/{TRIAL_KEY}"
        rows.put(_PROBLEMS, place, {_PROBLEMS: problems} if problems else None)
        self._written = after

    def _before(self) -> dict[str, JsonObject]:
        if self._written is None:
            keys = self._kept.keys(TRIAL_DEVIATIONS, "", "~")
            self._written = {key: self._kept.one(TRIAL_DEVIATIONS, key) or {} for key in keys}
        return self._written


def overview_of(
    state: TrialState,
    subjects: Iterable[str],
    lots: Iterable[str],
    true_at: datetime | None = None,
) -> TrialOverview:
    """What the rules over the trial look at, of these subjects and lots."""
    histories = {name: state.subject(name) for name in sorted(subjects)}
    stock = {name: state.lot(name) for name in sorted(lots)}
    if true_at is not None:
        histories = {name: TrueHistory(rows, true_at) for name, rows in histories.items()}
        stock = {name: TrueHistory(rows, true_at) for name, rows in stock.items()}
    return TrialOverview(
        definition=state.definition,
        trial=state.trial,
        register=state.register,
        allocation=state.allocation,
        subjects=histories,
        lots=stock,
    )


def _by_subject(found: JsonObject) -> dict[str, JsonObject]:
    """The findings under their subjects; all else there is to tell stands with the trial's own."""
    rows: dict[str, list[JsonObject]] = {TRIAL_KEY: []}
    for row in shapes(found, "deviations"):
        subject = row.get("subject")
        rows.setdefault(subject if isinstance(subject, str) else TRIAL_KEY, []).append({**row})
    bodies: dict[str, JsonObject] = {key: {"deviations": [*own]} for key, own in rows.items()}
    return {**bodies, TRIAL_KEY: {**found, **bodies[TRIAL_KEY]}}

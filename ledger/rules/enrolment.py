"""How many subjects the trial may randomize, and whether enrolment is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import instant_or_time, shape, whole

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import History
    from ledger.trials.definition import TrialDefinition

CLOSED = "enrolment.closed.v1"
AMENDED = "protocol.amended.v1"


def planned_number(trial: History, definition: TrialDefinition, at: datetime) -> int:
    """The planned number of subjects by the amendments in force at an instant.

    An amendment holds the protocol configuration by itself or as the member ``protocol`` of a
    whole definition.
    """
    planned = definition.protocol.planned_number
    amendments = [(instant_or_time(f, "effective_from"), f.seq, f) for f in trial.of(AMENDED)]
    for effective_from, _, fact in sorted(amendments, key=lambda row: row[:2]):
        configuration = shape(fact.data, "protocol") or {}
        inner = shape(configuration, "protocol") or configuration
        stated = whole(inner, "planned_number")
        if effective_from <= at and stated is not None:
            planned = stated
    return planned

"""Procedures of the trial: what is done to or collected from a subject, when, on what consent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.rules.case import once_a_case
from ledger.rules.consent import ConsentState, consents_of
from ledger.rules.derivation import observed_at
from ledger.rules.members import flag, instant_or_time, shape, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.consent import ConsentStanding

INFUSION = "infusion.administered.v1"
PROCEDURE = "procedure.recorded.v1"
VISITS = "visits"

SCOPE_OF: Mapping[str, str] = {
    INFUSION: "intervention",
    PROCEDURE: VISITS,
    "lab-result.recorded.v1": VISITS,
    "clinical-assessment.recorded.v1": VISITS,
    "pregnancy-test.recorded.v1": VISITS,
    "visit.completed.v1": VISITS,
    "concomitant-therapy.recorded.v1": "record_review",
    "medical-history.recorded.v1": "record_review",
    "diagnosis.recorded.v1": "record_review",
}
"""The scope of consent that each kind of data collection rests on.

Safety reports, death and transplant are not here: they are reported whatever was withdrawn.
"""

DONE_TO_SUBJECT = (
    INFUSION,
    PROCEDURE,
    "lab-result.recorded.v1",
    "clinical-assessment.recorded.v1",
    "pregnancy-test.recorded.v1",
)


@dataclass(frozen=True, slots=True)
class Procedure:
    """Something done to, or collected from, the subject, and when."""

    fact: Fact
    at: datetime
    scope: str


def procedures(case: Case) -> list[Procedure]:
    """The trial's procedures in order of time.

    Usual care does not count: a procedure that says so, and data imported from the hospital's own
    record.
    """
    return [row for row in collections(case) if row.fact.type in DONE_TO_SUBJECT]


def collections(case: Case) -> list[Procedure]:
    """All data collection that rests on a scope of consent, in order of time."""
    found = [
        Procedure(fact, _at(fact), SCOPE_OF[fact.type])
        for fact in case.records.of(*SCOPE_OF)
        if _for_trial(fact)
    ]
    return sorted(found, key=lambda row: (row.at, row.fact.seq))


@once_a_case
def collected_after_withdrawal(case: Case) -> tuple[tuple[Procedure, ConsentStanding], ...]:
    """What was collected after consent to its scope was withdrawn: kept, not analysed (R-49).

    Infusions are not among it; they have their own rule.
    """
    consents = consents_of(case)
    found = [
        (row, consents.standing(row.scope, row.at))
        for row in collections(case)
        if row.fact.type != INFUSION
    ]
    return tuple(row for row in found if row[1].state is ConsentState.WITHDRAWN)


def _for_trial(fact: Fact) -> bool:
    if fact.type == PROCEDURE:
        return flag(fact.data, "for_trial") is not False
    return text(shape(fact.data, "record") or {}, "mode") != "import"


def _at(fact: Fact) -> datetime:
    if fact.type == INFUSION:
        return instant_or_time(fact, "started_at")
    return observed_at(fact)

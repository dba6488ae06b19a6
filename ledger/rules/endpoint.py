"""The primary endpoint: Child-Pugh at a visit, traced to its five inputs (R-74).

Only results that name the visit are its inputs. Of several results of one test the one whose
specimen was taken last counts, and of several examinations the last that states the item.
What was collected after consent to visits was withdrawn is kept and is no input (R-49).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, get_args

from ledger.rules.calendar import days_between
from ledger.rules.child_pugh import (
    RULE_VERSION,
    ChildPughIndeterminate,
    ChildPughInputs,
    ChildPughScore,
    Comparator,
    Measurement,
    score_child_pugh,
)
from ledger.rules.members import instant, partial_date_or_day, quantity, text, whole
from ledger.rules.procedures import collected_after_withdrawal
from ledger.rules.treatment import TRANSPLANT
from ledger.rules.visits import ends_of_study, planned_visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.rules.members import Data
    from ledger.rules.visits import PlannedVisit

LAB_RESULT = "lab-result.recorded.v1"
ASSESSMENT = "clinical-assessment.recorded.v1"

LABORATORY: Final[Mapping[str, str]] = {
    "bilirubin": "bilirubin",
    "albumin": "albumin",
    "inr": "inr",
    "prothrombin-time-prolongation": "prothrombin_time_prolongation",
}
"""Test codes and the inputs they give."""

CLINICAL: Final[Mapping[str, str]] = {
    "ascites": "ascites",
    "encephalopathy_grade": "encephalopathy",
}
"""Members of an assessment and the inputs they give."""

_COMPARATORS: Final[Mapping[str, Comparator]] = {row: row for row in get_args(Comparator)}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a score: its value in words, when it was taken, and the record it is from.

    ``others`` are records of the same input at the same visit that do not count.
    """

    name: str
    value: str
    taken_at: datetime
    fact: Fact
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VisitScore:
    """Child-Pugh at one visit: inputs by name, the outcome, and the rule that made it.

    ``as_recorded`` is the outcome before corrections of the inputs, None when none was corrected;
    ``days_apart`` the local days between the first and the last input.
    """

    visit: str
    inputs: Mapping[str, Input]
    outcome: ChildPughScore | ChildPughIndeterminate
    as_recorded: ChildPughScore | ChildPughIndeterminate | None
    days_apart: int
    rule_version: str = RULE_VERSION

    @property
    def sources(self) -> tuple[str, ...]:
        """The ids of the events the score is made from, each once."""
        return tuple(dict.fromkeys(row.fact.id for row in self.inputs.values()))


class EndpointStatus(StrEnum):
    """Whether a subject reached the primary endpoint."""

    ACHIEVED = "achieved"
    NOT_ACHIEVED = "not achieved"
    NOT_YET = "not yet"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The primary endpoint of one subject at an instant, with what it rests on.

    ``counts_as`` is how the analysis takes it: None while it is not yet, and when a missing score
    is excluded.
    """

    status: EndpointStatus
    visit: PlannedVisit | None
    score: VisitScore | None
    counts_as: EndpointStatus | None
    reason: str


def score_visit(case: Case, visit: str) -> VisitScore:
    """The Child-Pugh score of one visit, or what stands in its way."""
    inputs = inputs_of(case, visit)
    days = [case.local_date(row.taken_at) for row in inputs.values()]
    corrected = any(row.fact.corrections for row in inputs.values())
    return VisitScore(
        visit=visit,
        inputs=inputs,
        outcome=_score(case, {name: row.fact.data for name, row in inputs.items()}),
        as_recorded=_score(case, {name: row.fact.record.data for name, row in inputs.items()})
        if corrected
        else None,
        days_apart=days_between(min(days), max(days)) if days else 0,
    )


def inputs_of(case: Case, visit: str) -> dict[str, Input]:
    """The inputs recorded for a visit, by name; of two measures of coagulation the one scored."""
    found: dict[str, list[Input]] = {}
    set_aside = {row.fact.id for row, _ in collected_after_withdrawal(case)}
    for fact in case.records.of(LAB_RESULT, ASSESSMENT):
        if text(fact.data, "visit") == visit and fact.id not in set_aside:
            for row in _inputs(fact):
                found.setdefault(row.name, []).append(row)
    chosen: dict[str, Input] = {}
    for name, rows in found.items():
        rows.sort(key=lambda row: (row.taken_at, row.fact.seq))
        last, others = rows[-1], tuple(row.fact.id for row in rows[:-1])
        chosen[name] = Input(last.name, last.value, last.taken_at, last.fact, others)
    return _without_spare_coagulation(case, chosen)


def primary_endpoint(case: Case, at: datetime) -> Endpoint:
    """The primary endpoint as it stands at an instant.

    A transplant ends the endpoint: a score taken on that day or later is not the trial's. A score
    counts whether or not the visit kept its window; the deviation shows beside it.
    """
    definition = case.protocol.endpoint
    visit = case.protocol.visit(definition.visit)
    if visit is None:
        return _missing(case, None, None, "The protocol plans no such visit.")
    planned, score = planned_visit(case, visit), score_visit(case, visit.id)
    taken = [row.taken_at for row in score.inputs.values()]
    if isinstance(score.outcome, ChildPughScore) and max(taken) <= at:
        if _transplanted_before(case, max(taken)):
            return _missing(case, planned, score, "A transplant came before the visit.")
        reached = score.outcome.grade == definition.grade
        status = EndpointStatus.ACHIEVED if reached else EndpointStatus.NOT_ACHIEVED
        reason = f"Child-Pugh class {score.outcome.grade} at {visit.id}."
        return Endpoint(status, planned, score, status, reason)
    if planned.expected is False and _left_before(case, at):
        return _missing(case, planned, score, "The subject left the study before the visit.")
    if planned.closes is not None and planned.closes <= at:
        reason = (
            score.outcome.reason
            if isinstance(score.outcome, ChildPughIndeterminate)
            else "The inputs were taken later."
        )
        return _missing(case, planned, score, reason)
    return Endpoint(EndpointStatus.NOT_YET, planned, score, None, "The visit is still to come.")


def _missing(
    case: Case, planned: PlannedVisit | None, score: VisitScore | None, reason: str
) -> Endpoint:
    failed = case.protocol.endpoint.missing_counts_as == "not-achieved"
    counts_as = EndpointStatus.NOT_ACHIEVED if failed else None
    return Endpoint(EndpointStatus.MISSING, planned, score, counts_as, reason)


def _inputs(fact: Fact) -> Iterable[Input]:
    if fact.type == LAB_RESULT:
        code, measured = text(fact.data, "test_code"), quantity(fact.data, "value")
        name = LABORATORY.get(code or "")
        if name is not None and measured is not None:
            comparator = text(fact.data, "comparator") or ""
            words = f"{comparator}{measured[0]} {measured[1]}"
            yield Input(name, words, instant(fact.data, "specimen_time") or fact.occurred_at, fact)
        return
    for member, name in CLINICAL.items():
        if (value := fact.data.get(member)) is not None:
            yield Input(name, str(value), fact.occurred_at, fact)


def _without_spare_coagulation(case: Case, inputs: dict[str, Input]) -> dict[str, Input]:
    """Keep the one measure of coagulation that is scored."""
    names = [LABORATORY[row] for row in case.protocol.child_pugh.coagulation_preference]
    there = [name for name in names if name in inputs]
    spare = {"inr", "prothrombin_time_prolongation"} - set(there[:1])
    return {name: row for name, row in inputs.items() if name not in spare}


def _score(case: Case, data: Mapping[str, Data]) -> ChildPughScore | ChildPughIndeterminate:
    ascites, examined = data.get("ascites", {}), data.get("encephalopathy", {})
    return score_child_pugh(
        ChildPughInputs(
            bilirubin=_measurement(data.get("bilirubin")),
            albumin=_measurement(data.get("albumin")),
            inr=_measurement(data.get("inr")),
            prothrombin_time_prolongation=_measurement(data.get("prothrombin_time_prolongation")),
            ascites=text(ascites, "ascites"),
            encephalopathy=whole(examined, "encephalopathy_grade"),
        ),
        definition=case.protocol.child_pugh,
    )


def _measurement(data: Data | None) -> Measurement | None:
    measured = None if data is None else quantity(data, "value")
    if data is None or measured is None:
        return None
    return Measurement(*measured, _COMPARATORS[text(data, "comparator") or "="])


def _transplanted_before(case: Case, taken: datetime) -> bool:
    return any(
        partial_date_or_day(fact, "transplanted_on", local_date=case.local_date).on_or_before(
            case.local_date(taken)
        )
        is not False
        for fact in case.records.of(TRANSPLANT)
    )


def _left_before(case: Case, at: datetime) -> bool:
    return any(fact.occurred_at <= at for _, fact in ends_of_study(case))

"""The stratum a subject is allocated within, from recorded baseline data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.allocation.slot import stratum_name
from ledger.rules.child_pugh import (
    ChildPughIndeterminate,
    ChildPughInputs,
    ChildPughScore,
    Comparator,
    Measurement,
    score_child_pugh,
)
from ledger.rules.delegation import is_signed
from ledger.rules.derivation import observed_at
from ledger.rules.members import quantity, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case

LAB = "lab-result.recorded.v1"
CLINICAL = "clinical-assessment.recorded.v1"
_COMPARATORS: Mapping[str | None, Comparator] = {
    None: "=", "<": "<", "<=": "<=", ">=": ">=", ">": ">",
}  # fmt: skip


def stratum_of(case: Case, at: datetime) -> str | None:
    """The stratum by the data at an instant, named as the allocation list names it.

    None when a factor cannot be told from the data or its level is none of the protocol's.
    """
    levels: list[tuple[str, str]] = []
    for row in case.protocol.allocation.strata:
        level_of = _FACTORS.get(row.factor)
        level = level_of(case, at) if level_of is not None else None
        if level is None or level not in row.levels:
            return None
        levels.append((row.factor, level))
    return stratum_name(levels)


def baseline_child_pugh(
    case: Case, at: datetime
) -> tuple[ChildPughScore | ChildPughIndeterminate, tuple[str, ...]]:
    """The score from the last value of each input until an instant, and the records used.

    Inputs further apart than the protocol allows are not scored together: those taken too long
    before the newest are left out. A clinical assessment counts once a person has signed it.
    """
    latest: dict[str, Fact] = {}
    for fact in _inputs(case, at):
        for name in _inputs_given(fact):
            latest[name] = fact
    definition = case.protocol.child_pugh
    if latest:
        newest = max(case.local_date(observed_at(fact)) for fact in latest.values())
        latest = {
            name: fact
            for name, fact in latest.items()
            if (newest - case.local_date(observed_at(fact))).days <= definition.max_days_apart
        }
    ascites, encephalopathy = latest.get("ascites"), latest.get("encephalopathy")
    inputs = ChildPughInputs(
        bilirubin=_measured(latest.get("bilirubin")),
        albumin=_measured(latest.get("albumin")),
        inr=_measured(latest.get("inr")),
        prothrombin_time_prolongation=_measured(latest.get("prothrombin-time-prolongation")),
        ascites=text(ascites.data, "ascites") if ascites else None,
        encephalopathy=(
            whole(encephalopathy.data, "encephalopathy_grade") if encephalopathy else None
        ),
    )
    evidence = tuple(dict.fromkeys(fact.id for fact in latest.values()))
    return score_child_pugh(inputs, definition=definition), evidence


def _inputs(case: Case, at: datetime) -> list[Fact]:
    found = [
        fact
        for fact in case.records.of(LAB, CLINICAL)
        if observed_at(fact) <= at and (fact.type == LAB or is_signed(fact))
    ]
    return sorted(found, key=lambda fact: (observed_at(fact), fact.seq))


def _inputs_given(fact: Fact) -> list[str]:
    if fact.type == LAB:
        return [text(fact.data, "test_code") or ""]
    given = []
    if text(fact.data, "ascites") is not None:
        given.append("ascites")
    if whole(fact.data, "encephalopathy_grade") is not None:
        given.append("encephalopathy")
    return given


def _measured(fact: Fact | None) -> Measurement | None:
    found = quantity(fact.data, "value") if fact is not None else None
    if fact is None or found is None:
        return None
    return Measurement(found[0], found[1], _COMPARATORS[text(fact.data, "comparator")])


def _child_pugh_class(case: Case, at: datetime) -> str | None:
    score, _ = baseline_child_pugh(case, at)
    return score.grade if isinstance(score, ChildPughScore) else None


def _sex(case: Case, at: datetime) -> str | None:
    facts = case.records.of("subject.identified.v1", "demographics.recorded.v1")
    known = [text(fact.data, "sex") for fact in facts if fact.occurred_at <= at]
    return known[-1] if known else None


def _site(case: Case, _at: datetime) -> str | None:
    return case.site_id


_FACTORS: Mapping[str, Callable[[Case, datetime], str | None]] = {
    "baseline-child-pugh-class": _child_pugh_class,
    "sex": _sex,
    "site": _site,
}

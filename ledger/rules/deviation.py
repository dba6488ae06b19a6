"""Protocol deviations as findings of rules: what, where, since when (ICH E3 Q&A R1 Q7).

A rule is a pure function of records up to a head; re-running gives the same findings with the
same ids. Rules never ask what time it is: a finding says from when it holds (``since``), also
when that instant lies ahead, and whoever reads as of an instant drops what comes later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from ledger.aggregates.allocation import Allocation
    from ledger.history import History
    from ledger.rules.case import Case
    from ledger.signing.register import Register
    from ledger.trials.definition import TrialDefinition


class Severity(StrEnum):
    """How much a deviation can affect rights, safety or reliability (E3 Q7 "important")."""

    CRITICAL = "critical"
    IMPORTANT = "important"
    MINOR = "minor"


class Standing(StrEnum):
    """Whether the rule is broken, or cannot be decided from what is recorded."""

    DEVIATION = "deviation"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a rule; ``anchor`` is the event it hangs on, ``since`` when it began to hold.

    ``tells_arm`` marks findings that a masked reader must not see.
    """

    anchor: str
    since: datetime
    message: str
    standing: Standing = Standing.DEVIATION
    severity: Severity | None = None
    evidence: tuple[str, ...] = ()
    tells_arm: bool = False


@dataclass(frozen=True, slots=True)
class Deviation:
    """A finding with the rule it comes from; ``id`` is rule and anchor, stable for ever."""

    rule: str
    severity: Severity
    subject: str | None
    finding: Finding

    @property
    def id(self) -> str:
        """Rule id and anchor event id."""
        return f"{self.rule}:{self.finding.anchor}"


@dataclass(frozen=True, slots=True)
class TrialOverview:
    """What rules over the whole trial may look at, up to a head."""

    definition: TrialDefinition
    trial: History
    register: Register
    allocation: Allocation
    subjects: Mapping[str, History]
    lots: Mapping[str, History]


@dataclass(frozen=True, slots=True)
class CaseRule:
    """A rule over one subject's case."""

    id: str
    severity: Severity
    definition: str
    check: Callable[[Case], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class TrialRule:
    """A rule over the whole trial; a finding names its subject where it has one."""

    id: str
    severity: Severity
    definition: str
    check: Callable[[TrialOverview], Iterable[tuple[str | None, Finding]]]


def deviations_of(case: Case, rules: Iterable[CaseRule]) -> list[Deviation]:
    """All findings of ``rules`` for a case, by rule id, then since, then anchor."""
    found = [
        Deviation(rule.id, finding.severity or rule.severity, case.subject, finding)
        for rule in rules
        for finding in rule.check(case)
    ]
    return sorted(found, key=_order)


def deviations_of_trial(overview: TrialOverview, rules: Iterable[TrialRule]) -> list[Deviation]:
    """All findings of ``rules`` for the trial, by rule id, then since, then anchor."""
    found = [
        Deviation(rule.id, finding.severity or rule.severity, subject, finding)
        for rule in rules
        for subject, finding in rule.check(overview)
    ]
    return sorted(found, key=_order)


def _order(deviation: Deviation) -> tuple[str, datetime, str]:
    return deviation.rule, deviation.finding.since, deviation.finding.anchor

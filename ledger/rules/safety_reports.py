"""Reports of serious adverse events with their follow-ups, and the clocks that run from them.

A report that follows another belongs to it; what later reports state of causality and
expectedness takes the place of what was stated before (ICH E2A).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ledger.rules.members import flag, instant, instant_or_time, text, texts

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact, History

SERIOUS = "serious-adverse-event.reported.v1"
FATAL = frozenset({"death", "life-threatening"})
SUSPECTED = frozenset({"possible", "probable", "definite"})
UNSUSPECTED = frozenset({"unrelated", "unlikely"})


class Susar(StrEnum):
    """Whether an event is a suspected unexpected serious adverse reaction."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class SeriousEvent:
    """A serious adverse event: its first report and those that follow it, in order."""

    reports: tuple[Fact, ...]

    @property
    def first(self) -> Fact:
        """The first report."""
        return self.reports[0]

    @property
    def aware_at(self) -> datetime:
        """When the site became aware, as the first report says."""
        return instant_or_time(self.first, "aware_at")

    def told(self, member: str) -> list[datetime]:
        """When the reports say that somebody was told, earliest first."""
        moments = {instant(fact.data, member) for fact in self.reports}
        return sorted(moment for moment in moments if moment is not None)

    def susar(self) -> tuple[Susar, datetime, datetime | None]:
        """Whether it is a SUSAR, since when that was known, and since when fatal or threatening.

        Where causality or expectedness is unknown the clocks are those it would have.
        """
        causality: str | None = None
        expected: bool | None = None
        found, since = Susar.NO, self.aware_at
        fatal_since: datetime | None = None
        fatal = False
        for fact in self.reports:
            causality = _stated(fact, causality)
            said = flag(fact.data, "expected")
            expected = expected if said is None else said
            fatal = fatal or _is_fatal(fact)
            aware = instant_or_time(fact, "aware_at")
            now = _classified(causality, expected=expected)
            if now is not Susar.NO and found is Susar.NO:
                since, fatal_since = aware, None
            found = now
            if found is not Susar.NO and fatal and fatal_since is None:
                fatal_since = aware
        return found, since, fatal_since


def serious_events(records: History) -> list[SeriousEvent]:
    """The serious adverse events of a subject, follow-up reports joined to the first."""
    reports = records.of(SERIOUS)
    known = {fact.id: text(fact.data, "follows") for fact in reports}
    chains: dict[str, list[Fact]] = {}
    for fact in reports:
        chains.setdefault(_origin(fact.id, known), []).append(fact)
    # The first report opens the chain, also when a follow-up is dated before it.
    return [
        SeriousEvent((*(f for f in chain if f.id == first), *(f for f in chain if f.id != first)))
        for first, chain in chains.items()
    ]


def _origin(event: str, known: dict[str, str | None]) -> str:
    """The first report of a chain; a report of an unknown one, or of itself, is its own."""
    seen = {event}
    while (before := known[event]) is not None and before in known and before not in seen:
        seen.add(before)
        event = before
    return event


def _stated(fact: Fact, before: str | None) -> str | None:
    said = text(fact.data, "causality")
    return before if said is None or said == "not-assessed" else said


def _is_fatal(fact: Fact) -> bool:
    return bool(FATAL & set(texts(fact.data, "criteria"))) or text(fact.data, "outcome") == "fatal"


def _classified(causality: str | None, *, expected: bool | None) -> Susar:
    if causality in UNSUSPECTED or expected is True:
        return Susar.NO
    return Susar.YES if causality in SUSPECTED and expected is False else Susar.UNKNOWN

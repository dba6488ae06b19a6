"""The state of one subject: one value, and flags beside it; a fold in order of occurrence.

A fact never fails because of the state. A jump that the protocol does not know is taken all the
same and leaves the flag ``irregular`` with the event that made it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED
from ledger.aggregates.trial_state import IDENTIFIED, lots_named
from ledger.history import REFUSED
from ledger.rules.calendar import completed_years_span, exact_day
from ledger.rules.consent import DECLINED, OBTAINED, RENEWED, WITHDRAWN, ConsentState, consents_of
from ledger.rules.criteria import birth_span
from ledger.rules.derivation import Question
from ledger.rules.eligibility import CONFIRMED, REVOKED, SCREEN_FAILED
from ledger.rules.members import stopped_at, text
from ledger.rules.treatment import (
    ADMINISTERED,
    COMPLETED,
    DEATH,
    DISCONTINUED,
    LOST,
    STUDY_DISCONTINUED,
    TRANSPLANT,
    arm_of,
    infusions,
)
from projections.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject, JsonValue

SCREENING = "screening.started.v1"
RESCREENING = "rescreening.started.v1"
STUDY_COMPLETED = "study.completed.v1"
BLIND_BROKEN = "blind.broken.v1"
ACCIDENTAL = "accidental-unblinding.reported.v1"
LOCATING = "demographics.recorded.v1"


class SubjectState(StrEnum):
    """Where a subject stands in the trial."""

    PRE_SCREENED = "PRE_SCREENED"
    NOT_CONSENTED = "NOT_CONSENTED"
    CONSENTED = "CONSENTED"
    IN_SCREENING = "IN_SCREENING"
    SCREEN_FAILED = "SCREEN_FAILED"
    ELIGIBLE = "ELIGIBLE"
    RANDOMIZED = "RANDOMIZED"
    ON_TREATMENT = "ON_TREATMENT"
    FOLLOW_UP = "FOLLOW_UP"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"
    LOST_TO_FOLLOW_UP = "LOST_TO_FOLLOW_UP"
    WITHDRAWN = "WITHDRAWN"
    DEAD = "DEAD"


_S = SubjectState
_BEFORE_CONSENT = frozenset({_S.PRE_SCREENED, _S.NOT_CONSENTED})
_SCREENED = frozenset({_S.CONSENTED, _S.IN_SCREENING, _S.ELIGIBLE})
_TREATED = frozenset({_S.RANDOMIZED, _S.ON_TREATMENT})
_ON_STUDY = _TREATED | {_S.FOLLOW_UP}
_ENDED = frozenset({_S.COMPLETED, _S.DISCONTINUED, _S.LOST_TO_FOLLOW_UP, _S.WITHDRAWN, _S.DEAD})


@dataclass(frozen=True, slots=True)
class Step:
    """The state from an event on; ``regular`` is whether the protocol knows such a step."""

    state: SubjectState
    since: datetime
    event: str
    regular: bool = True


@dataclass(frozen=True, slots=True)
class _Move:
    """Where a type of event leads: from which states regularly, and from which not at all."""

    to: SubjectState
    regular_from: frozenset[SubjectState]
    ignored_from: frozenset[SubjectState] = frozenset()


_MOVES = {
    DECLINED: _Move(_S.NOT_CONSENTED, _BEFORE_CONSENT | _SCREENED, _ON_STUDY | _ENDED),
    SCREENING: _Move(_S.IN_SCREENING, frozenset({_S.CONSENTED}), _ON_STUDY | _ENDED),
    RESCREENING: _Move(
        _S.IN_SCREENING, frozenset({_S.SCREEN_FAILED, _S.CONSENTED}), _ON_STUDY | _ENDED
    ),
    SCREEN_FAILED: _Move(_S.SCREEN_FAILED, _SCREENED | _BEFORE_CONSENT, _ON_STUDY | _ENDED),
    CONFIRMED: _Move(_S.ELIGIBLE, frozenset({_S.IN_SCREENING, _S.ELIGIBLE}), _ON_STUDY | _ENDED),
    REVOKED: _Move(_S.IN_SCREENING, frozenset({_S.ELIGIBLE, _S.IN_SCREENING}), _ON_STUDY | _ENDED),
    RANDOMIZED: _Move(_S.RANDOMIZED, frozenset({_S.ELIGIBLE}), _ENDED),
    ENVELOPE: _Move(_S.RANDOMIZED, frozenset({_S.ELIGIBLE}), _ENDED),
    COMPLETED: _Move(_S.FOLLOW_UP, _ON_STUDY, _ENDED),
    DISCONTINUED: _Move(_S.FOLLOW_UP, _ON_STUDY, _ENDED),
    TRANSPLANT: _Move(_S.FOLLOW_UP, _ON_STUDY, frozenset(_S) - _ON_STUDY),
    STUDY_COMPLETED: _Move(_S.COMPLETED, frozenset({_S.FOLLOW_UP}), _ENDED),
    STUDY_DISCONTINUED: _Move(_S.DISCONTINUED, frozenset(_S) - _ENDED, _ENDED),
    LOST: _Move(_S.LOST_TO_FOLLOW_UP, frozenset(_S) - _ENDED, _ENDED),
    DEATH: _Move(_S.DEAD, frozenset(_S) - {_S.DEAD}),
}


class StateFold:
    """Folds the facts of a case, in order of occurrence, into steps of the state."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._consents = consents_of(case)
        self._valid = {row.fact.id for row in self._consents.given if row.valid}
        self._infusions = 0
        arm = arm_of(case.records, case.protocol)
        self._planned = None if isinstance(arm, str) else arm.planned_infusions
        self.steps: list[Step] = []

    @property
    def state(self) -> SubjectState:
        """The state after the facts applied so far."""
        return self.steps[-1].state if self.steps else _S.PRE_SCREENED

    def apply(self, fact: Fact) -> Step | None:
        """Take one more fact in; the step it made, None when the state stays as it is."""
        step = self._step(fact)
        if step is None or (step.state is self.state and step.regular and self.steps):
            return None
        self.steps.append(step)
        return step

    def _step(self, fact: Fact) -> Step | None:
        if fact.type == IDENTIFIED:
            return None if self.steps else Step(_S.PRE_SCREENED, fact.occurred_at, fact.id)
        if fact.type in (OBTAINED, RENEWED):
            return self._consented(fact)
        if fact.type == WITHDRAWN:
            return self._withdrawn(fact)
        if fact.type == ADMINISTERED:
            return self._infused(fact)
        move = _MOVES.get(fact.type)
        if move is None or self.state in move.ignored_from:
            return None
        return Step(move.to, fact.occurred_at, fact.id, self.state in move.regular_from)

    def _consented(self, fact: Fact) -> Step | None:
        if fact.id not in self._valid:
            return None
        if self.state in _BEFORE_CONSENT:
            return Step(_S.CONSENTED, fact.occurred_at, fact.id)
        if self.state is _S.WITHDRAWN and fact.type == OBTAINED:
            randomized = any(step.state is _S.RANDOMIZED for step in self.steps)
            return Step(_S.FOLLOW_UP if randomized else _S.CONSENTED, fact.occurred_at, fact.id)
        return None

    def _withdrawn(self, fact: Fact) -> Step | None:
        if self.state in _ENDED:
            return None
        at = stopped_at(fact, "effective_at")
        scopes = [
            self._consents.standing(scope, at) for scope in self._case.protocol.consent.scopes
        ]
        given = [row for row in scopes if row.consent is not None or row.event is not None]
        if all(row.state in (ConsentState.WITHDRAWN, ConsentState.DECLINED) for row in given):
            return Step(_S.WITHDRAWN, at, fact.id)
        if not any(
            row.scope == "intervention" and row.state is ConsentState.WITHDRAWN for row in scopes
        ):
            return None
        # Without consent to the intervention there is nothing to screen or to allocate for.
        to = _S.FOLLOW_UP if self.state in _ON_STUDY else _S.WITHDRAWN
        return Step(to, at, fact.id)

    def _infused(self, fact: Fact) -> Step | None:
        self._infusions += 1
        surplus = self._planned is not None and self._infusions > self._planned
        regular = self.state in _TREATED and not surplus
        if self.state in _ENDED:
            return Step(self.state, fact.occurred_at, fact.id, regular=False)
        done = self._planned is not None and self._infusions >= self._planned
        stays = done or self.state is _S.FOLLOW_UP
        return Step(_S.FOLLOW_UP if stays else _S.ON_TREATMENT, fact.occurred_at, fact.id, regular)


def fold_state(case: Case) -> StateFold:
    """The steps of the state over all facts of a case."""
    fold = StateFold(case)
    for fact in case.records.timeline():
        fold.apply(fact)
    return fold


def subject_view(case: Case) -> JsonObject:
    """Who the subject is and where he stands: state with its steps, flags, demography, counts."""
    fold = fold_state(case)
    records = case.records
    identified = records.last(IDENTIFIED)
    return {
        "subject": case.subject,
        "site": case.site_id,
        "time_zone": str(case.zone),
        "identified": identified is not None,
        "sex": _last_text(case, "sex", IDENTIFIED, LOCATING),
        **_age(case),
        "standings": _standings(case, fold.steps),
        "state_steps": [_step_row(step) for step in fold.steps],
        "flags": _flags(case, fold),
        "infusions_given": len(infusions(records)),
        "events": len(records.facts),
        "voided": sum(1 for fact in records.facts.values() if fact.voided_by),
        "refused": len(records.refused),
        "last_contact": _last_contact(records.timeline()),
        "lots": [*sorted(lots_named(records))],
    }


def _standings(case: Case, steps: Iterable[Step]) -> list[JsonValue]:
    """The state as of an instant; a confirmation runs out when nobody is randomized on it."""
    rows = list(steps)
    if rows and rows[-1].state is _S.ELIGIBLE:
        days = case.protocol.screening.eligibility_validity_days
        over = rows[-1].since + timedelta(days=days, microseconds=1)
        rows.append(replace(rows[-1], state=_S.IN_SCREENING, since=over))
    return [
        {"since": utc_text(step.since), "state": step.state.value, "state_event": step.event}
        for step in sorted(rows, key=lambda step: step.since)
    ]


def _step_row(step: Step) -> JsonObject:
    return {
        "state": step.state.value,
        "since": utc_text(step.since),
        "event": step.event,
        "regular": step.regular,
    }


def _flags(case: Case, fold: StateFold) -> JsonObject:
    records = case.records
    return {
        "irregular": any(not step.regular for step in fold.steps),
        "irregular_events": [step.event for step in fold.steps if not step.regular],
        "blind_broken": bool(records.of(BLIND_BROKEN, ACCIDENTAL)),
        "transplanted": bool(records.of(TRANSPLANT)),
        "dead": bool(records.of(DEATH)),
        "randomized": bool(records.of(RANDOMIZED, ENVELOPE)),
        "command_refused": any(result.type == REFUSED for _, result in records.refused),
    }


def _age(case: Case) -> JsonObject:
    """Completed years on the day of the first valid consent, as far as the birth date is opened.

    ``age_at_consent`` is null when unknown or when the date is too vague; the span then stands in
    ``age_at_consent_from`` and ``age_at_consent_to``.
    """
    empty: JsonObject = {
        "age_at_consent": None,
        "age_at_consent_from": None,
        "age_at_consent_to": None,
    }
    consents = consents_of(case)
    first = consents.first_valid() or next(iter(consents.given), None)
    if first is None:
        return empty
    birth, _ = birth_span(Question(case, first.given_at))
    if birth is None:
        return empty
    least, greatest = completed_years_span(birth, exact_day(case.local_date(first.given_at)))
    return {
        "age_at_consent": least if least == greatest else None,
        "age_at_consent_from": least,
        "age_at_consent_to": greatest,
    }


def _last_text(case: Case, name: str, *types: str) -> str | None:
    found = [value for fact in case.records.of(*types) if (value := text(fact.data, name))]
    return found[-1] if found else None


def _last_contact(timeline: list[Fact]) -> str | None:
    seen = [fact for fact in timeline if fact.record.stream.startswith(("subject/", "treatment/"))]
    return utc_text(seen[-1].occurred_at) if seen else None

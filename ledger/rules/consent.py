"""Consent standing by scope at an instant, folded from discussion to withdrawal.

NONE, DECLINED, GIVEN (version), RECONSENT_DUE, WITHDRAWN, INVALID: given, but a validity rule
(DV-02 to DV-05, DV-07) is open; guards read it as NONE (ICH E6(R3) 2.8).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from ledger.rules.case import once_a_case
from ledger.rules.consent_validity import (
    CAPACITY,
    ConsentProblem,
    consent_problems,
    given_at,
)
from ledger.rules.documents import version_effective_from
from ledger.rules.members import flag, instant, stopped_at, text, texts

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case

OBTAINED = "consent.obtained.v1"
RENEWED = "consent.renewed.v1"
DECLINED = "consent.declined.v1"
WITHDRAWN = "consent.withdrawn.v1"
REQUIRED = "reconsent.required.v1"


class ConsentState(StrEnum):
    """The state of consent to one scope."""

    NONE = "NONE"
    DECLINED = "DECLINED"
    GIVEN = "GIVEN"
    RECONSENT_DUE = "RECONSENT_DUE"
    WITHDRAWN = "WITHDRAWN"
    INVALID = "INVALID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentStanding:
    """Where consent to a scope stands at an instant.

    ``since`` is when the state began; ``event`` the record it rests on and ``consent`` the
    consent itself, if one was given; ``due`` until when consent must be renewed and
    ``obligation`` the record that asks for it.
    """

    scope: str
    at: datetime
    state: ConsentState = ConsentState.NONE
    version: str | None = None
    since: datetime | None = None
    event: str | None = None
    consent: str | None = None
    problems: tuple[ConsentProblem, ...] = ()
    due: datetime | None = None
    obligation: str | None = None

    @property
    def valid(self) -> bool:
        """Whether an act that needs this consent may be done: given, and no renewal overdue."""
        if self.state is ConsentState.RECONSENT_DUE:
            return self.due is not None and self.at <= self.due
        return self.state is ConsentState.GIVEN

    @property
    def reason(self) -> str:
        """One sentence that says why consent does not count, or that it does."""
        name = f"consent to {self.scope}"
        match self.state:
            case ConsentState.GIVEN:
                return f"The {name} is given on version {self.version}."
            case ConsentState.RECONSENT_DUE:
                return f"The {name} on version {self.version} is to be renewed by {self.due}."
            case ConsentState.INVALID:
                problems = " ".join(f"{row.rule}: {row.message}" for row in self.problems)
                return f"The {name} is not valid. {problems}"
            case ConsentState.NONE:
                return f"No {name} is recorded."
            case _:
                return f"The {name} was {self.state.value.lower()} at {self.since}."


@dataclass(frozen=True, slots=True)
class GivenConsent:
    """One consent as given, first or renewed, with what keeps it from being valid."""

    fact: Fact
    given_at: datetime
    version: str
    scopes: frozenset[str]
    own: bool
    problems: tuple[ConsentProblem, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


class Consents:
    """All consent records of a case, read once; ask it for standings.

    A case has one, which ``consents_of`` gives.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.given = sorted(
            (_given(case, fact) for fact in case.records.of(OBTAINED, RENEWED)),
            key=lambda row: (row.given_at, row.fact.seq),
        )
        self._by_id = {row.fact.id: row for row in self.given}
        steps = [(row.given_at, row.fact) for row in self.given]
        steps += [(stopped_at(fact), fact) for fact in case.records.of(DECLINED)]
        steps += [(stopped_at(fact, "effective_at"), fact) for fact in case.records.of(WITHDRAWN)]
        self._steps = sorted(steps, key=lambda step: (step[0], step[1].seq))
        self._required = case.records.of(REQUIRED)
        self._capacity = case.records.of(CAPACITY)

    def standing(self, scope: str, at: datetime) -> ConsentStanding:
        """Where consent to a scope stands at an instant, by occurrence time."""
        found = ConsentStanding(scope=scope, at=at)
        for when, fact in self._steps:
            if when > at:
                break
            found = self._after(found, fact, when)
        return self._with_obligation(found) if found.state is ConsentState.GIVEN else found

    def first_valid(self) -> GivenConsent | None:
        """The first consent that is valid, whatever it covers."""
        return next((row for row in self.given if row.valid), None)

    def first_valid_to(self, scope: str) -> GivenConsent | None:
        """The first valid consent that covers a scope."""
        return next((row for row in self.given if row.valid and scope in row.scopes), None)

    def _after(self, found: ConsentStanding, fact: Fact, when: datetime) -> ConsentStanding:
        if fact.type == WITHDRAWN:
            scopes = texts(fact.data, "scopes")
            if scopes and found.scope not in scopes:
                return found
            return replace(found, state=ConsentState.WITHDRAWN, since=when, event=fact.id)
        if fact.type == DECLINED:
            if found.state is ConsentState.WITHDRAWN:
                return found
            return replace(found, state=ConsentState.DECLINED, since=when, event=fact.id)
        return self._after_consent(found, self._by_id[fact.id])

    def _after_consent(self, found: ConsentStanding, consent: GivenConsent) -> ConsentStanding:
        ended = found.state is ConsentState.WITHDRAWN
        if ended and consent.fact.type != OBTAINED:
            # Only a new full consent brings back what was withdrawn.
            return found
        if not consent.valid and (found.state is ConsentState.GIVEN or ended):
            # A flawed renewal neither takes the place of a valid consent nor revives another.
            return found
        if found.scope not in consent.scopes:
            if not consent.valid or ended:
                return found
            # Who signs a form without this scope has been asked and has not agreed to it.
            state = ConsentState.DECLINED
        else:
            state = ConsentState.GIVEN if consent.valid else ConsentState.INVALID
        return replace(
            found,
            state=state,
            version=consent.version,
            since=consent.given_at,
            event=consent.fact.id,
            consent=consent.fact.id,
            problems=consent.problems,
        )

    def _with_obligation(self, found: ConsentStanding) -> ConsentStanding:
        consent = self._by_id[found.consent or ""]
        open_ = [*self._new_version(consent, found.at), *self._own_consent(consent, found.at)]
        if not open_:
            return found
        due, fact = min(open_, key=lambda row: (row[0], row[1].seq))
        return replace(found, state=ConsentState.RECONSENT_DUE, due=due, obligation=fact.id)

    def _new_version(self, consent: GivenConsent, at: datetime) -> list[tuple[datetime, Fact]]:
        asked = [fact for fact in self._required if fact.occurred_at <= at]
        if not asked:
            return []
        version = text(asked[-1].data, "icf_version") or ""
        due = instant(asked[-1].data, "due")
        if due is None or version == consent.version:
            return []
        trial, site = self._case.trial, self._case.site_id
        signed = version_effective_from(trial, site, consent.version)
        wanted = version_effective_from(trial, site, version)
        if signed is not None and wanted is not None and signed > wanted:
            return []
        return [(due, asked[-1])]

    def _own_consent(self, consent: GivenConsent, at: datetime) -> list[tuple[datetime, Fact]]:
        if consent.own:
            return []
        regained: Fact | None = None
        for fact in self._capacity:
            if not consent.given_at < fact.occurred_at <= at:
                continue
            capable = flag(fact.data, "capable") is True
            regained = (regained or fact) if capable else None
        if regained is None:
            return []
        days = self._case.protocol.consent.own_consent_after_regained_capacity_days
        return [(regained.occurred_at + timedelta(days=days), regained)]


@once_a_case
def consents_of(case: Case) -> Consents:
    """The consent records of a case."""
    return Consents(case)


def standing(case: Case, scope: str, at: datetime) -> ConsentStanding:
    """Where consent to a scope stands at an instant."""
    return consents_of(case).standing(scope, at)


def _given(case: Case, fact: Fact) -> GivenConsent:
    return GivenConsent(
        fact=fact,
        given_at=given_at(fact),
        version=text(fact.data, "icf_version") or "",
        scopes=frozenset(texts(fact.data, "scopes")),
        own=text(fact.data, "given_by") == "self",
        problems=consent_problems(case, fact),
    )

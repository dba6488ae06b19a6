"""Deviations of conduct and records: DV-33, DV-39, DV-41, DV-42 (ICH E6(R3) 2.3, 4.2.4)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.history import kind_of
from ledger.rules.calendar import exact_day
from ledger.rules.consent import consents_of
from ledger.rules.delegation import delegations_on, persons_of, roles_at, trained, was_signed_before
from ledger.rules.deviation import CaseRule, Finding, Severity, Standing
from ledger.rules.findings import one_per_anchor, start_of_day
from ledger.rules.members import flag, partial_date, shape, text
from ledger.vocabulary import Kind, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date, datetime

    from ledger.history import Fact
    from ledger.rules.case import Case

THERAPY = "concomitant-therapy.recorded.v1"
OTHER_PRODUCT = "other-trial-product"
DISCUSSED = ("consent.obtained.v1", "consent.renewed.v1")
ENDS = (
    "death.recorded.v1",
    "study.completed.v1",
    "study.discontinued.v1",
    "subject.lost-to-follow-up.v1",
    "subject.screen-failed.v1",
)
ACTORS: Mapping[str, str] = {
    "infusion.administered.v1": "given_by",
    "clinical-assessment.recorded.v1": "assessor",
}
"""Members that name who did what a record reports, beside who signed it."""


def therapy_allowed(case: Case) -> Iterator[Finding]:
    """DV-33: no prohibited therapy between consent and the end of study.

    A transplant is an event and no fault; it ends the endpoint.
    """
    rules = case.protocol.prohibited_therapies
    classes = {*rules.therapy_classes, *((OTHER_PRODUCT,) if rules.other_trial_products else ())}
    first = consents_of(case).first_valid()
    if first is None:
        return
    end = case.records.last(*ENDS)
    for fact in case.records.of(THERAPY):
        if text(fact.data, "therapy_class") not in classes:
            continue
        on_study = _on_study(case, fact, first.given_at, end)
        if on_study is False:
            continue
        start = partial_date(fact.data, "start")
        since = first.given_at
        if start is not None:
            since = max(since, start_of_day(start.earliest, case.zone))
        message = f"{text(fact.data, 'therapy_class')} was given on study."
        standing = Standing.DEVIATION
        if on_study is None:
            message = f"Whether {text(fact.data, 'therapy_class')} was given on study is not known."
            standing = Standing.INDETERMINATE
        yield Finding(fact.id, since, message, standing)


def _on_study(case: Case, fact: Fact, consent: datetime, end: Fact | None) -> bool | None:
    recorded = exact_day(case.local_date(fact.occurred_at))
    start, stop = partial_date(fact.data, "start"), partial_date(fact.data, "end")
    ongoing = stop is None and flag(fact.data, "ongoing") is True
    begun = True
    if end is not None and start is not None:
        known = start.on_or_before(case.local_date(end.occurred_at))
        if known is None:
            return None
        begun = known
    day: date = case.local_date(consent)
    if not begun:
        return False
    if start is not None and start.on_or_after(day):
        return True
    if ongoing and recorded.on_or_after(day):
        return True
    return stop.on_or_after(day) if stop is not None else None


def acts_were_delegated(case: Case) -> Iterable[Finding]:
    """DV-39: who acts holds the role or the delegated task, in date, and is trained for it.

    Judged are facts and judgements; commands without authority are refused. The discussion
    leader of a consent has a rule of his own (DV-07).
    """
    found: list[Finding] = []
    for fact in case.records.timeline():
        if fact.type in vocabulary() and kind_of(fact.type) in (Kind.FACT, Kind.JUDGEMENT):
            found += _undelegated(case, fact)
    return one_per_anchor(found, default=Severity.IMPORTANT)


def _undelegated(case: Case, fact: Fact) -> Iterator[Finding]:
    persons = persons_of(fact, case.register)
    if fact.type in DISCUSSED:
        persons = [person for person in persons if person != text(fact.data, "leader")]
    lacking = [reason for person in persons if (reason := _lacking(case, fact, person))]
    # One of several signers who may act is enough, as when the record was admitted.
    if persons and len(lacking) == len(persons):
        yield Finding(fact.id, fact.occurred_at, lacking[0], tells_arm=_tells(fact))
    named = [text(fact.data, ACTORS.get(fact.type, ""))]
    if not persons:
        originator = shape(shape(fact.data, "record") or {}, "originator") or {}
        named.append(text(originator, "person"))
    for person in named:
        if person is not None and person not in persons:
            reason = _lacking(case, fact, person)
            if reason is not None:
                yield Finding(fact.id, fact.occurred_at, reason, tells_arm=_tells(fact))


def _lacking(case: Case, fact: Fact, person: str) -> str | None:
    signing = vocabulary()[fact.type].signing
    day, site = case.local_date(fact.occurred_at), case.site_id
    if roles_at(case.register, person, site, fact.seq) & signing.roles:
        return None
    if not signing.tasks:
        return f"{person} held no role that {fact.type} asks for."
    delegated = {t for row in delegations_on(case.register, person, site, day) for t in row.tasks}
    covered = frozenset(delegated & signing.tasks)
    if not covered:
        return f"{person} was not delegated {fact.type} on {day}."
    if not trained(case.register, person, covered, day):
        return f"No training of {person} for {', '.join(sorted(covered))} by {day} is recorded."
    return None


def entered_in_time(case: Case) -> Iterator[Finding]:
    """DV-41: facts and judgements are recorded within the limit for late entry."""
    limit = timedelta(hours=case.protocol.late_entry_limit_hours)
    for fact in case.records.timeline():
        due = fact.occurred_at + limit
        if kind_of(fact.type) in (Kind.FACT, Kind.JUDGEMENT) and fact.record.recorded_at > due:
            late = fact.record.recorded_at - fact.occurred_at
            hours = int(late.total_seconds() // 3600)
            limit_hours = case.protocol.late_entry_limit_hours
            message = (
                f"{fact.type} was recorded {hours} hours after it happened; limit {limit_hours}."
            )
            yield Finding(fact.id, due, message, tells_arm=_tells(fact))


def corrections_were_signed(case: Case) -> Iterator[Finding]:
    """DV-42: a corrected record that a person had signed is signed again in time.

    A later correction asks for a signature after it; a signature covers all corrections before.
    """
    days = case.protocol.correction.resign_within_days
    for fact in case.records.timeline():
        if not fact.corrections or not was_signed_before(fact, fact.corrections[0].seq):
            continue
        for correction in fact.corrections:
            due = correction.occurred_at + timedelta(days=days)
            signed = any(
                again.seq > correction.seq and again.occurred_at <= due for again in fact.signed_by
            )
            if not signed:
                message = f"The correction of {fact.type} was not signed within {days} days."
                yield Finding(
                    correction.id,
                    due,
                    message,
                    evidence=(fact.id,),
                    tells_arm=_tells(fact),
                )


def _tells(fact: Fact) -> bool:
    """Whether a finding at a record tells the arm: how many a treatment has must not be seen."""
    return fact.record.stream.startswith("treatment/")


CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule("DV-33", Severity.IMPORTANT, "Prohibited therapy on study.", therapy_allowed),
    CaseRule(
        "DV-39",
        Severity.IMPORTANT,
        "Act by a person not delegated, out of date range, or untrained.",
        acts_were_delegated,
    ),
    CaseRule("DV-41", Severity.MINOR, "Recorded later than the limit.", entered_in_time),
    CaseRule(
        "DV-42", Severity.IMPORTANT, "Correction not signed again in time.", corrections_were_signed
    ),
)

"""Deviations at the bedside: dose, identity, route, duration (DV-22, 26, 27, 28)."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from ledger.rules.deviation import CaseRule, Finding, Severity, Standing
from ledger.rules.findings import one_per_anchor
from ledger.rules.members import instant, instant_or_time, quantity, shape, text, texts, whole
from ledger.rules.stock import BAG_RELEASED
from ledger.rules.treatment import INTERRUPTED, Infusion, infusions, numbered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ledger.history import Fact, History
    from ledger.rules.case import Case

UNDECIDED = Standing.INDETERMINATE


def dose_kept(case: Case) -> Iterable[Finding]:
    """DV-22: the cells given differ from the protocol's dose by no more than the tolerance."""
    plan = case.protocol.infusion
    planned, unit = Fraction(plan.planned_dose.value), plan.planned_dose.unit
    for given, later in numbered(case.records):
        dose = quantity(given.fact.data, "cells_given")
        if dose is None:
            yield _undecided(given, "The cells given are not stated.", tells_arm=later)
        elif dose[1] != unit:
            message = f"The dose is given in {dose[1]}, the protocol's in {unit}."
            yield _undecided(given, message, tells_arm=later)
        elif (
            abs(Fraction(dose[0]) - planned) * 100 > Fraction(plan.dose_tolerance_percent) * planned
        ):
            yield Finding(
                given.id,
                given.started_at,
                f"{dose[0]} {unit} given; planned are {plan.planned_dose.value} "
                f"± {plan.dose_tolerance_percent} %.",
                tells_arm=later,
            )


def identity_checked(case: Case) -> Iterable[Finding]:
    """DV-26: the bag was released for this subject, both were scanned, and enough people checked.

    The ledger never releases one bag to two subjects, so a bag it did not release for this one
    may be another's. During downtime no release can be asked for: then it cannot be told.
    """
    found = [
        finding
        for given, later in numbered(case.records)
        for finding in (
            *_released_for(case.records, given, tells_arm=later),
            *_scanned(case, given, tells_arm=later),
        )
    ]
    return one_per_anchor(found, default=Severity.CRITICAL)


def route_kept(case: Case) -> Iterable[Finding]:
    """DV-27: the route is the protocol's."""
    planned = case.protocol.infusion.route
    for given, later in numbered(case.records):
        route = text(given.fact.data, "route")
        if route is None:
            yield _undecided(given, "The route is not stated.", tells_arm=later)
        elif route != planned:
            message = f"Given by the route {route}; planned is {planned}."
            yield Finding(given.id, given.started_at, message, tells_arm=later)


def duration_kept(case: Case) -> Iterable[Finding]:
    """DV-28: an infusion lasts as long as planned and is not interrupted for too long."""
    for given, later in numbered(case.records):
        yield from _duration(case, given, tells_arm=later)
    first = min((row.number for row in infusions(case.records)), default=1)
    for fact in case.records.of(INTERRUPTED):
        later = (whole(fact.data, "infusion_number") or first) > first
        yield from _interruption(case, fact, tells_arm=later)


def _released_for(records: History, given: Infusion, *, tells_arm: bool) -> Iterator[Finding]:
    for bag in dict.fromkeys(given.bags):
        if any(
            text(fact.data, "lot") == given.lot
            and text(fact.data, "bag_id") == bag
            and _requested_at(records, fact) <= given.started_at
            for fact in records.of(BAG_RELEASED)
        ):
            continue
        record = shape(given.fact.data, "record") or {}
        if text(record, "mode") == "downtime":
            message = f"The bag {bag} was used during downtime, without a release by the ledger."
            yield _undecided(given, message, tells_arm=tells_arm)
        else:
            message = f"The bag {bag} was not released for this subject before the infusion."
            yield Finding(given.id, given.started_at, message, tells_arm=tells_arm)


def _requested_at(records: History, released: Fact) -> datetime:
    """When the release was asked for, which the ledger may have recorded later."""
    request = shape(released.data, "request") or {}
    command = records.facts.get(text(request, "id") or "")
    return released.occurred_at if command is None else command.occurred_at


def _scanned(case: Case, given: Infusion, *, tells_arm: bool) -> Iterator[Finding]:
    data, messages = given.fact.data, []
    subject, bag = text(data, "scan_subject"), text(data, "scan_bag")
    if subject != case.subject:
        messages.append(_scan_message("subject", subject))
    if bag is None or bag not in given.bags:
        messages.append(_scan_message("bag", bag))
    checkers = len(set(texts(data, "checked_by")))
    if checkers < case.protocol.infusion.checkers:
        messages.append(
            f"{checkers} of {case.protocol.infusion.checkers} people checked subject and bag."
        )
    for message in messages:
        yield Finding(given.id, given.started_at, message, tells_arm=tells_arm)


def _scan_message(what: str, read: str | None) -> str:
    if read is None:
        return f"No bedside scan of the {what} is recorded."
    return f"The bedside scan of the {what} reads {read}."


def _duration(case: Case, given: Infusion, *, tells_arm: bool) -> Iterator[Finding]:
    plan = case.protocol.infusion
    if given.stopped_at is None:
        yield _undecided(given, "The end of the infusion is not stated.", tells_arm=tells_arm)
        return
    lasted = given.stopped_at - given.started_at
    shortest = timedelta(minutes=plan.minimum_duration_minutes)
    longest = timedelta(minutes=plan.maximum_duration_minutes)
    if not shortest <= lasted <= longest:
        yield Finding(
            given.id,
            given.started_at + longest if lasted > longest else given.stopped_at,
            f"The infusion lasted {_minutes(lasted)} minutes; planned are "
            f"{plan.minimum_duration_minutes} to {plan.maximum_duration_minutes}.",
            tells_arm=tells_arm,
        )


def _interruption(case: Case, fact: Fact, *, tells_arm: bool) -> Iterator[Finding]:
    limit = case.protocol.infusion.maximum_interruption_minutes
    began, resumed = instant_or_time(fact, "interrupted_at"), instant(fact.data, "resumed_at")
    since = began + timedelta(minutes=limit)
    if resumed is None:
        yield Finding(fact.id, since, "Interrupted and not resumed.", tells_arm=tells_arm)
    elif resumed > since:
        message = f"Interrupted for {_minutes(resumed - began)} minutes; allowed are {limit}."
        yield Finding(fact.id, since, message, tells_arm=tells_arm)


def _minutes(span: timedelta) -> str:
    """A span in minutes, exactly: ``90`` or ``90.5`` … as far as two decimals show it."""
    minutes = span / timedelta(minutes=1)
    return f"{minutes:.2f}".rstrip("0").rstrip(".")


def _undecided(given: Infusion, message: str, *, tells_arm: bool) -> Finding:
    return Finding(given.id, given.started_at, message, standing=UNDECIDED, tells_arm=tells_arm)


CRITICAL, IMPORTANT, MINOR = Severity.CRITICAL, Severity.IMPORTANT, Severity.MINOR

CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule("DV-22", IMPORTANT, "Dose outside its tolerance.", dose_kept),
    CaseRule(
        "DV-26",
        CRITICAL,
        "Bag not released for the subject, bedside scan absent or different, too few checkers.",
        identity_checked,
    ),
    CaseRule("DV-27", IMPORTANT, "Route other than planned.", route_kept),
    CaseRule("DV-28", MINOR, "Duration or interruption outside the limits.", duration_kept),
)
"""The rules over one subject."""

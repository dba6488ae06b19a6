"""Deviations of the product: release, expiry, viability, custody, stock (DV-23 … 25, 29, 30).

What is found at a bag tells how often a subject was treated, and is marked so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ledger.history import History
from ledger.rules.deviation import (
    CaseRule,
    Finding,
    Severity,
    Standing,
    TrialOverview,
    TrialRule,
)
from ledger.rules.findings import one_per_anchor
from ledger.rules.members import decimal, instant, instant_or_time, quantity, text
from ledger.rules.stock import (
    BAG_RELEASED,
    RECEIVED,
    RETURNED,
    THAWED,
    TRANSFERRED,
    LotStanding,
    account,
    bag_facts,
    dispensed,
    expiry_of,
    lot_standing,
    release_in_force,
    uses_by_lot,
)
from ledger.rules.treatment import Infusion, infusions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from ledger.history import Fact
    from ledger.rules.case import Case
    from ledger.trials.protocol import Custody, TemperatureRange

UNDECIDED = Standing.INDETERMINATE


def lot_released(case: Case) -> Iterable[Finding]:
    """DV-23: the lot is released with its certificate, and not barred, when an infusion begins."""
    for index, given in enumerate(infusions(case.records)):
        lot = _lot(case, given)
        found = lot_standing(lot, given.started_at)
        release = release_in_force(lot, given.started_at)
        certificate = None if release is None else text(release.data, "certificate_sha256")
        message = None
        if found is not LotStanding.RELEASED:
            message = f"The lot {given.lot} {found} when the infusion begins."
        elif certificate is None:
            message = f"The release of the lot {given.lot} names no certificate."
        if message is not None:
            evidence = () if release is None else (release.id,)
            yield Finding(
                given.id, given.started_at, message, evidence=evidence, tells_arm=index > 0
            )


def bag_in_date(case: Case) -> Iterable[Finding]:
    """DV-24: an infusion begins and ends before its bags expire, and soon enough after thawing."""
    found = [
        finding
        for index, given in enumerate(infusions(case.records))
        for finding in (
            *_expiry(_lot(case, given), given, tells_arm=index > 0),
            *_thaw(case, given, tells_arm=index > 0),
        )
    ]
    return one_per_anchor(found, default=Severity.CRITICAL)


def viable(case: Case) -> Iterable[Finding]:
    """DV-25: the viability at the release in force is stated and not below the minimum."""
    least = case.protocol.infusion.minimum_viability_percent
    for index, given in enumerate(infusions(case.records)):
        release = release_in_force(_lot(case, given), given.started_at)
        viability = None if release is None else decimal(release.data, "viability_percent")
        if viability is not None and viability >= least:
            continue
        message = (
            f"No viability at release is recorded for the lot {given.lot}."
            if viability is None
            else f"Viability at release was {viability} %; the minimum is {least} %."
        )
        evidence = () if release is None else (release.id,)
        yield Finding(given.id, given.started_at, message, evidence=evidence, tells_arm=index > 0)


def custody_closed(overview: TrialOverview) -> Iterable[tuple[str | None, Finding]]:
    """DV-29: each hand-over has a receiver, and the temperature stayed within its range."""
    owners = _owners(overview.subjects)
    custody = overview.definition.protocol.custody
    for name in sorted(overview.lots):
        lot = overview.lots[name]
        for fact in lot.of(RECEIVED, TRANSFERRED, RETURNED):
            found = [*_receiver(fact), *_temperature(lot, fact, custody)]
            subject = owners.get((name, text(fact.data, "bag_id") or ""))
            for finding in one_per_anchor(found, default=Severity.IMPORTANT):
                yield subject, finding


def stock_reconciled(overview: TrialOverview) -> Iterable[tuple[str | None, Finding]]:
    """DV-30: for each lot, bags received = used + returned + destroyed + in stock."""
    uses, dispensed_at = uses_by_lot(overview.subjects), dispensed(overview.subjects.values())
    for name in sorted({*overview.lots, *uses}):
        used = uses.get(name, [])
        subjects = {use.event: use.subject for use in used}
        balance = account(name, overview.lots.get(name, History()), used, dispensed_at=dispensed_at)
        found = [
            Finding(row.event, row.since, row.message, evidence=row.evidence, tells_arm=True)
            for row in balance.discrepancies
        ]
        for finding in one_per_anchor(found, default=Severity.IMPORTANT):
            yield subjects.get(finding.anchor), finding


def _lot(case: Case, given: Infusion) -> History:
    return case.lots.get(given.lot) or History()


def _expiry(lot: History, given: Infusion, *, tells_arm: bool) -> Iterator[Finding]:
    for bag in dict.fromkeys(given.bags):
        expiry = expiry_of(lot, bag)
        if expiry is None:
            message = f"No expiry is recorded for the bag {bag}."
            yield _undecided(given, message, tells_arm=tells_arm)
        elif given.started_at > expiry:
            message = f"The bag {bag} expired before the infusion began."
            yield Finding(given.id, given.started_at, message, tells_arm=tells_arm)
        elif given.stopped_at is None:
            message = f"The end of the infusion is not stated; the bag {bag} may have expired."
            yield _undecided(given, message, tells_arm=tells_arm)
        elif given.stopped_at > expiry:
            message = f"The bag {bag} expired before the infusion ended."
            yield Finding(given.id, given.stopped_at, message, tells_arm=tells_arm)


def _thaw(case: Case, given: Infusion, *, tells_arm: bool) -> Iterator[Finding]:
    limit = case.protocol.infusion.maximum_thaw_to_start_minutes
    thawed = _thawed_at(_lot(case, given), given)
    for bag, moment in thawed.items():
        if moment is None:
            message = f"No time of thawing is recorded for the bag {bag}."
            yield _undecided(given, message, tells_arm=tells_arm)
        elif moment > given.started_at:
            message = f"The bag {bag} is recorded as thawed after the infusion began."
            yield _undecided(given, message, tells_arm=tells_arm)
        elif given.started_at - moment > timedelta(minutes=limit):
            message = f"The bag {bag} was thawed more than {limit} minutes before the infusion."
            yield Finding(given.id, given.started_at, message, tells_arm=tells_arm)


def _thawed_at(lot: History, given: Infusion) -> dict[str, datetime | None]:
    """When each bag was thawed: the earliest that the infusion or the lot's records state."""
    stated = instant(given.fact.data, "thawed_at")
    return {
        bag: min(
            [
                *(instant_or_time(fact, "thawed_at") for fact in bag_facts(lot, bag, THAWED)),
                *([] if stated is None else [stated]),
            ],
            default=None,
        )
        for bag in given.bags
    }


def _receiver(fact: Fact) -> Iterator[Finding]:
    # A lot's receipt is itself the receiver's statement.
    if fact.type != RECEIVED and text(fact.data, "received_by") is None:
        message = f"Nobody is recorded as having received the bag {text(fact.data, 'bag_id')}."
        yield Finding(fact.id, fact.occurred_at, message, tells_arm=True)


def _temperature(lot: History, fact: Fact, custody: Custody) -> Iterator[Finding]:
    if fact.type == RETURNED:
        return
    allowed = custody.thawed if _was_thawed(lot, fact) else custody.frozen
    for name, word in (("temperature_min", "lowest"), ("temperature_max", "highest")):
        measured = quantity(fact.data, name)
        if measured is None or measured[1] != allowed.unit:
            stated = "is not stated" if measured is None else f"is stated in {measured[1]}"
            yield Finding(
                fact.id,
                fact.occurred_at,
                f"The {word} temperature on the way {stated}.",
                standing=UNDECIDED,
                tells_arm=True,
            )
        elif not allowed.minimum <= measured[0] <= allowed.maximum:
            message = (
                f"The {word} temperature on the way was {measured[0]} {allowed.unit}; "
                f"allowed is {_range(allowed)}."
            )
            yield Finding(fact.id, fact.occurred_at, message, tells_arm=True)


def _was_thawed(lot: History, fact: Fact) -> bool:
    bag = text(fact.data, "bag_id")
    return bag is not None and any(
        instant_or_time(thaw, "thawed_at") <= fact.occurred_at
        for thaw in bag_facts(lot, bag, THAWED)
    )


def _range(allowed: TemperatureRange) -> str:
    return f"{allowed.minimum} to {allowed.maximum} {allowed.unit}"


def _owners(subjects: Mapping[str, History]) -> dict[tuple[str, str], str]:
    """The subject each bag, by lot and bag, was infused into, else released to."""
    found: dict[tuple[str, str], str] = {}
    for subject in sorted(subjects):
        for fact in subjects[subject].of(BAG_RELEASED):
            key = (text(fact.data, "lot") or "", text(fact.data, "bag_id") or "")
            found.setdefault(key, subject)
    for uses in uses_by_lot(subjects).values():
        found.update({(use.lot, use.bag): use.subject for use in reversed(uses)})
    return found


def _undecided(given: Infusion, message: str, *, tells_arm: bool) -> Finding:
    return Finding(given.id, given.started_at, message, standing=UNDECIDED, tells_arm=tells_arm)


CRITICAL, IMPORTANT = Severity.CRITICAL, Severity.IMPORTANT

CASE_RULES: tuple[CaseRule, ...] = (
    CaseRule(
        "DV-23",
        CRITICAL,
        "Lot not released, in quarantine, recalled, or without certificate at start.",
        lot_released,
    ),
    CaseRule(
        "DV-24", CRITICAL, "Bag expired at start or stop, or thawed too long before.", bag_in_date
    ),
    CaseRule("DV-25", CRITICAL, "Viability at release below the minimum, or missing.", viable),
)
"""The rules over one subject."""

TRIAL_RULES: tuple[TrialRule, ...] = (
    TrialRule(
        "DV-29",
        IMPORTANT,
        "Hand-over without receiver, or temperature outside its range.",
        custody_closed,
    ),
    TrialRule(
        "DV-30",
        IMPORTANT,
        "Stock not reconciled: received is not used + returned + destroyed + in stock.",
        stock_reconciled,
    ),
)
"""The rules over each lot."""

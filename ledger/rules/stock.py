"""Accountability of the product: every bag of a lot, so that the balance closes (R-58).

A bag stands in exactly one place: used, destroyed, returned or in stock, in this order of
precedence, so that what was left of a used bag may be destroyed without being counted twice.
Bags that move without having been received, or after they were gone, are discrepancies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from ledger.rules.members import instant, shapes, stopped_at, text, texts
from ledger.rules.treatment import infusions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ledger.history import Fact, History

_Row = TypeVar("_Row")

RECEIVED = "lot.received.v1"
RELEASED = "lot.released.v1"
QUARANTINED = "lot.quarantined.v1"
RECALLED = "lot.recalled.v1"
BAG_RELEASED = "bag.released.v1"
TRANSFERRED = "bag.custody-transferred.v1"
THAWED = "bag.thawed.v1"
RETURNED = "bag.returned.v1"
DESTROYED = "bag.destroyed.v1"
COUNTED = "stock.counted.v1"


class LotStanding(StrEnum):
    """Whether a lot may be used."""

    UNKNOWN = "has no record"
    NOT_RELEASED = "is not released"
    RELEASED = "is released"
    QUARANTINED = "is in quarantine"
    RECALLED = "is recalled"


class BagStanding(StrEnum):
    """Where a bag stands in the balance."""

    IN_STOCK = "in stock"
    USED = "used"
    RETURNED = "returned"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class BagUse:
    """One bag infused into a subject."""

    lot: str
    bag: str
    subject: str
    event: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BagAccount:
    """What became of one bag; the members hold event ids, in order of occurrence."""

    bag: str
    received: tuple[str, ...]
    used: tuple[str, ...]
    returned: tuple[str, ...]
    destroyed: tuple[str, ...]

    @property
    def standing(self) -> BagStanding:
        """The one place the bag is counted in."""
        if self.used:
            return BagStanding.USED
        if self.destroyed:
            return BagStanding.DESTROYED
        return BagStanding.RETURNED if self.returned else BagStanding.IN_STOCK


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that keeps the stock of a lot from being reconciled; ``event`` shows it."""

    event: str
    since: datetime
    message: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LotAccount:
    """The balance of a lot over the bags received, and what speaks against it."""

    lot: str
    bags: tuple[BagAccount, ...]
    discrepancies: tuple[Discrepancy, ...]

    @property
    def received(self) -> int:
        """Bags received."""
        return len(self.bags)

    def count(self, standing: BagStanding) -> int:
        """Bags received that stand there."""
        return sum(bag.standing is standing for bag in self.bags)


def lot_standing(lot: History, at: datetime) -> LotStanding:
    """Whether the lot may be used at an instant; a recall is for good."""
    if any(stopped_at(fact) <= at for fact in lot.of(RECALLED)):
        return LotStanding.RECALLED
    judged = [
        fact
        for fact in lot.of(RELEASED, QUARANTINED)
        if (fact.occurred_at if fact.type == RELEASED else stopped_at(fact)) <= at
    ]
    if judged:
        released = judged[-1].type == RELEASED
        return LotStanding.RELEASED if released else LotStanding.QUARANTINED
    return LotStanding.NOT_RELEASED if lot.of(RECEIVED) else LotStanding.UNKNOWN


def release_in_force(lot: History, at: datetime) -> Fact | None:
    """The latest release of the lot at an instant, whatever was judged after it."""
    released = [fact for fact in lot.of(RELEASED) if fact.occurred_at <= at]
    return released[-1] if released else None


def receipts_of(lot: History, bag: str) -> list[Fact]:
    """The receipts that list a bag."""
    return [fact for fact in lot.of(RECEIVED) if bag in _bags_received(fact)]


def expiry_of(lot: History, bag: str) -> datetime | None:
    """Until when a bag may be used: the earliest its receipts state; None if none lists it."""
    found = [instant(fact.data, "expiry") for fact in receipts_of(lot, bag)]
    return min((moment for moment in found if moment is not None), default=None)


def bag_facts(lot: History, bag: str, *types: str) -> list[Fact]:
    """What happened to one bag, in order of occurrence."""
    return [fact for fact in lot.of(*types) if text(fact.data, "bag_id") == bag]


def uses_of(subject: str, records: History) -> list[BagUse]:
    """The bags infused into a subject."""
    return [
        BagUse(given.lot, bag, subject, given.id, given.started_at)
        for given in infusions(records)
        for bag in dict.fromkeys(given.bags)
    ]


def uses_by_lot(subjects: Mapping[str, History]) -> dict[str, list[BagUse]]:
    """The bags infused, over all subjects, by lot."""
    found: dict[str, list[BagUse]] = {}
    for subject in sorted(subjects):
        for use in uses_of(subject, subjects[subject]):
            found.setdefault(use.lot, []).append(use)
    return found


def dispensed(subjects: Iterable[History]) -> dict[tuple[str, str], datetime]:
    """When each bag, by lot and bag, was first released to a subject."""
    found: dict[tuple[str, str], datetime] = {}
    for records in subjects:
        for fact in records.of(BAG_RELEASED):
            key = (text(fact.data, "lot") or "", text(fact.data, "bag_id") or "")
            found[key] = min(found.get(key, fact.occurred_at), fact.occurred_at)
    return found


def account(
    lot: str,
    records: History,
    uses: Iterable[BagUse],
    *,
    dispensed_at: Mapping[tuple[str, str], datetime] | None = None,
) -> LotAccount:
    """The account of a lot from its stream and the bags infused from it.

    ``dispensed_at`` (from `dispensed`) tells which bags may rightly be absent from a count.
    """
    used = sorted(uses, key=lambda use: (use.at, use.event, use.bag))
    bags = _bag_accounts(records, used)
    found = [
        *_received_twice(records),
        *_never_received(records, used, frozenset(one.bag for one in bags)),
        *_used_twice(used),
        *_used_when_gone(records, used),
        *_counts(records, used, dispensed_at or {}),
    ]
    return LotAccount(
        lot, bags, tuple(sorted(found, key=lambda row: (row.since, row.event, row.message)))
    )


def _bags_received(fact: Fact) -> list[str]:
    return [bag for row in shapes(fact.data, "bags") if (bag := text(row, "bag_id")) is not None]


def _bag_accounts(records: History, uses: list[BagUse]) -> tuple[BagAccount, ...]:
    # Each list is read once: a lot may have thousands of bags.
    received = _by_bag(
        (bag, fact.id)
        for fact in records.of(RECEIVED)
        for bag in dict.fromkeys(_bags_received(fact))
    )
    used = _by_bag((use.bag, use.event) for use in uses)
    returned, destroyed = (
        _by_bag((text(fact.data, "bag_id"), fact.id) for fact in records.of(kind))
        for kind in (RETURNED, DESTROYED)
    )
    return tuple(
        BagAccount(
            bag=bag,
            received=tuple(received[bag]),
            used=tuple(used.get(bag, ())),
            returned=tuple(returned.get(bag, ())),
            destroyed=tuple(destroyed.get(bag, ())),
        )
        for bag in sorted(received)
    )


def _by_bag(rows: Iterable[tuple[str | None, _Row]]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for bag, row in rows:
        if bag is not None:
            found.setdefault(bag, []).append(row)
    return found


def _received_twice(records: History) -> Iterable[Discrepancy]:
    first: dict[str, str] = {}
    for fact in records.of(RECEIVED):
        for bag in _bags_received(fact):
            if bag in first:
                message = f"The bag {bag} was received a second time."
                yield Discrepancy(fact.id, fact.occurred_at, message, (first[bag],))
            first.setdefault(bag, fact.id)


def _never_received(
    records: History, uses: list[BagUse], received: frozenset[str]
) -> Iterable[Discrepancy]:
    moved = [
        (fact.id, fact.occurred_at, text(fact.data, "bag_id") or "")
        for fact in records.of(RETURNED, DESTROYED)
    ]
    for event, since, bag in [*((use.event, use.at, use.bag) for use in uses), *moved]:
        if bag not in received:
            yield Discrepancy(event, since, f"The bag {bag} was never received.")


def _used_twice(uses: list[BagUse]) -> Iterable[Discrepancy]:
    first: dict[str, BagUse] = {}
    for use in uses:
        if use.bag in first:
            earlier = first[use.bag]
            message = f"The bag {use.bag} was infused a second time."
            yield Discrepancy(use.event, use.at, message, (earlier.event,))
        first.setdefault(use.bag, use)


def _used_when_gone(records: History, uses: list[BagUse]) -> Iterable[Discrepancy]:
    gone = _by_bag((text(fact.data, "bag_id"), fact) for fact in records.of(RETURNED, DESTROYED))
    for use in uses:
        for fact in gone.get(use.bag, ()):
            if fact.occurred_at < use.at:
                word = "returned" if fact.type == RETURNED else "destroyed"
                message = f"The bag {use.bag} was infused after it had been {word}."
                yield Discrepancy(use.event, use.at, message, (fact.id,))


def _counts(
    records: History, uses: list[BagUse], dispensed_at: Mapping[tuple[str, str], datetime]
) -> Iterable[Discrepancy]:
    for count in records.of(COUNTED):
        there = frozenset(texts(count.data, "bag_ids"))
        at, site = count.occurred_at, text(count.data, "site")
        held = {
            bag
            for fact in records.of(RECEIVED)
            if fact.occurred_at <= at and text(fact.data, "site") == site
            for bag in _bags_received(fact)
        }
        gone = {use.bag for use in uses if use.at < at}
        gone |= _moved(records, at, DESTROYED)
        # A returned or thawed bag, or one released to a subject, may be in the store or not.
        away = _moved(records, at, RETURNED, THAWED)
        away |= {
            bag
            for (lot, bag), since in dispensed_at.items()
            if since <= at and lot == text(count.data, "lot")
        }
        missing, surplus = sorted(held - gone - away - there), sorted(there - (held - gone))
        if missing:
            yield Discrepancy(count.id, at, f"Not found in stock: {', '.join(missing)}.")
        if surplus:
            yield Discrepancy(
                count.id, at, f"Found in stock but not expected there: {', '.join(surplus)}."
            )


def _moved(records: History, at: datetime, *types: str) -> set[str]:
    return {text(fact.data, "bag_id") or "" for fact in records.of(*types) if fact.occurred_at < at}

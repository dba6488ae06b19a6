"""The product: lots as they arrive, and the bags taken from them one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from api.demonstration.days import at, minutes
from api.demonstration.dice import Dice
from api.demonstration.mess import Mess
from api.demonstration.pen import Pen, quantity, says
from api.demonstration.people import SITE, member_of
from api.demonstration.step import Mark, Remark
from ledger.signing.statement import Meaning

BAGS_PER_LOT: Final = 26
SHORT_DATED: Final = "L-2024-S1"
"""A small lot that expires on the day it is first used."""

RECALLED: Final = "L-2024-R1"
BARRED: Final = "L-2024-03"
_STORE: Final = "pharmacy-ln2"


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot: when it arrives, until when it may be used, how many bags it has."""

    name: str
    arrives: date
    expires: datetime
    bags: int = BAGS_PER_LOT

    @property
    def bag_ids(self) -> tuple[str, ...]:
        """The labels of its bags."""
        code = self.name.removeprefix("L-").replace("-", "")
        return tuple(f"B-{code}-{number:02}" for number in range(1, self.bags + 1))


@dataclass(frozen=True, slots=True)
class Bag:
    """One bag of a lot."""

    lot: str
    id: str


def lots(short_dated_expiry: datetime) -> tuple[Lot, ...]:
    """All lots of the trial; the short-dated one expires when its story wants it."""
    monthly = tuple(
        Lot(f"L-2024-{month:02}", date(2024, month, day), at(date(2025, 1, 31), 18))
        for month, day in ((2, 9), (3, 11), (4, 10), (5, 9), (6, 11), (7, 10), (8, 9), (9, 10))
    )
    return (
        *monthly,
        Lot(SHORT_DATED, date(2024, 3, 13), short_dated_expiry, bags=2),
        Lot(RECALLED, date(2024, 4, 12), at(date(2025, 1, 31), 18), bags=3),
    )


@dataclass(slots=True)
class Store:
    """The bags that nobody has been given yet."""

    lots: tuple[Lot, ...]
    taken: dict[str, int] = field(default_factory=dict)

    def take(self, day: date, *, lot: str | None = None) -> Bag:
        """The next bag of the oldest lot that is there and released on that day."""
        for candidate in self.lots:
            special = candidate.name in (SHORT_DATED, RECALLED)
            if candidate.name != lot and (lot is not None or special):
                continue
            number = self.taken.get(candidate.name, 0)
            settled = candidate.arrives + timedelta(days=3 if candidate.name != BARRED else 14)
            # The last bag stays in the store, to be counted.
            if settled > day or (number >= candidate.bags - 1 and not special):
                continue
            self.taken[candidate.name] = number + 1
            return Bag(candidate.name, candidate.bag_ids[number])
        raise LookupError(f"no bag is left on {day}")


def deliver(seed: bytes, lot: Lot) -> Pen:
    """A lot arrives, frozen, and the pharmacist releases it the next morning."""
    pen = Pen(seed, f"lot/{lot.name}", f"lot/{lot.name}")
    dice = Dice(seed, lot.name)
    viability = f"{dice.between(88, 95, 'viability')}.{dice.between(0, 9, 'tenth')}"
    pen.write(
        "lot.received.v1",
        {
            "lot": lot.name,
            "site": SITE,
            "donor_code": f"D-{dice.between(10, 99, 'donor')}",
            "passage": 5,
            "manufactured": (lot.arrives - timedelta(days=12)).isoformat(),
            "expiry": lot.expires.isoformat(),
            "bags": [
                {
                    "bag_id": bag,
                    "cells": quantity("100000000", "{cells}"),
                    "viability_percent": viability,
                }
                for bag in lot.bag_ids
            ],
            "certificate_sha256": dice.digest("certificate"),
            "temperature_min": quantity("-192", "Cel"),
            "temperature_max": quantity(f"-{dice.between(150, 176, 'warmest')}", "Cel"),
            "received_by": member_of("pharmacist").id,
        },
        at=at(lot.arrives, 14, 30),
        by="pharmacist",
    )
    release(pen, lot, at(lot.arrives + timedelta(days=1), 9), viability=viability)
    return pen


def release(pen: Pen, lot: Lot, when: datetime, *, viability: str, again: bool = False) -> None:
    """The pharmacist judges the lot fit for use."""
    why = says("retest-passed", "Sterility and viability were tested again and are in order.")
    pen.write(
        "lot.released.v1",
        {
            "lot": lot.name,
            "viability_percent": viability,
            "certificate_sha256": Dice(pen.seed, lot.name).digest("certificate"),
            **({"reason": why} if again else {}),
        },
        at=when,
        by="pharmacist",
        remark=Remark(mess=Mess.LOT_BARRED) if again else Remark(),
    )


def bar_and_release(pen: Pen, lot: Lot, day: date) -> None:
    """A freezer alarm: the lot is quarantined and released again after a second test."""
    pen.write(
        "lot.quarantined.v1",
        {"lot": lot.name, "reason": says("alarm", "Freezer alarm in the night, cause not known.")},
        at=at(day, 8, 10),
        by="pharmacist",
        remark=Remark(mess=Mess.LOT_BARRED),
    )
    release(pen, lot, at(day + timedelta(days=7), 16), viability="89.4", again=True)


def recall_and_destroy(pen: Pen, lot: Lot, day: date) -> None:
    """The manufacturer calls the lot back; the pharmacy destroys its bags before a witness."""
    why = says("manufacturer-recall", "Mycoplasma test of a sister lot was positive.")
    pen.write(
        "lot.recalled.v1",
        {"lot": lot.name, "reason": why},
        at=at(day, 9),
        by="pharmacist",
        remark=Remark(mess=Mess.LOT_RECALLED),
    )
    for number, bag in enumerate(lot.bag_ids):
        destroy(pen, lot.name, bag, at(day, 11, 10 * number), why=("recall", "Lot recalled."))


def destroy(pen: Pen, lot: str, bag: str, when: datetime, *, why: tuple[str, str]) -> None:
    """A bag is destroyed; who saw it signs too."""
    pen.write(
        "bag.destroyed.v1",
        {
            "lot": lot,
            "bag_id": bag,
            "destroyed_by": member_of("pharmacist").id,
            "witnessed_by": member_of("nurse-3").id,
            "method": "autoclave",
            "reason": says(*why),
        },
        at=when,
        by=(Mark("pharmacist", Meaning.AUTHORSHIP), Mark("nurse-3", Meaning.WITNESS)),
        stream=f"lot/{lot}",
    )


def count_stock(pen: Pen, lot: Lot, present: list[str], when: datetime) -> None:
    """The pharmacist counts what is there."""
    pen.write(
        "stock.counted.v1",
        {
            "lot": lot.name,
            "site": SITE,
            "bag_ids": list(present),
            "counted_by": member_of("pharmacist").id,
        },
        at=when,
        by="pharmacist",
        recorded=when + minutes(20),
    )


def hand_over(pen: Pen, bag: Bag, thawed: datetime, *, evening: datetime) -> None:
    """The bag is thawed in the pharmacy and goes to the ward, cool and with a receiver."""
    pen.write(
        "bag.thawed.v1",
        {
            "lot": bag.lot,
            "bag_id": bag.id,
            "thawed_at": thawed.isoformat(),
            "thawed_by": member_of("pharmacist").id,
            "viability_percent": f"{pen.dice.between(84, 93, f'thawed/{bag.id}')}.5",
            "temperature": quantity("37", "Cel"),
        },
        at=thawed,
        by="pharmacist",
        stream=f"lot/{bag.lot}",
        recorded=evening,
    )
    pen.write(
        "bag.custody-transferred.v1",
        {
            "lot": bag.lot,
            "bag_id": bag.id,
            "from_location": _STORE,
            "to_location": "ward-3",
            "handed_over_by": member_of("pharmacist").id,
            "received_by": member_of("nurse-1").id,
            "temperature_min": quantity("4.1", "Cel"),
            "temperature_max": quantity(f"{pen.dice.between(6, 9, f'cool/{bag.id}')}.8", "Cel"),
        },
        at=thawed + minutes(15),
        by="pharmacist",
        stream=f"lot/{bag.lot}",
        recorded=evening,
    )


def give_back(pen: Pen, bag: Bag, when: datetime, *, why: tuple[str, str]) -> None:
    """A bag that was not used goes back to the pharmacy."""
    pen.write(
        "bag.returned.v1",
        {
            "lot": bag.lot,
            "bag_id": bag.id,
            "to_location": "pharmacy-waste",
            "received_by": member_of("pharmacist").id,
            "reason": says(*why),
        },
        at=when,
        by="pharmacist",
        stream=f"lot/{bag.lot}",
        remark=Remark(mess=Mess.BAG_RETURNED),
    )

"""The investigational product: a subject's infusions, the balance of each lot (R-58 to R-60)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.members import instant, shapes, text, texts
from ledger.rules.stock import (
    BAG_RELEASED,
    DESTROYED,
    RECEIVED,
    RETURNED,
    THAWED,
    TRANSFERRED,
    BagStanding,
    LotAccount,
    account,
    bag_facts,
    dispensed,
    expiry_of,
    lot_standing,
    release_in_force,
    uses_of,
)
from ledger.rules.treatment import INTERRUPTED, NOT_GIVEN, arm_of, infusions
from projections.attribution import author
from projections.times import optional_text, standings, utc_text, when

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.history import Fact, History
    from ledger.rules.case import Case
    from ledger.rules.treatment import Infusion
    from ledger.signing.strict_json import JsonObject, JsonValue

CUSTODY = (RECEIVED, TRANSFERRED, THAWED, RETURNED, DESTROYED)


def product_view(case: Case) -> JsonObject:
    """The infusions given, not given and interrupted, with bags, lots and chain of custody."""
    arm = arm_of(case.records, case.protocol)
    planned = None if isinstance(arm, str) else arm.planned_infusions
    return {
        "planned_infusions": planned,
        "infusions": [_infusion(case, row) for row in infusions(case.records)],
        "not_given": [_other(case, fact) for fact in case.records.of(NOT_GIVEN)],
        "interruptions": [_other(case, fact) for fact in case.records.of(INTERRUPTED)],
        "released_bags": [_other(case, fact) for fact in case.records.of(BAG_RELEASED)],
    }


def lot_view(
    lot: str,
    records: History,
    subjects: Mapping[str, History],
) -> JsonObject:
    """The balance of one lot over all subjects: received = in stock + used + returned + destroyed.

    ``closes`` tells whether the sums close and nothing speaks against them.
    """
    uses = [
        use for name in sorted(subjects) for use in uses_of(name, subjects[name]) if use.lot == lot
    ]
    released = dispensed(subjects.values())
    found = account(lot, records, uses, dispensed_at=released)
    counts = {standing.name.lower(): found.count(standing) for standing in BagStanding}
    receipts = records.of(RECEIVED)
    return {
        "lot": lot,
        "standings": standings(
            (fact.occurred_at for fact in records.in_effect()),
            lambda at: {"standing": lot_standing(records, at).value},
        ),
        "donor_codes": [*sorted({text(fact.data, "donor_code") or "" for fact in receipts})],
        "receipts": [_receipt(fact) for fact in receipts],
        "received": found.received,
        "dispensed": sum(1 for name, _ in released if name == lot),
        **counts,
        "balance": found.received - sum(counts.values()),
        "closes": found.received == sum(counts.values()) and not found.discrepancies,
        "bags": _bags(found, {use.event: use.subject for use in uses}),
        "discrepancies": [
            {
                "event": row.event,
                "since": utc_text(row.since),
                "message": row.message,
                "evidence": list(row.evidence),
            }
            for row in found.discrepancies
        ],
    }


def _bags(found: LotAccount, subjects: Mapping[str, str]) -> list[JsonValue]:
    return [
        {
            "bag": bag.bag,
            "standing": bag.standing.value,
            "received": list(bag.received),
            "used": list(bag.used),
            "subjects": [*sorted({subjects[event] for event in bag.used})],
            "returned": list(bag.returned),
            "destroyed": list(bag.destroyed),
        }
        for bag in found.bags
    ]


def _receipt(fact: Fact) -> JsonObject:
    return {
        "event": fact.id,
        "site": text(fact.data, "site"),
        "received_at": utc_text(fact.occurred_at),
        "expiry": text(fact.data, "expiry"),
        "temperature_min": fact.data.get("temperature_min"),
        "temperature_max": fact.data.get("temperature_max"),
        "bags": [text(bag, "bag_id") for bag in shapes(fact.data, "bags")],
    }


def _infusion(case: Case, row: Infusion) -> JsonObject:
    data, lot = row.fact.data, case.lots.get(row.lot)
    released = release_in_force(lot, row.started_at) if lot is not None else None
    given_by = text(data, "given_by")
    return {
        "event": row.id,
        "seq": row.fact.seq,
        "infusion_number": row.number,
        "lot": row.lot,
        "bags": list(row.bags),
        "lot_standing": lot_standing(lot, row.started_at).value if lot is not None else None,
        "release": released.id if released is not None else None,
        "release_certificate": text(released.data, "certificate_sha256") if released else None,
        "expiry": optional_text(
            min((e for bag in row.bags if lot and (e := expiry_of(lot, bag))), default=None)
        ),
        **_lot_facts(lot),
        "thawed_at": optional_text(instant(data, "thawed_at")) or _thawed(lot, row),
        "started_at": utc_text(row.started_at),
        "started_at_local": row.started_at.astimezone(case.zone).isoformat(),
        "stopped_at": optional_text(row.stopped_at),
        "cells_planned": data.get("cells_planned"),
        "cells_given": data.get("cells_given"),
        "viability_percent": text(data, "viability_percent"),
        "volume_ml": text(data, "volume_ml"),
        "route": text(data, "route"),
        "site_of_access": text(data, "site_of_access"),
        "scan_subject": text(data, "scan_subject"),
        "scan_bag": text(data, "scan_bag"),
        "given_by": given_by,
        "given_by_name": case.register.name_of(given_by) if given_by else None,
        "checked_by": list(texts(data, "checked_by")),
        "premedication": list(texts(data, "premedication")),
        "by": author(row.fact.record, case.register),
        "custody": _custody(case, lot, row),
        **when(row.fact, case.zone),
    }


def _lot_facts(lot: History | None) -> JsonObject:
    received = lot.last(RECEIVED) if lot is not None else None
    data = received.data if received is not None else {}
    return {"donor_code": data.get("donor_code"), "passage": data.get("passage")}


def _thawed(lot: History | None, row: Infusion) -> str | None:
    thawed = [fact for bag in row.bags if lot for fact in bag_facts(lot, bag, THAWED)]
    return utc_text(thawed[-1].occurred_at) if thawed else None


def _custody(case: Case, lot: History | None, row: Infusion) -> list[JsonValue]:
    if lot is None:
        return []
    steps = [
        fact
        for fact in lot.of(*CUSTODY)
        if text(fact.data, "bag_id") in row.bags
        or any(text(bag, "bag_id") in row.bags for bag in shapes(fact.data, "bags"))
    ]
    return [
        {
            "event": fact.id,
            "type": fact.type,
            "at": utc_text(fact.occurred_at),
            "from": text(fact.data, "from_location"),
            "to": text(fact.data, "to_location"),
            "handed_over_by": text(fact.data, "handed_over_by"),
            "received_by": text(fact.data, "received_by"),
            "by": author(fact.record, case.register)["person"],
        }
        for fact in steps
    ]


def _other(case: Case, fact: Fact) -> JsonObject:
    return {
        "event": fact.id,
        "seq": fact.seq,
        "by": author(fact.record, case.register),
        **when(fact, case.zone),
        "content": fact.data,
    }

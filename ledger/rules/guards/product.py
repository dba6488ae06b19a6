"""Guards of the release of a bag for one infusion of a subject: GP-… (ICH E6(R3) 2.10, 3.15.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.rules.consent import standing
from ledger.rules.guards.request import Guard, Refusal, Request
from ledger.rules.members import decimal, text, texts, whole
from ledger.rules.stock import (
    BAG_RELEASED,
    DESTROYED,
    RETURNED,
    LotStanding,
    bag_facts,
    expiry_of,
    lot_standing,
    receipts_of,
    release_in_force,
)
from ledger.rules.treatment import (
    ADMINISTERED,
    DEATH,
    DISCONTINUED,
    INTERVENTION,
    STUDY_DISCONTINUED,
    TRANSPLANT,
    ArmUnknown,
    arm_of,
    infusions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.history import Fact
    from ledger.trials.protocol import Arm


STOPS = (DISCONTINUED, TRANSPLANT, STUDY_DISCONTINUED, "study.completed.v1")
"""Records after which no product is released; who was lost to follow-up may come back."""


def randomized(request: Request) -> Iterator[Refusal]:
    """GP-01: only a randomized subject receives product."""
    if _arm(request) is ArmUnknown.NOT_RANDOMIZED:
        yield Refusal("GP-01", f"The subject {request.name} is not randomized.")


def arm_permits(request: Request) -> Iterator[Refusal]:
    """GP-02: the subject's arm plans an infusion of that number."""
    arm = _arm(request)
    if arm is ArmUnknown.NOT_RANDOMIZED:
        return
    number = whole(request.data, "infusion_number") or 0
    if isinstance(arm, ArmUnknown):
        yield Refusal("GP-02", str(arm))
    elif number > arm.planned_infusions:
        yield Refusal("GP-02", f"The subject's arm plans no infusion {number}.")


def lot_may_be_used(request: Request) -> Iterator[Refusal]:
    """GP-03: the lot is released, neither barred nor recalled, viable enough, and in date."""
    lot = request.state.lot(str(request.data["lot"]))
    name, bag = request.data["lot"], str(request.data["bag_id"])
    found = lot_standing(lot, request.at)
    if found is not LotStanding.RELEASED:
        yield Refusal("GP-03", f"The lot {name} {found}.")
    release = release_in_force(lot, request.at)
    viability = None if release is None else decimal(release.data, "viability_percent")
    least = request.state.definition.protocol.infusion.minimum_viability_percent
    if viability is not None and viability < least:
        yield Refusal("GP-03", f"The lot {name} was released with {viability} % viability.")
    expiry = expiry_of(lot, bag)
    if expiry is not None and request.at > expiry:
        yield Refusal("GP-03", f"The bag {bag} expired at {expiry.isoformat()}.")


def identity_matches(request: Request) -> Iterator[Refusal]:
    """GP-04: what was scanned is this subject and this bag (chain of identity)."""
    data = request.data
    if data["subject_id"] != request.name:
        yield Refusal("GP-04", f"The request names {data['subject_id']}, not {request.name}.")
    if data["scan_subject"] != request.name:
        yield Refusal("GP-04", f"The scan of the subject does not read {request.name}.")
    if data["scan_bag"] != data["bag_id"]:
        yield Refusal("GP-04", f"The scan of the bag does not read {data['bag_id']}.")


def consent_and_life(request: Request) -> Iterator[Refusal]:
    """GP-05: consent to the intervention is valid and the subject is alive."""
    found = standing(request.case, INTERVENTION, request.at)
    if not found.valid:
        yield Refusal("GP-05", found.reason)
    if request.state.subject(request.name).last(DEATH) is not None:
        yield Refusal("GP-05", "The subject's death is recorded.")


def bag_is_free(request: Request) -> Iterator[Refusal]:
    """GP-06: the bag was received at the site and is neither gone nor another subject's."""
    lot_id, bag = str(request.data["lot"]), str(request.data["bag_id"])
    lot, site = request.state.lot(lot_id), request.name.rsplit("-", 1)[0]
    if not any(text(fact.data, "site") == site for fact in receipts_of(lot, bag)):
        yield Refusal("GP-06", f"No bag {bag} of the lot {lot_id} was received at {site}.")
    for fact in bag_facts(lot, bag, RETURNED, DESTROYED):
        word = "returned" if fact.type == RETURNED else "destroyed"
        yield Refusal("GP-06", f"The bag {bag} was {word}.")
    for fact in _uses(request, lot_id, bag):
        if fact.type == ADMINISTERED:
            yield Refusal("GP-06", f"The bag {bag} was infused already.")
        elif _subject(fact) != request.name:
            # Not whose it is: the sender need not learn it.
            yield Refusal("GP-06", f"The bag {bag} is released to another subject.")


def infusion_is_due(request: Request) -> Iterator[Refusal]:
    """GP-07: the infusion of that number was not given yet."""
    number = whole(request.data, "infusion_number")
    if any(given.number == number for given in infusions(request.state.subject(request.name))):
        yield Refusal("GP-07", f"Infusion {number} was given already.")


def treatment_goes_on(request: Request) -> Iterator[Refusal]:
    """GP-08: the subject is on study and treatment was not stopped; a transplant ends it."""
    stopped = request.state.subject(request.name).last(*STOPS)
    if stopped is not None:
        yield Refusal("GP-08", f"Treatment ended with the record {stopped.id}.")


def _arm(request: Request) -> Arm | ArmUnknown:
    return arm_of(request.state.subject(request.name), request.state.definition.protocol)


def _uses(request: Request, lot: str, bag: str) -> list[Fact]:
    """Releases and infusions of the bag that stand, as they stand now in their own streams."""
    found: list[Fact] = []
    for seen in request.state.product_uses.of(BAG_RELEASED, ADMINISTERED):
        if not _names(seen, lot, bag):
            continue
        now = request.state.subject(_subject(seen)).facts.get(seen.id, seen)
        if now.voided_by is None and _names(now, lot, bag):
            found.append(now)
    return found


def _names(fact: Fact, lot: str, bag: str) -> bool:
    bags = (text(fact.data, "bag_id"), *texts(fact.data, "bag_ids"))
    return text(fact.data, "lot") == lot and bag in bags


def _subject(fact: Fact) -> str:
    return fact.record.stream.partition("/")[2]


GUARDS: dict[str, tuple[Guard, ...]] = {
    "bag.release-requested.v1": (
        randomized,
        arm_permits,
        lot_may_be_used,
        identity_matches,
        consent_and_life,
        bag_is_free,
        infusion_is_due,
        treatment_goes_on,
    ),
}

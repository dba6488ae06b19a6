"""The investigational product: lots, bags, custody and stock, so that the balance closes."""

from __future__ import annotations

from ledger.events import fields, names
from ledger.events.declare import command, fact, judgement, result
from ledger.events.payload import Payload, Quantity, Reason, Request, Shape
from ledger.events.signers import APPROVAL, AUTHORSHIP, CHECKED, RECORDERS, decided, reported
from ledger.vocabulary import Role, SigningRule, StreamFamily, Task

BAG = "B-0001"


class LotBag(Shape):
    """One bag of a received lot."""

    bag_id = fields.code("The bag.", example=BAG)
    cells = fields.part(Quantity, "Cells in the bag, as certified.", required=False)
    viability_percent = fields.percent("Viability as certified.", required=False)


class LotReceived(Payload):
    """A lot arrived at a site."""

    lot = names.lot_id("The lot.")
    site = names.site_id("The receiving site.")
    donor_code = fields.pseudonym("The donor.")
    passage = fields.whole("Passage of the cells.", most=99, example=5)
    manufactured = fields.day("Day of manufacture.")
    expiry = fields.instant("Until when it may be used.")
    bags = fields.several(fields.part(LotBag, "A bag."), "The bags received.", least=1)
    certificate_sha256 = names.sha256("SHA-256 of the certificate of analysis.", required=False)
    temperature_min = fields.part(Quantity, "Lowest temperature in transport.", required=False)
    temperature_max = fields.part(Quantity, "Highest temperature in transport.", required=False)
    received_by = names.person_id("Who received it.", required=False)


class LotReleased(Payload):
    """The pharmacist judges the lot fit for use in the trial."""

    lot = names.lot_id("The lot.")
    viability_percent = fields.percent("Viability at release.")
    certificate_sha256 = names.sha256("SHA-256 of the release certificate.")
    reason = fields.part(Reason, "Why, when the release follows a quarantine.", required=False)


class LotQuarantined(Payload):
    """The pharmacist bars the lot until further judgement."""

    lot = names.lot_id("The lot.")
    reason = fields.part(Reason, "Why.")


class LotRecalled(Payload):
    """The lot is called back for good."""

    lot = names.lot_id("The lot.")
    reason = fields.part(Reason, "Why.")


class BagReleaseRequested(Payload):
    """The pharmacy asks the ledger to release a bag for one infusion of the subject."""

    subject_id = names.subject_id("The subject.")
    lot = names.lot_id("The lot.")
    bag_id = fields.code("The bag.", example=BAG)
    infusion_number = fields.whole("Which infusion, from 1.", least=1, most=99)
    scan_subject = fields.scan("What the scan of the subject's label read.")
    scan_bag = fields.scan("What the scan of the bag read.", example=BAG)


class BagReleased(Payload):
    """The ledger released the bag for one infusion of the subject."""

    request = fields.part(Request, "The request it answers.")
    lot = names.lot_id("The lot.")
    bag_id = fields.code("The bag.", example=BAG)
    infusion_number = fields.whole("Which infusion, from 1.", least=1, most=99)


class BagEvent(Payload):
    """What happened to one bag of a lot."""

    lot = names.lot_id("The lot.")
    bag_id = fields.code("The bag.", example=BAG)


class BagCustodyTransferred(BagEvent):
    """A bag passed from one holder or place to another; no receiver is a custody gap."""

    from_location = fields.code("Where it was.", example="pharmacy-ln2")
    to_location = fields.code("Where it went.", example="ward-3")
    handed_over_by = names.person_id("Who handed it over.", required=False)
    received_by = names.person_id("Who received it.", required=False)
    temperature_min = fields.part(Quantity, "Lowest temperature on the way.", required=False)
    temperature_max = fields.part(Quantity, "Highest temperature on the way.", required=False)


class BagThawed(BagEvent):
    """A bag was thawed; its time to the start of infusion runs."""

    thawed_at = fields.instant("When thawing ended; absent: the event's time.", required=False)
    thawed_by = names.person_id("Who thawed it.", required=False)
    viability_percent = fields.percent("Viability after thawing.", required=False)
    temperature = fields.part(Quantity, "Temperature of the bath.", required=False)


class BagReturned(BagEvent):
    """A bag came back unused, or what was left of it."""

    to_location = fields.code("Where it went.", example="pharmacy-ln2")
    received_by = names.person_id("Who took it back.", required=False)
    reason = fields.part(Reason, "Why it came back.", required=False)


class BagDestroyed(BagEvent):
    """A bag was destroyed and cannot be used."""

    destroyed_by = names.person_id("Who destroyed it.", required=False)
    witnessed_by = names.person_id("Who saw it.", required=False)
    method = fields.code("How.", required=False, example="incineration")
    reason = fields.part(Reason, "Why.")


class StockCounted(Payload):
    """Somebody counted the bags of a lot that are in stock."""

    lot = names.lot_id("The lot.")
    site = names.site_id("Where.")
    bag_ids = fields.several(fields.code("A bag.", example=BAG), "The bags that were there.")
    counted_by = names.person_id("Who counted.", required=False)


LOT = StreamFamily.LOT
PHARMACY = frozenset({Role.PHARMACIST})
HANDLED = reported(Task.PRODUCT_HANDLING, Task.INFUSION, roles=RECORDERS | PHARMACY)
JUDGED = SigningRule(roles=PHARMACY, meanings=AUTHORSHIP | APPROVAL, person=True)

TYPES = (
    fact("lot.received.v1", LotReceived, stream=LOT, signed_by=HANDLED),
    judgement("lot.released.v1", LotReleased, stream=LOT, signed_by=JUDGED),
    judgement("lot.quarantined.v1", LotQuarantined, stream=LOT, signed_by=JUDGED),
    judgement(
        "lot.recalled.v1",
        LotRecalled,
        stream=LOT,
        signed_by=SigningRule(
            roles=PHARMACY | {Role.SPONSOR}, meanings=AUTHORSHIP | APPROVAL, person=True
        ),
    ),
    command(
        "bag.release-requested.v1",
        BagReleaseRequested,
        stream=StreamFamily.TREATMENT,
        signed_by=decided(
            Task.PRODUCT_HANDLING, Task.INFUSION, roles=PHARMACY, meanings=AUTHORSHIP | APPROVAL
        ),
    ),
    result("bag.released.v1", BagReleased, stream=StreamFamily.TREATMENT),
    fact("bag.custody-transferred.v1", BagCustodyTransferred, stream=LOT, signed_by=HANDLED),
    fact("bag.thawed.v1", BagThawed, stream=LOT, signed_by=HANDLED),
    fact("bag.returned.v1", BagReturned, stream=LOT, signed_by=HANDLED),
    fact(
        "bag.destroyed.v1",
        BagDestroyed,
        stream=LOT,
        signed_by=reported(Task.PRODUCT_HANDLING, roles=PHARMACY, person=True, meanings=CHECKED),
    ),
    fact(
        "stock.counted.v1",
        StockCounted,
        stream=LOT,
        signed_by=reported(Task.PRODUCT_HANDLING, roles=PHARMACY, person=True, meanings=CHECKED),
    ),
)

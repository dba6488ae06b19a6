"""Infusions: given, not given, interrupted, and the end of treatment."""

from __future__ import annotations

from ledger.events import fields, names
from ledger.events.declare import fact
from ledger.events.payload import Payload, Quantity, Reason
from ledger.events.signers import CHECKED, RECORDERS, reported
from ledger.vocabulary import Role, StreamFamily, Task


class InfusionEvent(Payload):
    """What happened at one infusion of the subject."""

    infusion_number = fields.whole("Which infusion, from 1.", least=1, most=99)


class InfusionAdministered(InfusionEvent):
    """An infusion was given, as it was given, within its window or not."""

    lot = names.lot_id("The lot.")
    bag_ids = fields.several(
        fields.code("A bag.", example="B-0001"), "The bags infused.", least=1, most=50
    )
    started_at = fields.instant("When it began.")
    stopped_at = fields.instant("When it ended.", required=False)
    cells_planned = fields.part(Quantity, "Planned dose.", required=False)
    cells_given = fields.part(Quantity, "Dose given.", required=False)
    viability_percent = fields.percent("Viability before infusion.", required=False)
    volume_ml = fields.decimal("Volume given, in millilitres.", required=False, example="100")
    thawed_at = fields.instant("When thawing ended.", required=False)
    route = fields.code("Route.", required=False, example="peripheral-intravenous")
    site_of_access = fields.code("Where the access was.", required=False, example="left-forearm")
    scan_subject = fields.scan("What the bedside scan of the subject read.", required=False)
    scan_bag = fields.scan(
        "What the bedside scan of the bag read.", required=False, example="B-0001"
    )
    given_by = names.person_id("Who gave it.", required=False)
    checked_by = fields.several(
        names.person_id("A person."), "Who checked subject and bag.", most=10, required=False
    )
    premedication = fields.several(
        fields.text("A drug and its dose.", limit=200), "Premedication.", most=20, required=False
    )


class InfusionNotGiven(InfusionEvent):
    """A planned infusion was not given."""

    reason = fields.part(Reason, "Why.")
    lot = names.lot_id("The lot that was prepared.", required=False)
    bag_ids = fields.several(
        fields.code("A bag.", example="B-0001"), "The bags prepared.", most=50, required=False
    )


class InfusionInterrupted(InfusionEvent):
    """An infusion was interrupted, and resumed or not."""

    interrupted_at = fields.instant("When it was stopped.")
    resumed_at = fields.instant("When it went on; absent if it did not.", required=False)
    reason = fields.part(Reason, "Why.", required=False)
    volume_ml = fields.decimal("Volume given until then, in millilitres.", required=False)


class TreatmentCompleted(Payload):
    """All planned infusions are done."""

    infusions_given = fields.whole("How many were given.", most=99, required=False)


class TreatmentDiscontinued(Payload):
    """No further infusion will be given; follow-up goes on."""

    reason = fields.part(Reason, "Why.")
    decided_by = fields.one_of(
        "Who decided.", "investigator", "participant", "sponsor", "other", required=False
    )


TREATMENT = StreamFamily.TREATMENT
STAFF = RECORDERS | {Role.PHARMACIST}

TYPES = (
    fact(
        "infusion.administered.v1",
        InfusionAdministered,
        stream=TREATMENT,
        signed_by=reported(Task.INFUSION, person=True, meanings=CHECKED),
    ),
    fact(
        "infusion.not-given.v1",
        InfusionNotGiven,
        stream=TREATMENT,
        signed_by=reported(Task.INFUSION, roles=STAFF, person=True),
    ),
    fact(
        "infusion.interrupted.v1",
        InfusionInterrupted,
        stream=TREATMENT,
        signed_by=reported(Task.INFUSION, roles=STAFF),
    ),
    fact(
        "treatment.completed.v1",
        TreatmentCompleted,
        stream=TREATMENT,
        signed_by=reported(Task.INFUSION, Task.DATA_ENTRY, roles=RECORDERS),
    ),
    fact(
        "treatment.discontinued.v1",
        TreatmentDiscontinued,
        stream=TREATMENT,
        signed_by=reported(Task.INFUSION, person=True),
    ),
)

"""Allocation: the sealed list, randomization and the breaking of the blind."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from ledger.allocation.slot import PERMUTED_BLOCKS
from ledger.events import fields, names
from ledger.events.declare import command, fact, result
from ledger.events.payload import Payload, Request, Shape
from ledger.events.signers import APPROVAL, AUTHORSHIP, INVESTIGATORS, RECORDERS, decided, reported
from ledger.vocabulary import Purpose, Role, SigningRule, StreamFamily, Task

PARTY = "A role such as treating-physician, participant or sponsor."


class Stratum(Shape):
    """How many slots one stratum has."""

    stratum = names.stratum("The stratum.")
    slots = fields.whole("Its number of slots.", least=1, most=100_000, example=92)


class RandomizationListSealed(Payload):
    """The statistician commits to the whole list before the first subject."""

    list_root = names.sha256("Merkle root over the salted slots.")
    algorithm = fields.code("How the list was drawn.", example=PERMUTED_BLOCKS)
    strata = fields.several(
        fields.part(Stratum, "A stratum."), "The slots of each stratum.", least=1
    )
    total_slots = fields.whole("Number of slots in all.", least=1, most=100_000, example=92)
    generator = names.holder_id(
        "Who drew the list; not site staff.", example="/sponsor/persons/stat-01"
    )
    protocol_version = fields.code("Version of the protocol it follows.", example="1.0")

    @validates_schema
    def _sums_close(self, data: dict[str, Any], **_kwargs: object) -> None:
        slots = sum(row.get("slots", 0) for row in data.get("strata", ()))
        if "total_slots" in data and slots != data["total_slots"]:
            raise ValidationError("Is not the sum of the strata.", field_name="total_slots")


class SubjectRandomizationRequested(Payload):
    """A delegated person asks the ledger to randomize the subject."""

    confirmation = names.event_id("The eligibility.confirmed event it rests on.")
    screening_number = fields.whole("Which screening.", least=1, most=99, required=False)


class SubjectRandomized(Payload):
    """The ledger allocated the subject: it opens one slot of the sealed list with its path."""

    request = fields.part(Request, "The request it answers.")
    list_root = names.sha256("Merkle root of the sealed list.")
    slot = fields.whole("The slot, counted from 1 within its stratum.", least=1, most=100_000)
    stratum = names.stratum("The stratum of the slot.")
    path = fields.several(names.sha256("A node."), "Inclusion path of the slot.", most=32)
    arm = fields.code("The arm.", sealed=Purpose.ALLOCATION, example="single")
    slot_salt = names.salt("Salt of the slot.", sealed=Purpose.ALLOCATION)


class RandomizationRecorded(Payload):
    """The site opened a backup envelope during downtime: the subject stays in that arm."""

    envelope_id = fields.code("The envelope.", example="ENV-017")
    slot = fields.whole("The slot in the envelope.", least=1, most=100_000, required=False)
    stratum = names.stratum("The stratum of the envelope.", required=False)
    arm = fields.code("The arm.", sealed=Purpose.ALLOCATION, example="single")
    opened_at = fields.instant("When the envelope was opened.")
    opened_by = names.person_id("Who opened it.", required=False)
    downtime = names.event_id("The downtime.started event.", required=False)


class BlindBroken(Payload):
    """A physician broke the blind of one subject; accepted from any state, at once."""

    type = fields.one_of("Why it was broken.", "emergency", "planned", required=False)
    reason_code = fields.code("Reason as code; may follow later.", required=False)
    reason_text = fields.text("Reason in words.", required=False, sealed=Purpose.TEXT)
    told_to = fields.several(
        fields.code(PARTY, example="treating-physician"), "Who was told the arm.", required=False
    )


class UnblindingReasonRecorded(Payload):
    """The medical reason of an unblinding, stated after the fact, and its impact."""

    unblinding = names.event_id("The blind.broken event.")
    reason_code = fields.code("Reason as code.", example="medical-emergency")
    reason_text = fields.text("Reason in words.", required=False, sealed=Purpose.TEXT)
    told_to = fields.several(
        fields.code(PARTY, example="treating-physician"), "Who was told the arm.", required=False
    )
    impact = fields.text("Impact on the trial, assessed.", required=False)


class AccidentalUnblindingReported(Payload):
    """Somebody who should not know the arm came to know it."""

    told_to = fields.several(fields.code(PARTY, example="participant"), "Who knows the arm now.")
    cause = fields.text("How it came about.", required=False, sealed=Purpose.TEXT)
    impact = fields.text("Impact on the trial, assessed.", required=False)
    discovered_at = fields.instant("When it was discovered.", required=False)


class AllocationRevealRequested(Payload):
    """The statistician asks the ledger to open the whole list, once the data are locked."""

    sealed_list = names.event_id("The randomization-list.sealed event.")
    locked = names.event_id("The data.locked event in force.")


class Share(Shape):
    """One arm's share in the ratio."""

    arm = fields.code("The arm.", example="single")
    share = fields.whole("Its share.", least=1, most=1_000, example=1)


class AllocationRevealed(Payload):
    """The ledger opens design and seed: everybody can draw the whole list again and compare."""

    request = fields.part(Request, "The request it answers.")
    list_root = names.sha256("Merkle root of the sealed list.")
    algorithm = fields.code("How the list was drawn.", example=PERMUTED_BLOCKS)
    planned_number = fields.whole("Subjects planned in each stratum.", least=1, most=100_000)
    ratio = fields.several(fields.part(Share, "An arm's share."), "The ratio.", least=1, most=64)
    block_sizes = fields.several(
        fields.whole("A size.", least=1, most=100_000),
        "The block sizes in the statistician's order; none without blocks.",
        most=64,
    )
    strata = fields.several(
        names.stratum("A stratum."), "The strata in list order.", least=1, most=1_000
    )
    seed = names.salt("The seed, 32 bytes.")


TREATMENT = StreamFamily.TREATMENT
UNBLINDING = SigningRule(
    roles=INVESTIGATORS | {Role.SITE_SYSTEM},
    tasks=frozenset({Task.UNBLINDING}),
    meanings=AUTHORSHIP | APPROVAL,
    person=True,
    physician=True,
)

TYPES = (
    command(
        "randomization-list.sealed.v1",
        RandomizationListSealed,
        stream=StreamFamily.ALLOCATION,
        signed_by=SigningRule(
            roles=frozenset({Role.STATISTICIAN}), meanings=AUTHORSHIP | APPROVAL, person=True
        ),
    ),
    command(
        "allocation.reveal-requested.v1",
        AllocationRevealRequested,
        stream=StreamFamily.ALLOCATION,
        signed_by=SigningRule(
            roles=frozenset({Role.STATISTICIAN}), meanings=AUTHORSHIP | APPROVAL, person=True
        ),
    ),
    result("allocation.revealed.v1", AllocationRevealed, stream=StreamFamily.ALLOCATION),
    command(
        "subject.randomization-requested.v1",
        SubjectRandomizationRequested,
        stream=StreamFamily.SUBJECT,
        signed_by=decided(Task.RANDOMIZATION, meanings=AUTHORSHIP | APPROVAL),
    ),
    result("subject.randomized.v1", SubjectRandomized, stream=TREATMENT),
    fact(
        "randomization.recorded.v1",
        RandomizationRecorded,
        stream=TREATMENT,
        signed_by=reported(Task.RANDOMIZATION, person=True),
    ),
    fact("blind.broken.v1", BlindBroken, stream=TREATMENT, signed_by=UNBLINDING),
    fact(
        "unblinding-reason.recorded.v1",
        UnblindingReasonRecorded,
        stream=TREATMENT,
        signed_by=UNBLINDING,
    ),
    fact(
        "accidental-unblinding.reported.v1",
        AccidentalUnblindingReported,
        stream=TREATMENT,
        signed_by=reported(Task.UNBLINDING, Task.DATA_ENTRY, roles=RECORDERS, person=True),
    ),
)

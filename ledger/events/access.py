"""Who may do what: keys, roles, delegation, training."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from ledger.events import fields, names
from ledger.events.declare import command, judgement
from ledger.events.payload import Payload, PublicKey, Reason, Shape
from ledger.events.signers import APPROVAL, AUTHORSHIP, held_by
from ledger.events.strict_fields import matching
from ledger.vocabulary import Role, StreamFamily, Task


class Owner(Shape):
    """The one person or system a key belongs to, for ever (21 CFR 11.100(a))."""

    kind = fields.one_of("Whether a person or a system.", "person", "system")
    id = names.holder_id("Source URI of the owner.")
    name = fields.text("Printed name; of a system, the system's name.", limit=200, example="Dr Li")
    organisation = fields.text("Organisation of the owner.", limit=200, required=False)

    @validates_schema
    def _kind_in_id(self, data: dict[str, Any], **_kwargs: object) -> None:
        if {"kind", "id"} <= set(data) and f"/{data['kind']}s/" not in data["id"]:
            raise ValidationError("The source URI is of the other kind of owner.", field_name="id")


class KeyRegistered(Payload):
    """A registrar registers a key; the new key signs too and so proves its possession."""

    jwk = fields.part(PublicKey, "The public key.")
    owner = fields.part(Owner, "The one person or system it belongs to.")
    source_prefix = matching(
        "Prefix of the sources a system may sign for; required for systems only.",
        {"required": False},
        pattern="(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}){1,8}",
        error="Must be a path such as /sites/SY01/systems/edc.",
        example="/sites/SY01/systems/edc",
    )
    identity_proof = fields.code(
        "How the owner's identity was verified (21 CFR 11.100(b)).", required=False
    )

    @validates_schema
    def _prefix_for_systems(self, data: dict[str, Any], **_kwargs: object) -> None:
        kind = data.get("owner", {}).get("kind")
        prefix = data.get("source_prefix")
        if kind == "system" and prefix is None:
            raise ValidationError("A system's key needs a prefix.", field_name="source_prefix")
        if kind == "person" and prefix is not None:
            raise ValidationError(
                "A person signs for himself; no prefix.", field_name="source_prefix"
            )
        home = data.get("owner", {}).get("id", "").partition("/systems/")[0] + "/systems"
        if prefix is not None and home != prefix and not prefix.startswith(home + "/"):
            # A wider one would let a system speak as the source of persons or of another site.
            raise ValidationError(f"Must lie under {home}.", field_name="source_prefix")


class KeyRevoked(Payload):
    """A key ends; what it signed from ``compromised_since`` on becomes doubtful, not gone."""

    kid = matching(
        "RFC 7638 thumbprint of the key.",
        {},
        pattern="[A-Za-z0-9_-]{43}",
        error="A kid is 43 base64url characters.",
        example="kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    )
    reason = fields.part(Reason, "Why the key ends.")
    compromised_since = fields.instant("Since when it may have been misused.", required=False)


class Qualification(Shape):
    """What qualifies a person for the tasks."""

    physician = fields.flag("Whether the person is a qualified physician.")
    licence = fields.code("Number of the licence to practise.", required=False)


class RoleGranted(Payload):
    """A role begins for a person or system in the trial or at one site."""

    holder = names.holder_id("Who holds the role.")
    role = fields.one_of("The role.", *sorted(Role), example="principal-investigator")
    scope = names.scope("Where it holds.")
    qualification = fields.part(Qualification, "What qualifies the holder.", required=False)


class RoleRevoked(Payload):
    """A role ends."""

    holder = names.holder_id("Who held the role.")
    role = fields.one_of("The role.", *sorted(Role), example="principal-investigator")
    scope = names.scope("Where it held.")
    reason = fields.part(Reason, "Why it ends.")


class StaffDelegated(Payload):
    """The principal investigator delegates trial duties to a person (ICH E6(R3) 2.3.3)."""

    person = names.person_id("Who is delegated.", example="/sites/SY01/persons/crc-01")
    site = names.site_id("The site.")
    qualification = fields.part(Qualification, "What qualifies the person.")
    tasks = fields.several(
        fields.one_of("A duty.", *sorted(Task)), "The delegated duties.", least=1, most=20
    )
    from_ = fields.day("First day.", data_key="from")
    to = fields.day("Last day; absent while open.", required=False)


class DelegationEnded(Payload):
    """The principal investigator ends a delegation."""

    delegation = names.event_id("The staff.delegated event that ends.")
    person = names.person_id("Who was delegated.", example="/sites/SY01/persons/crc-01")
    site = names.site_id("The site.")
    ended_on = fields.day("Last day of the delegation.")
    reason = fields.part(Reason, "Why it ends.")


class TrainingCompleted(Payload):
    """A person completed a training that tasks depend on."""

    person = names.person_id("Who was trained.", example="/sites/SY01/persons/crc-01")
    course = fields.code("The course.", example="gcp")
    version = fields.code("Version of the course.", example="1.0")
    site = names.site_id("The site of the one who attests it.", required=False)
    completed_on = fields.day("Day of completion.")
    tasks = fields.several(
        fields.one_of("A duty.", *sorted(Task)), "The duties it trains for.", most=20
    )


REGISTRARS = held_by(Role.SPONSOR, Role.REGISTRAR)
PRINCIPAL = held_by(Role.PRINCIPAL_INVESTIGATOR)

TYPES = (
    command("key.registered.v1", KeyRegistered, stream=StreamFamily.ACCESS, signed_by=REGISTRARS),
    command("key.revoked.v1", KeyRevoked, stream=StreamFamily.ACCESS, signed_by=REGISTRARS),
    command("role.granted.v1", RoleGranted, stream=StreamFamily.ACCESS, signed_by=REGISTRARS),
    command("role.revoked.v1", RoleRevoked, stream=StreamFamily.ACCESS, signed_by=REGISTRARS),
    command("staff.delegated.v1", StaffDelegated, stream=StreamFamily.ACCESS, signed_by=PRINCIPAL),
    command(
        "delegation.ended.v1", DelegationEnded, stream=StreamFamily.ACCESS, signed_by=PRINCIPAL
    ),
    judgement(
        "training.completed.v1",
        TrainingCompleted,
        stream=StreamFamily.ACCESS,
        signed_by=held_by(
            Role.SPONSOR,
            Role.REGISTRAR,
            Role.PRINCIPAL_INVESTIGATOR,
            Role.SUB_INVESTIGATOR,
            Role.STUDY_COORDINATOR,
            meanings=APPROVAL | AUTHORSHIP,
        ),
    ),
)

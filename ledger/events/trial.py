"""The trial and its sites: opening, protocol, documents, activation, downtime, dossiers."""

from __future__ import annotations

from ledger.events import fields, names
from ledger.events.declare import command, fact, judgement, result
from ledger.events.payload import Payload, PublicKey, Reason, Shape
from ledger.events.signers import APPROVAL, AUTHORSHIP, held_by
from ledger.events.strict_fields import matching
from ledger.vocabulary import Role, SigningRule, StreamFamily


class Sponsor(Shape):
    """The sponsor, whose root key signs entry 0 and is certified by it."""

    id = names.person_id(
        "Source URI of the sponsor's root key holder.", example="/sponsor/persons/root"
    )
    name = fields.text("Printed name.", limit=200, example="Sponsor of the trial")
    jwk = fields.part(PublicKey, "The sponsor's root key.")


class TrialOpened(Payload):
    """The ledger and the sponsor open the trial: entry 0, the root of trust."""

    trial_id = names.trial_id("Identifier of the trial.")
    origin = matching(
        "Origin of the log's checkpoints; the name in its verifier keys.",
        {},
        pattern="[!-*,-~]{1,200}",
        error="An origin is printable ASCII without blanks and plus signs.",
        example="ledger.example/xhnkky-dfsc",
    )
    log_vkeys = fields.several(
        matching(
            "A C2SP verifier key, name+hash+base64.",
            {},
            pattern="[!-*,-~]{1,200}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{1,4000}={0,2}",
            error="Must be a verifier key: name+hash+base64.",
            example=(
                "ledger.example/xhnkky-dfsc+0a1b2c3d+ATu0AijFfPyJ4VzcJdrWKRXQJ2Xv3yFVGkIKYLWvpXGf"
            ),
        ),
        "The log's verifier keys.",
        least=1,
        most=16,
    )
    statement_key = fields.part(PublicKey, "The key under which the ledger signs statements.")
    sponsor = fields.part(Sponsor, "The sponsor and its root key.")
    protocol = fields.json_object("The protocol configuration.")
    protocol_sha256 = names.sha256("SHA-256 of the protocol configuration's canonical JSON.")
    demonstration = fields.flag("Whether this is a demonstration and no trial.", example=False)


class ProtocolAmended(Payload):
    """The sponsor puts a new version of the protocol configuration in force."""

    version = fields.code("Version of the protocol.", example="2.0")
    protocol = fields.json_object("The whole new protocol configuration.")
    protocol_sha256 = names.sha256("SHA-256 of the protocol configuration's canonical JSON.")
    effective_from = fields.instant("From when the new version holds.")
    reason = fields.part(Reason, "Why the protocol was amended.")


class DocumentApproved(Payload):
    """A body decided on one version of a document in one language (protocol, consent form …)."""

    doc_type = fields.one_of(
        "Type of document.",
        "protocol",
        "icf",
        "investigators-brochure",
        "laboratory-manual",
        "site-approval",
        "other",
    )
    document_id = fields.code("The document's own identifier.", required=False)
    title = fields.text("Title of the document.", limit=300, required=False)
    version = fields.code("Version of the document.", example="1.0")
    language = fields.language("Language of the document.")
    sha256 = names.sha256("SHA-256 of the document.")
    body = fields.text("The deciding body.", limit=200, example="Institutional ethics committee")
    decision = fields.one_of("The decision.", "approved", "rejected", "withdrawn")
    approved_on = fields.day("Day of the decision.")
    effective_from = fields.instant("From when the document may be used.")
    effective_to = fields.instant("Until when it may be used.", required=False)
    site = names.site_id("The site it is for; absent for all.", required=False)


class SiteActivated(Payload):
    """The sponsor activates a site after its approvals (ICH E6(R3) 4.3.5)."""

    site = names.site_id("The site.")
    name = fields.text("Name of the site.", limit=200, example="General Hospital")
    timezone = matching(
        "IANA time zone in which the site's days are counted.",
        {},
        pattern="[A-Z][A-Za-z0-9_+-]{1,30}(?:/[A-Za-z0-9_+-]{1,30}){0,2}",
        error="Must be an IANA time zone such as Asia/Shanghai.",
        example="Asia/Shanghai",
    )
    approvals = fields.several(
        names.event_id("A document.approved event."), "The approvals this rests on.", least=1
    )
    activated_on = fields.day("Day of activation.")
    country = matching(
        "Country (ISO 3166-1).",
        {"required": False},
        pattern="[A-Z]{2}",
        error="Must be two capital letters.",
        example="CN",
    )


class SiteSuspended(Payload):
    """The sponsor suspends a site; commands on its subjects are refused from then on."""

    site = names.site_id("The site.")
    reason = fields.part(Reason, "Why the site is suspended.")


class EnrolmentClosed(Payload):
    """The sponsor closes enrolment; no further subject is randomized."""

    reason = fields.part(Reason, "Why enrolment is closed.")


class DataLocked(Payload):
    """The sponsor locks the trial's data: no correction until they are unlocked (R-66)."""

    reason = fields.part(Reason, "On what the lock rests.")


class DataUnlocked(Payload):
    """The sponsor unlocks the trial's data, with the reason (ICH E6(R3) 3.16.2(e))."""

    locked = names.event_id("The data.locked event that ends.")
    reason = fields.part(Reason, "Why the data are unlocked.")


class DowntimeStarted(Payload):
    """The electronic way is out of service; backup envelopes may be used."""

    site = names.site_id("The site concerned; absent for all.", required=False)
    affected = fields.several(fields.code("A function or system."), "What is out of service.")
    cause = fields.text("Cause as far as known.", required=False)


class DowntimeEnded(Payload):
    """The electronic way is back in service."""

    started = names.event_id("The downtime.started event that ends.")
    evidence = fields.text("How it was made sure that nothing is lost.", required=False)


class DossierIssued(Payload):
    """The ledger commits to the head of one stream before its dossier leaves the house."""

    stream = names.stream("The stream of the dossier.")
    stream_seq = fields.whole("Position of its last link.")
    link = names.sha256("SHA-256 of its last link.")
    purpose = fields.text("What the dossier is for.", limit=300)


SPONSOR_APPROVES = held_by(Role.SPONSOR)
DOWNTIME = held_by(
    Role.SPONSOR,
    Role.PRINCIPAL_INVESTIGATOR,
    Role.SUB_INVESTIGATOR,
    Role.STUDY_COORDINATOR,
    Role.SITE_SYSTEM,
    person=False,
    meanings=AUTHORSHIP,
)

TYPES = (
    fact(
        "trial.opened.v1",
        TrialOpened,
        stream=StreamFamily.TRIAL,
        signed_by=SigningRule(
            roles=frozenset({Role.SPONSOR}), meanings=APPROVAL, person=True, ledger=True
        ),
    ),
    command(
        "protocol.amended.v1",
        ProtocolAmended,
        stream=StreamFamily.TRIAL,
        signed_by=SPONSOR_APPROVES,
    ),
    judgement(
        "document.approved.v1",
        DocumentApproved,
        stream=StreamFamily.TRIAL,
        signed_by=held_by(
            Role.SPONSOR,
            Role.ETHICS_COMMITTEE,
            Role.PRINCIPAL_INVESTIGATOR,
            meanings=APPROVAL | AUTHORSHIP,
        ),
    ),
    command(
        "site.activated.v1", SiteActivated, stream=StreamFamily.SITE, signed_by=SPONSOR_APPROVES
    ),
    command(
        "site.suspended.v1",
        SiteSuspended,
        stream=StreamFamily.SITE,
        signed_by=held_by(Role.SPONSOR, Role.ETHICS_COMMITTEE),
    ),
    command(
        "enrolment.closed.v1",
        EnrolmentClosed,
        stream=StreamFamily.TRIAL,
        signed_by=SPONSOR_APPROVES,
    ),
    command("data.locked.v1", DataLocked, stream=StreamFamily.TRIAL, signed_by=SPONSOR_APPROVES),
    command(
        "data.unlocked.v1", DataUnlocked, stream=StreamFamily.TRIAL, signed_by=SPONSOR_APPROVES
    ),
    fact("downtime.started.v1", DowntimeStarted, stream=StreamFamily.TRIAL, signed_by=DOWNTIME),
    fact("downtime.ended.v1", DowntimeEnded, stream=StreamFamily.TRIAL, signed_by=DOWNTIME),
    result("dossier.issued.v1", DossierIssued, stream=StreamFamily.ANY),
)

"""Informed consent: discussion, capacity, consent, refusal, renewal, withdrawal by scope.

Participants, representatives and witnesses hold no keys. Whoever led the discussion states who
signed what and when. A consent that lacks something is recorded as it is: the deviation is derived.
"""

from __future__ import annotations

from ledger.events import fields, names
from ledger.events.declare import fact, judgement
from ledger.events.payload import Payload, Shape
from ledger.events.signers import AUTHORSHIP, EXPLAINED, RECORDERS, decided, reported
from ledger.vocabulary import Purpose, StreamFamily, Task

SCOPES = ("intervention", "visits", "record_review", "samples", "secondary_use")


class ConsentDiscussionHeld(Payload):
    """Someone explained the trial to the subject or the representative."""

    icf_version = fields.code("Version of the form that was explained.", example="1.0")
    icf_sha256 = names.sha256("SHA-256 of that form.", required=False)
    language = fields.language("Language of the discussion.")
    leader = names.person_id("Who led the discussion.")
    mode = fields.one_of("How it was held.", "in-person", "telephone", "video")
    questions_answered = fields.flag("Whether all questions were answered.", required=False)
    minutes = fields.whole("How long it took, in minutes.", most=10_000, required=False)
    interpreter = fields.flag("Whether an interpreter took part.", required=False)


class CapacityAssessed(Payload):
    """Someone qualified judged whether the subject can consent (hepatic encephalopathy)."""

    capable = fields.flag("Whether the subject can consent.")
    method = fields.code("How capacity was assessed.", example="clinical-interview")
    encephalopathy_grade = fields.whole("West Haven grade, 0 to 4.", most=4)
    comment = fields.text("What the judgement rests on.", required=False, sealed=Purpose.TEXT)


class Representative(Shape):
    """The legally acceptable representative; the name is sealed in ``representative_name``."""

    relation = fields.code("Relation to the subject.", example="spouse")
    ground = fields.code("Why a representative acts.", example="incapacity")


class Witness(Shape):
    """The witness to the discussion; the name is sealed in ``witness_name``."""

    impartial = fields.flag("Whether independent of the trial and its staff.")
    present_throughout = fields.flag("Whether present during the whole discussion.")
    relation = fields.code("Relation to the subject, if any.", required=False)
    signed_at = fields.instant("When the witness signed.", required=False)


class Consent(Payload):
    """What a consent holds, the first as well as a renewed one."""

    icf_version = fields.code("Version of the signed form.", example="1.0")
    icf_sha256 = names.sha256("SHA-256 of the signed form.")
    language = fields.language("Language of the signed form.")
    scopes = fields.several(
        fields.one_of("A scope.", *SCOPES), "What the subject consents to.", most=len(SCOPES)
    )
    given_by = fields.one_of("Who gave consent.", "self", "representative")
    representative = fields.part(Representative, "The representative.", required=False)
    representative_name = fields.text(
        "Name of the representative.", limit=200, required=False, sealed=Purpose.IDENTITY
    )
    can_read = fields.flag("Whether the one who consents can read.")
    witness = fields.part(Witness, "The witness.", required=False)
    witness_name = fields.text(
        "Name of the witness.", limit=200, required=False, sealed=Purpose.IDENTITY
    )
    participant_signed_at = fields.instant(
        "When the subject or the representative signed; absent if unsigned.", required=False
    )
    leader = names.person_id("Who led the discussion.")
    leader_signed_at = fields.instant(
        "When the leader signed the form; absent if unsigned.", required=False
    )
    copy_given = fields.flag("Whether the subject got a copy of the signed form.")
    copy_given_at = fields.instant("When the copy was given.", required=False)
    medium = fields.one_of("Medium of the form.", "paper", "electronic")


class ConsentObtained(Consent):
    """The subject, or a representative, consented by scope on one version of the form."""


class ConsentRenewed(Consent):
    """The subject consented again: on a new version, or in person after regaining capacity."""

    requirement = names.event_id("The reconsent.required event this answers.", required=False)


class ConsentDeclined(Payload):
    """The subject declined to take part; no reason need be given."""

    icf_version = fields.code("Version of the form that was declined.", required=False)
    reason_code = fields.code("Reason as code, if one was given.", required=False)
    reason_text = fields.text(
        "Reason in words, if one was given.", required=False, sealed=Purpose.TEXT
    )


class ReconsentRequired(Payload):
    """New information matters to the subject: consent on a new version is due."""

    icf_version = fields.code("Version to consent to.", example="2.0")
    icf_sha256 = names.sha256("SHA-256 of that form.")
    trigger = fields.code("What asks for it.", example="protocol-amendment")
    due = fields.instant("Until when.")


class ConsentWithdrawn(Payload):
    """The subject withdrew consent; accepted from any state, with whatever is known.

    No scope, or none stated, is read in the safest way: all scopes.
    """

    scopes = fields.several(
        fields.one_of("A scope.", *SCOPES),
        "What is withdrawn; empty or absent: everything.",
        most=len(SCOPES),
        required=False,
    )
    effective_at = fields.instant("From when; absent: the event's time.", required=False)
    told_to = names.person_id("Who was told.", required=False)
    reason_code = fields.code("Reason as code, if one was given.", required=False)
    reason_text = fields.text(
        "Reason in words, if one was given.", required=False, sealed=Purpose.TEXT
    )
    samples_action = fields.one_of(
        "What the subject wants done with samples.", "destroy", "keep", "return", required=False
    )
    data_use_after = fields.one_of(
        "What the subject agrees to after withdrawal.",
        "none",
        "public-records",
        "safety-follow-up",
        required=False,
    )


SUBJECT = StreamFamily.SUBJECT

TYPES = (
    fact(
        "consent.discussion-held.v1",
        ConsentDiscussionHeld,
        stream=SUBJECT,
        signed_by=reported(Task.CONSENT, person=True, meanings=EXPLAINED),
    ),
    judgement(
        "capacity.assessed.v1",
        CapacityAssessed,
        stream=SUBJECT,
        signed_by=decided(Task.CONSENT, meanings=AUTHORSHIP | {"approval"}),
    ),
    fact(
        "consent.obtained.v1",
        ConsentObtained,
        stream=SUBJECT,
        signed_by=reported(Task.CONSENT, person=True, meanings=EXPLAINED),
    ),
    fact(
        "consent.renewed.v1",
        ConsentRenewed,
        stream=SUBJECT,
        signed_by=reported(Task.CONSENT, person=True, meanings=EXPLAINED),
    ),
    fact(
        "consent.declined.v1",
        ConsentDeclined,
        stream=SUBJECT,
        signed_by=reported(Task.CONSENT, Task.DATA_ENTRY, roles=RECORDERS),
    ),
    fact(
        "reconsent.required.v1",
        ReconsentRequired,
        stream=SUBJECT,
        signed_by=reported(Task.CONSENT, roles=RECORDERS, person=True),
    ),
    fact(
        "consent.withdrawn.v1",
        ConsentWithdrawn,
        stream=SUBJECT,
        signed_by=reported(Task.CONSENT, Task.DATA_ENTRY, roles=RECORDERS),
    ),
)

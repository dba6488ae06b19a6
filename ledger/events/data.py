"""The record itself: corrections, voiding, signatures, deviations, and the ledger's answers.

The first five kinds stand in the stream of the record they name, in ``target`` or ``anchor``.
"""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from ledger.events import fields, names
from ledger.events.declare import command, fact, judgement, result
from ledger.events.payload import Payload, Reason, Request, Shape
from ledger.events.signers import APPROVAL, AUTHORSHIP, RECORDERS, decided, reported
from ledger.vocabulary import Purpose, Role, SigningRule, StreamFamily, Task


class Change(Shape):
    """One member that changes: where, from what, to what."""

    pointer = names.pointer("JSON pointer into the event: /time or below /data.")
    old = fields.any_value("The value as it stands; null where there is none.", example="34.2")
    new = fields.any_value("The value as it should be; null to take it away.", example="43.2")

    @validates_schema
    def _something_changes(self, data: dict[str, Any], **_kwargs: object) -> None:
        pointer = data.get("pointer", "/time")
        if pointer != "/time" and not pointer.startswith("/data/"):
            raise ValidationError("Only /time and members of /data change.", field_name="pointer")
        if {"old", "new"} <= set(data) and _same(data["old"], data["new"]):
            raise ValidationError("The new value is the old one.", field_name="new")


def _same(old: object, new: object) -> bool:
    # Python holds true == 1; JSON does not.
    return type(old) is type(new) and old == new


class DataCorrected(Payload):
    """The site corrects members of a record; refused when an old value is not the current one.

    Changes of sealed members go sealed under the same purpose, so that a correction never shows
    what the record conceals.
    """

    target = names.event_id("The event to correct.")
    changes = fields.several(
        fields.part(Change, "A change."),
        "The changes, one a member; empty only if all changes are sealed.",
        most=100,
    )
    identity_changes = fields.several(
        fields.part(Change, "A change."),
        "Changes of members sealed as identity.",
        most=20,
        required=False,
        sealed=Purpose.IDENTITY,
    )
    text_changes = fields.several(
        fields.part(Change, "A change."),
        "Changes of members sealed as text.",
        most=20,
        required=False,
        sealed=Purpose.TEXT,
    )
    reason = fields.part(Reason, "Why (R-06).")
    source_ref = fields.text("The source that supports it.", limit=200, example="Lab print-out 17")
    requested_by = names.person_id("Who asked for it, if not the signer.", required=False)

    @validates_schema
    def _at_least_one(self, data: dict[str, Any], **kwargs: object) -> None:
        lists = (data.get(name) for name in ("changes", "identity_changes", "text_changes"))
        # With sealed members withheld (partial) nobody can count what they hold.
        if not any(lists) and not kwargs.get("partial"):
            raise ValidationError("A correction needs a change.", field_name="changes")


class DataVoided(Payload):
    """The site ends a record that should not be where it is, such as one on the wrong subject."""

    target = names.event_id("The event to void.")
    reason = fields.part(Reason, "Why (R-06).")
    source_ref = fields.text("The source that supports it.", limit=200, example="Ward book, p. 17")
    belongs_to = names.subject_id("The subject it belongs to, if known.", required=False)


class RecordSigned(Payload):
    """A person signs a record that is there, the first time or again after a correction."""

    target = names.event_id("The event that is signed.")
    target_sha256 = names.sha256("SHA-256 of its entry.", required=False)
    statement = fields.text(
        "What the signature says.", limit=500, example="I have reviewed this record."
    )


class DeviationReported(Payload):
    """A person reports a departure from the protocol, the GCP guideline or the law."""

    anchor = names.event_id("The event it hangs on.")
    rule = fields.code("The rule it falls under, if one fits.", required=False, example="DV-18")
    category = fields.code("Category.", required=False, example="treatment")
    description = fields.text("What happened.", sealed=Purpose.TEXT)
    occurred_at = fields.instant("When; absent: the anchor's time.", required=False)
    discovered_at = fields.instant("When it was discovered.", required=False)


class DeviationAssessed(Payload):
    """A person explains a deviation and judges whether it is important (ICH E3 Q&A 7)."""

    rule = fields.code("The rule of the deviation.", example="DV-18")
    anchor = names.event_id("The event the deviation hangs on.")
    important = fields.flag("Whether it may affect rights, safety, or the data's reliability.")
    category = fields.code("Category.", required=False, example="treatment")
    explanation = fields.text("How it came about.")
    action = fields.text("What was done, and what keeps it from recurring.", required=False)
    reported_to_ethics_committee = fields.flag("Whether reported.", required=False)
    reported_at = fields.instant("When it was reported.", required=False)
    closed = fields.flag("Whether nothing remains to be done.", required=False)


class CommandAccepted(Payload):
    """The ledger accepted a command; it takes effect with this entry."""

    request = fields.part(Request, "The command it answers.")
    rules = fields.several(fields.code("A rule id."), "The rules that were checked and passed.")


class BrokenRule(Shape):
    """One rule that spoke against the command."""

    id = fields.code("Stable rule id.", example="guard.enrolment-open")
    message = fields.text("What is missing, as a sentence.", limit=500)


class CommandRefused(Payload):
    """The ledger refused a command; nothing but this refusal follows from it."""

    request = fields.part(Request, "The command it answers.")
    rules = fields.several(
        fields.part(BrokenRule, "A rule."), "The rules that spoke against it.", least=1
    )


TARGET = StreamFamily.TARGET
CORRECTORS = decided(
    Task.DATA_ENTRY,
    roles=RECORDERS | {Role.PHARMACIST, Role.LABORATORY, Role.OUTCOME_ASSESSOR},
    meanings=AUTHORSHIP,
)

TYPES = (
    command("data.corrected.v1", DataCorrected, stream=TARGET, signed_by=CORRECTORS),
    command("data.voided.v1", DataVoided, stream=TARGET, signed_by=CORRECTORS),
    fact(
        "record.signed.v1",
        RecordSigned,
        stream=TARGET,
        signed_by=SigningRule(
            roles=CORRECTORS.roles,
            tasks=frozenset(Task),
            meanings=AUTHORSHIP | APPROVAL | {"review", "consent-explained", "witness"},
            person=True,
        ),
    ),
    fact(
        "deviation.reported.v1",
        DeviationReported,
        stream=TARGET,
        signed_by=reported(
            Task.DATA_ENTRY,
            Task.SAFETY_REPORTING,
            roles=RECORDERS | {Role.PHARMACIST, Role.SPONSOR},
            person=True,
        ),
    ),
    judgement(
        "deviation.assessed.v1",
        DeviationAssessed,
        stream=TARGET,
        signed_by=decided(
            roles=frozenset({Role.SPONSOR}), meanings=AUTHORSHIP | APPROVAL | {"review"}
        ),
    ),
    result("command.accepted.v1", CommandAccepted, stream=StreamFamily.ANY),
    result("command.refused.v1", CommandRefused, stream=StreamFamily.ANY),
)

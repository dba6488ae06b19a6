"""Personal data: erasure of what is sealed, and restriction of what came in unsealed.

Both are ordered by two persons and recorded for ever. Neither changes an entry: signatures, chain
and proofs stay valid. What was allocated to a subject is never erased.
"""

from __future__ import annotations

from ledger.events import fields, names
from ledger.events.declare import command
from ledger.events.payload import Payload
from ledger.events.signers import APPROVAL, held_by
from ledger.vocabulary import Purpose, Role, StreamFamily

GROUNDS = (
    "erasure-right",
    "consent-withdrawn",
    "unlawful-processing",
    "legal-obligation",
    "retention-ended",
    "other",
)


class Decision(Payload):
    """On what an act on personal data rests: the law, who decided, and where it is written."""

    ground = fields.one_of("The legal ground.", *GROUNDS)
    ground_reference = fields.text(
        "The provision it rests on.", limit=200, example="PIPL Article 47"
    )
    decision = fields.text(
        "Where the decision is found.", limit=200, example="Data protection file 2024-07"
    )
    decision_sha256 = names.sha256("SHA-256 of the decision.", required=False)
    approver = names.person_id(
        "Who approved it; signs too, and is not the one who asks.",
        example="/sponsor/persons/dpo-01",
    )
    requested_on = fields.day("Day on which it was asked for.", required=False)


class PersonalDataErased(Decision):
    """The site and an approver order the ledger to destroy the keys of a subject's sealed members.

    What was sealed for the purposes named cannot be read by anybody from then on. What is sealed
    for allocation, what stands in clear, and what is recorded later are not concerned.
    """

    subject_id = names.subject_id("The subject.")
    purposes = fields.several(
        fields.one_of("A purpose.", Purpose.IDENTITY.value, Purpose.TEXT.value),
        "What is erased.",
        least=1,
        most=2,
    )


class PersonalDataRestricted(Decision):
    """The site and an approver order that personal data which came in unsealed is never served.

    The named members read ``REDACTED`` in every view, and the statement that holds them is no
    longer handed out. The entry's bytes stay in the restricted archive, so that the chain can
    still be computed; copies that were handed out before cannot be called back.
    """

    target = names.event_id("The event that holds them.")
    pointers = fields.several(
        names.pointer("JSON pointer to a text below /data.", example="/data/reason/text"),
        "The members concerned.",
        least=1,
        most=50,
    )


ORDERED = held_by(Role.PRINCIPAL_INVESTIGATOR, Role.SPONSOR, meanings=APPROVAL)

TYPES = (
    command(
        "personal-data.erased.v1",
        PersonalDataErased,
        stream=StreamFamily.SUBJECT,
        signed_by=ORDERED,
    ),
    command(
        "personal-data.restricted.v1",
        PersonalDataRestricted,
        stream=StreamFamily.TARGET,
        signed_by=ORDERED,
    ),
)

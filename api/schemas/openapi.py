"""The shapes that OpenAPI shows: statements as sent, answers as given, problems."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, fields

from api.list_state import ListState
from api.statements import COMPACT, GENERAL, MANY, SEALED


def said(description: str, **more: Any) -> dict[str, Any]:
    """The metadata of a member."""
    return {"metadata": {"description": description, **more}}


class Rule(Schema):
    """A rule that speaks against a command."""

    id = fields.String(**said("Stable id of the rule."))
    message = fields.String(**said("What it found."))


class Place(Schema):
    """Where an entry stands, with its bytes and the receipt that proves it."""

    id = fields.String(**said("Id of the event."))
    seq = fields.Integer(**said("Position in the log."))
    entry_sha256 = fields.String(**said("SHA-256 of the entry's bytes, hexadecimal."))
    recorded_at = fields.String(**said("When it was recorded, by the ledger's clock."))
    stream = fields.String(**said("The stream it stands in."))
    entry = fields.String(**said("The entry's bytes: RFC 8785 canonical JSON, the log's leaf."))
    receipt = fields.String(**said("C2SP tlog-proof: inclusion path and signed checkpoint."))


class Result(Place):
    """The ledger's own entry that answers a command."""

    type = fields.String(**said("Type of the result."))
    rules = fields.Raw(**said("Rules that were passed (ids) or that speak against it."))


class Recorded(Place):
    """What a sender gets for a statement."""

    result = fields.Nested(Result, **said("Only for a command."))


class EventRead(Place):
    """One entry read back."""

    stream_seq = fields.Integer(**said("Position in the stream."))
    statement = fields.String(
        **said("The signed statement, byte for byte; null where it is restricted."), allow_none=True
    )
    restricted_by = fields.String(
        **said("The act by which personal data in it are no longer served."), allow_none=True
    )
    erased_by = fields.List(
        fields.String(), **said("The acts by which sealed members were erased.")
    )
    event = fields.Dict(**said("The event as signed; sealed members as digests in data._sd."))
    signatures = fields.List(fields.Dict(), **said("Who signed with which meaning."))
    opened = fields.Dict(**said("Sealed members, opened as far as the reader may see them."))
    kept_back = fields.List(
        fields.Dict(), **said("Sealed members not shown to this reader: member, purpose, reason.")
    )
    withheld = fields.Integer(**said("Sealed members whose openings it does not hold."))


class AllocationRead(Schema):
    """One subject's arm; filled with spaces to a length that tells nothing."""

    subject = fields.String(**said("The subject."))
    arm = fields.String(**said("The arm."))
    arm_label = fields.String(**said("The arm in the protocol's words."))
    planned_infusions = fields.Integer(**said("How many infusions the arm plans."))
    allocations = fields.List(
        fields.Dict(), **said("Each allocation: arm, method, on; mostly one.")
    )
    blind = fields.Dict(
        allow_none=True,
        **said("The reader's own breaking of the blind, and until when its reason is due."),
    )


class Readiness(Schema):
    """How the service stands."""

    status = fields.String(**said("Always ready.", enum=["ready"]))
    entries = fields.Integer(**said("How many entries the log has."))
    projections = fields.Integer(**said("How many of them the views have read."))
    allocation = fields.String(
        **said(
            "Whether the service can randomize: it holds the allocation list that the log commits "
            "to (ready), none (missing), another (other-list), or one that the log does not commit "
            "to yet (uncommitted).",
            enum=[state.value for state in ListState],
        )
    )
    publication = fields.Dict(
        allow_none=True, **said("What is published, and which witnesses cosign it.")
    )
    time_stamps = fields.Dict(allow_none=True, **said("The newest time stamp and its authority."))


class Problem(Schema):
    """An RFC 9457 problem."""

    type = fields.String(**said("Stable reference, /problems/<code>, with a page behind it."))
    title = fields.String(**said("What kind of problem it is."))
    status = fields.Integer(**said("The HTTP status."))
    detail = fields.String(**said("What is wrong, in a sentence."))
    code = fields.String(**said("Stable code."))
    where = fields.String(**said("JSON pointer, parameter or header at fault."))
    remedy = fields.String(**said("What to do."))
    rules = fields.List(fields.Nested(Rule), **said("Only for a refused command."))
    receipt = fields.String(**said("Only for a refused command: the request's receipt."))
    result = fields.Nested(Result, **said("Only for a refused command: the refusal."))


class TokenIssued(Schema):
    """A token, as RFC 6749 section 5.1 answers it."""

    access_token = fields.String(**said("For the header Authorization: Bearer …"))
    token_type = fields.String(**said("Always Bearer."))
    expires_in = fields.Integer(**said("Seconds that it lives."))
    scope = fields.String(**said("As whom it reads: role, site, masked."))


_TEXT: Final = {"type": "string"}
TOKEN_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type", "client_assertion_type", "client_assertion"],
                "properties": {
                    "grant_type": {"const": "client_credentials"},
                    "client_assertion_type": {
                        "const": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                    },
                    "client_assertion": {**_TEXT, "description": "A JWT of a registered key."},
                    "scope": {**_TEXT, "description": "role:<role> site:<SITE> masked"},
                },
            }
        }
    },
}
EVENT_BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "One statement, or many, one on each line.",
    "content": {
        COMPACT: {"schema": {**_TEXT, "description": "A compact JWS over the event's bytes."}},
        GENERAL: {
            "schema": {
                "type": "object",
                "description": "A minified general JSON JWS, or {statement, disclosures}.",
            }
        },
        SEALED: {"schema": {**_TEXT, "description": "JWS~disclosure~… (RFC 9901)."}},
        MANY: {
            "schema": {
                **_TEXT,
                "description": "At most 1,000 lines and 8 MiB: each a JSON string with a compact "
                "form, or a one-line JSON object. Each stands alone, in order.",
            }
        },
    },
}

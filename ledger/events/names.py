"""Payload members that name something: a site, a person, an event, a document by its hash.

Strict marshmallow fields as those of ``ledger.events.fields``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ledger.allocation.slot import LONGEST_STRATUM, STRATUM
from ledger.events.strict_fields import Options, matching
from ledger.signing.envelope import STREAM, TRIAL_ID, UUID7

if TYPE_CHECKING:
    from marshmallow import fields

SITE = "[A-Z0-9]{2,16}"
NAME = "[a-z0-9][a-z0-9-]{0,62}"
LOT = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
EXAMPLE_EVENT = "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8c"
EXAMPLE_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def trial_id(description: str, **options: Unpack[Options]) -> fields.String:
    """The identifier of a trial."""
    return matching(
        description,
        options,
        form="trial",
        pattern=TRIAL_ID.pattern,
        error="A trial is named by letters, digits and hyphens.",
        example="XHNKKY-DFSC",
    )


def sha256(description: str, **options: Unpack[Options]) -> fields.String:
    """A SHA-256 (or HMAC-SHA-256, or Merkle node) as 64 lower-case hexadecimal digits."""
    return matching(
        description,
        options,
        form="sha-256",
        pattern="[0-9a-f]{64}",
        error="A SHA-256 is 64 lower-case hexadecimal digits.",
        example=EXAMPLE_SHA256,
    )


def salt(description: str, **options: Unpack[Options]) -> fields.String:
    """Random bytes as 32 to 64 lower-case hexadecimal digits, two a byte."""
    return matching(
        description,
        options,
        form="salt",
        pattern="(?:[0-9a-f]{2}){16,32}",
        error="A salt is 16 to 32 bytes in lower-case hexadecimal.",
        example="00112233445566778899aabbccddeeff",
    )


def event_id(description: str, **options: Unpack[Options]) -> fields.String:
    """The id of an event: a UUID version 7 in lower case (RFC 9562)."""
    return matching(
        description,
        options,
        form="event id",
        pattern=UUID7.pattern,
        error="An event id is a lower-case UUID version 7.",
        example=EXAMPLE_EVENT,
    )


def site_id(description: str, **options: Unpack[Options]) -> fields.String:
    """A site code such as ``SY01``."""
    return matching(
        description,
        options,
        form="site",
        pattern=SITE,
        error="A site code is 2 to 16 capital letters and digits, such as SY01.",
        example="SY01",
    )


def subject_id(description: str, **options: Unpack[Options]) -> fields.String:
    """A subject's pseudonym such as ``SY01-0007``."""
    return matching(
        description,
        options,
        form="subject",
        pattern=f"{SITE}-[0-9]{{4}}",
        error="A subject id is the site code, a hyphen and four digits, such as SY01-0007.",
        example="SY01-0007",
    )


def stratum(description: str, **options: Unpack[Options]) -> fields.String:
    """A stratum of the allocation list: ``all``, or ``factor=level`` joined by commas."""
    return matching(
        description,
        options,
        form="stratum",
        pattern=f"(?!.{{{LONGEST_STRATUM + 1}}})(?:{STRATUM.pattern})",
        error="A stratum is all, or factor=level joined by commas, at most 1024 characters.",
        example="baseline-child-pugh-class=B",
    )


def lot_id(description: str, **options: Unpack[Options]) -> fields.String:
    """A product lot such as ``L-2024-03``."""
    return matching(
        description,
        options,
        form="lot",
        pattern=LOT,
        error="A lot is 1 to 64 letters, digits and . _ - such as L-2024-03.",
        example="L-2024-03",
    )


def person_id(description: str, **options: Unpack[Options]) -> fields.String:
    """A person as source URI: ``/sites/SY01/persons/pi-01`` or ``/sponsor/persons/qa-01``."""
    return _owner(description, options, form="person", kinds="persons")


def holder_id(description: str, **options: Unpack[Options]) -> fields.String:
    """A person or a system as source URI: ``/sites/SY01/systems/edc``."""
    return _owner(description, options, form="person or system", kinds="(?:persons|systems)")


def _owner(description: str, options: Options, *, form: str, kinds: str) -> fields.String:
    return matching(
        description,
        options,
        form=form,
        pattern=f"/(?:sites/{SITE}|[a-z][a-z0-9-]{{1,31}})/{kinds}/{NAME}",
        error="Must be a source URI such as /sites/SY01/persons/pi-01.",
        example="/sites/SY01/persons/pi-01",
    )


def stream(description: str, **options: Unpack[Options]) -> fields.String:
    """The name of a stream of this ledger."""
    return matching(
        description,
        options,
        form="stream",
        pattern=STREAM.pattern,
        error="Must name a stream such as subject/SY01-0007.",
        example="subject/SY01-0007",
    )


def scope(description: str, **options: Unpack[Options]) -> fields.String:
    """Where a role holds: the whole ``trial`` or one site, ``site/SY01``."""
    return matching(
        description,
        options,
        form="scope",
        pattern=f"trial|site/{SITE}",
        error="A scope is trial or one site, such as site/SY01.",
        example="site/SY01",
    )


def pointer(description: str, **options: Unpack[Options]) -> fields.String:
    """A JSON pointer (RFC 6901) into an event."""
    return matching(
        description,
        options,
        form="json-pointer",
        pattern="(?:/(?:[A-Za-z0-9._-]|~[01]){1,64}){1,8}",
        error="A JSON pointer starts with / and names a member, such as /data/value/value.",
        example="/data/value/value",
    )

"""The event: a CloudEvents 1.0 envelope held to the trial's own grammar (design, Bytes)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ledger.errors import RejectedInput
from ledger.signing import strict_json
from ledger.signing.rfc3339 import EARLIEST_YEAR, LATEST_YEAR, is_plausible, parse_rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.signing.strict_json import JsonObject, JsonValue

SPECVERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"

# RFC 9562 section 5.7: version 7 and variant 10, in the lower-case canonical spelling.
UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# Dot segments are refused: a URI library would resolve them into another source.
SOURCE: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)+")
_WORDS: Final = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
TYPE: Final = re.compile(rf"{_WORDS}\.{_WORDS}\.v[1-9][0-9]{{0,2}}")
_SITE: Final = r"[A-Z0-9]{2,16}"
STREAM: Final = re.compile(
    rf"trial|access|site/{_SITE}|(?:subject|treatment)/{_SITE}-[0-9]{{4}}"
    r"|allocation/main|lot/[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
)
TRIAL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_LONGEST_NAME: Final = 256

_GRAMMAR: Final = {
    "id": (UUID7, "a UUID version 7 in lower case"),
    "source": (SOURCE, "a path such as /sites/SY01/persons/pi-01"),
    "type": (TYPE, "domain.past-participle.vN"),
    "subject": (STREAM, "a stream such as subject/SY01-0007"),
    "trialid": (TRIAL_ID, "a trial identifier"),
}
_REQUIRED: Final = frozenset({"specversion", "time", "data", *_GRAMMAR})
_FIXED: Final = {"specversion": SPECVERSION, "datacontenttype": CONTENT_TYPE}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, where, when and by whose account; an instance is always well-formed.

    ``id`` (UUIDv7) is unique per ``source``; ``subject`` is the stream; ``time`` the RFC 3339
    text as sent and ``occurred_at`` the same instant in UTC; ``data`` as the type prescribes.

    Raises:
        RejectedInput: ``envelope.<member>`` for the member whose grammar is broken, and
            ``envelope.time-<reason>`` for a time, as `parse_rfc3339` gives the reason.
    """

    id: str
    source: str
    type: str
    subject: str
    time: str
    trialid: str
    data: JsonObject
    occurred_at: datetime = field(init=False, compare=False)

    def __post_init__(self) -> None:
        _check("id", self.id)
        # The same few sources, types and streams come again and again.
        _check_once("source", self.source)
        _check_once("type", self.type)
        _check_once("subject", self.subject)
        _check_once("trialid", self.trialid)
        object.__setattr__(self, "occurred_at", _occurred_at(self.time))


def _check(name: str, text: str) -> None:
    grammar, meaning = _GRAMMAR[name]
    if len(text) > _LONGEST_NAME or grammar.fullmatch(text) is None:
        raise RejectedInput(
            f"envelope.{name}", f"The member {name} is not {meaning}.", where=f"/{name}"
        )


_check_once = lru_cache(maxsize=4_096)(_check)
"""As `_check`; what was found well-formed a while ago is remembered, a refusal never is."""


def _occurred_at(text: str) -> datetime:
    try:
        instant = parse_rfc3339(text)
    except RejectedInput as error:
        reason = error.code.removeprefix("time.")
        raise RejectedInput(
            f"envelope.time-{reason}", error.message, where="/time", remedy=error.remedy
        ) from None
    if not is_plausible(instant):
        raise RejectedInput(
            "envelope.time-out-of-range",
            f"The time lies outside the years {EARLIEST_YEAR} to {LATEST_YEAR}.",
            where="/time",
        )
    return instant


def _text(members: JsonObject, name: str) -> str:
    value: JsonValue = members[name]
    if not isinstance(value, str):
        raise RejectedInput(
            f"envelope.{name}", f"The member {name} must be a string.", where=f"/{name}"
        )
    return value


def parse_event(payload: bytes) -> Event:
    """The event that a statement's payload spells; the bytes need not be canonical JSON.

    Members are exactly ``specversion`` ``id`` ``source`` ``type`` ``subject`` ``time``
    ``trialid`` ``data`` and, if wished, ``datacontenttype`` (CloudEvents 1.0.2 section 3).

    Raises:
        RejectedInput: ``strict-json.…``; ``envelope.missing-member``;
            ``envelope.unknown-member``; ``envelope.<member>``; ``envelope.time-<reason>``.
    """
    members = strict_json.parse_object(payload)
    if members.keys() != _REQUIRED:
        _check_names(members)
    for name, value in _FIXED.items():
        if name in members and members[name] != value:
            raise RejectedInput(
                f"envelope.{name}", f"The member {name} must be {value!r}.", where=f"/{name}"
            )
    data = members["data"]
    if not isinstance(data, dict):
        raise RejectedInput("envelope.data", "The member data must be an object.", where="/data")
    return Event(
        id=_text(members, "id"),
        source=_text(members, "source"),
        type=_text(members, "type"),
        subject=_text(members, "subject"),
        time=_text(members, "time"),
        trialid=_text(members, "trialid"),
        data=data,
    )


def _check_names(members: JsonObject) -> None:
    for name in sorted(_REQUIRED - members.keys()):
        raise RejectedInput(
            "envelope.missing-member", f"The member {name} is missing.", where=f"/{name}"
        )
    if unknown := members.keys() - _REQUIRED - {"datacontenttype"}:
        raise RejectedInput(
            "envelope.unknown-member",
            "The envelope has a member that the ledger does not know.",
            where=strict_json.pointer(min(unknown)),
            remedy="Put what the event type describes into data.",
        )


def event_bytes(event: Event) -> bytes:
    """The RFC 8785 bytes under which the ledger and its client sign their own events.

    Raises:
        RejectedInput: ``strict-json.…`` when ``data`` holds what a sender could not send.
    """
    return strict_json.canonical(
        {
            "data": event.data,
            "id": event.id,
            "source": event.source,
            "specversion": SPECVERSION,
            "subject": event.subject,
            "time": event.time,
            "trialid": event.trialid,
            "type": event.type,
        }
    )

"""What a line of a bundle's entries says of itself, before anything in it is checked.

Nothing of it is believed later on: it only tells where a line may stand and under which event id
it may be looked for.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple
from uuid import UUID

from ledger.errors import LedgerError
from ledger.signing import base64url

_HEX: Final = rb"[0-9a-f]{64}"
_COUNT: Final = rb"(?:0|[1-9][0-9]{0,14})"
_BASE64URL: Final = rb"[A-Za-z0-9_-]*+"
# An entry as the ledger writes it around a compact statement: any JSON reader reads a match alike.
_PLAIN: Final = re.compile(
    rb'\{"prev":"' + _HEX + rb'","recorded_at":"[0-9T:.Z-]{27}","seq":(' + _COUNT + rb'),'
    rb'"statement":"' + _BASE64URL + rb"\.(" + _BASE64URL + rb")\." + _BASE64URL + rb'",'
    rb'"stream":"[A-Za-z0-9/._-]*+","stream_prev":"' + _HEX + rb'","stream_seq":' + _COUNT + rb"\}"
)  # fmt: skip
# The members behind ``data`` in canonical JSON. Where the whole is JSON, a match can only be the
# end of the outermost object: it holds no bracket, no escape and closes one object.
_TAIL_BEGINS: Final = b',"id":"'
_TAIL: Final = re.compile(
    rb',"id":"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})","source":"[^"\\]*+",'
    rb'"specversion":"[^"\\]*+","subject":"[^"\\]*+","time":"[^"\\]*+","trialid":"[^"\\]*+",'
    rb'"type":"([^"\\]*+)"\}'
)
_TAIL_CHARACTERS: Final = 640  # a multiple of four, so that base64 can be read from there
_PROTOCOLS: Final = ("trial.opened.v1", "protocol.amended.v1")
_IN_BYTES: Final = frozenset(name.encode("ascii") for name in _PROTOCOLS)
_UNFIT: Final = (LedgerError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


class Peeked(NamedTuple):
    """A line with the position and the event id (16 bytes) it states.

    ``protocol`` is the SHA-256 of the protocol version that it puts in force, as it states it.
    """

    line: bytes | None
    seq: int | None = None
    event_id: bytes | None = None
    protocol: str | None = None


def peek(line: bytes | None) -> Peeked:
    """As `peek_whole`, by the places of canonical bytes where the line is of that form.

    The statement is then not read whole: where it is no JSON, an event id may be given all the
    same, so one who finds a line by its id asks `peek_whole`.
    """
    found = None if line is None else _PLAIN.fullmatch(line)
    if line is None or found is None:
        return peek_whole(line)
    payload = found[2]
    behind = payload[max(0, len(payload) - _TAIL_CHARACTERS + 3) // 4 * 4 :]
    try:
        end = base64url.decode(behind.decode("ascii"))
    except LedgerError:
        return peek_whole(line)
    tail = _TAIL.fullmatch(end, max(0, end.rfind(_TAIL_BEGINS)))
    if tail is None or tail[2] in _IN_BYTES:
        return peek_whole(line)
    return Peeked(line, int(found[1]), bytes.fromhex(tail[1].replace(b"-", b"").decode("ascii")))


def peek_whole(line: bytes | None) -> Peeked:
    """What a line states of position, event id and protocol, as far as it can be read at all."""
    seq = event_id = protocol = None
    try:
        entry = json.loads(line or b"")
        seq = entry["seq"] if type(entry["seq"]) is int and 0 <= entry["seq"] < 2**53 else None
        event = json.loads(_payload(entry["statement"]))
        event_id = UUID(event["id"]).bytes
        if event["type"] in _PROTOCOLS:
            protocol = str(event["data"]["protocol_sha256"])[:64]
    except _UNFIT:
        return Peeked(line, seq, event_id)
    return Peeked(line, seq, event_id, protocol)


def _payload(statement: str) -> bytes:
    text = json.loads(statement)["payload"] if statement[0] == "{" else statement.split(".")[1]
    return base64url.decode(text)

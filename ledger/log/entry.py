"""One entry of the log: the canonical bytes that are chained, hashed and kept (docs/formats)."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from ledger.errors import IntegrityFailure, LedgerError
from ledger.signing.strict_json import Limits, parse

MAX_ENTRY_BYTES = 65_535
"""The longest entry an entry bundle can frame (C2SP tlog-tiles, 16-bit length)."""

ZERO_HASH = "0" * 64
"""``prev`` of entry 0 and ``stream_prev`` of the first entry of each stream."""

_MEMBERS = frozenset(
    ("prev", "recorded_at", "seq", "statement", "stream", "stream_prev", "stream_seq")
)
_HEX = re.compile(r"[0-9a-f]{64}")
_RECORDED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_LIMITS = Limits(size=MAX_ENTRY_BYTES)
# An entry of printable ASCII without escapes: any JSON reader reads a match alike, and its bytes
# are canonical. Counts have 15 digits at most, so that they are exact.
_BEFORE = re.compile(
    rf'\{{"prev":"({_HEX.pattern})","recorded_at":"({_RECORDED_AT.pattern})",'
    r'"seq":(0|[1-9][0-9]{0,14}),"statement":"'
)
_BEHIND = re.compile(
    rf'","stream":"([ !#-\[\]-~]*+)","stream_prev":"({_HEX.pattern})",'
    r'"stream_seq":(0|[1-9][0-9]{0,14})\}'
)
_LINK_BEGINS = b'"statement":'
_UNESCAPED = bytes({*range(0x20, 0x7F)} - {ord("\\")})


@dataclass(frozen=True, slots=True)
class Entry:
    """A log entry; ``to_bytes`` is its one byte form (RFC 8785) and the leaf of the tree.

    ``recorded_at`` is ``YYYY-MM-DDThh:mm:ss.ffffffZ``; ``prev`` and ``stream_prev`` are
    hex SHA-256; ``statement`` is the signed statement byte for byte, as a string.
    """

    seq: int
    recorded_at: str
    prev: str
    stream: str
    stream_seq: int
    stream_prev: str
    statement: str

    def to_bytes(self) -> bytes:
        """The entry's canonical bytes."""
        return (
            f'{{"prev":{_text(self.prev)},"recorded_at":{_text(self.recorded_at)},"seq":{self.seq},'
            f"{self._link()}"
        ).encode()

    def link_bytes(self) -> bytes:
        """The stream's link: what a stream's own chain covers, without any log position."""
        return f"{{{self._link()}".encode()

    def _link(self) -> str:
        return (
            f'"statement":{_text(self.statement)},"stream":{_text(self.stream)},'
            f'"stream_prev":{_text(self.stream_prev)},"stream_seq":{self.stream_seq}}}'
        )

    def link_hash(self) -> str:
        """Hex SHA-256 of the link, the next entry's ``stream_prev``."""
        return hashlib.sha256(self.link_bytes()).hexdigest()


def entry_hash(data: bytes) -> str:
    """Hex SHA-256 of an entry's bytes, the next entry's ``prev``."""
    return hashlib.sha256(data).hexdigest()


def link_hash_in(data: bytes) -> str:
    """Hex SHA-256 of the link of an entry that was read from ``data``; see `Entry.link_hash`."""
    # No member before the link holds a text in which these bytes could stand.
    return hashlib.sha256(b"{" + data[data.index(_LINK_BEGINS) :]).hexdigest()


def parse_entry(data: bytes) -> Entry:
    """Read an entry's bytes; they must be exactly the canonical form of what they say.

    Raises IntegrityFailure with code ``entry.*``.
    """
    if len(data) > MAX_ENTRY_BYTES:
        raise IntegrityFailure("entry.too-long", f"An entry may not exceed {MAX_ENTRY_BYTES} B.")
    return _plain(data) or _parsed(data)


def _plain(data: bytes) -> Entry | None:
    """Read an entry that needs no escapes; None for any other, which the general reader judges."""
    if data.translate(None, _UNESCAPED):
        return None
    text = data.decode("ascii")
    before = _BEFORE.match(text)
    if before is None:
        return None
    start = before.end()
    end = text.find('"', start)
    behind = _BEHIND.fullmatch(text, end) if end >= 0 else None
    if behind is None:
        return None
    prev, recorded_at, seq = before.groups()
    stream, stream_prev, stream_seq = behind.groups()
    statement = text[start:end]
    return Entry(int(seq), recorded_at, prev, stream, int(stream_seq), stream_prev, statement)


def _parsed(data: bytes) -> Entry:
    """Read an entry by the general reader, which says what is wrong with it."""
    try:
        value = parse(data, limits=_LIMITS)
    except LedgerError as error:
        raise IntegrityFailure("entry.not-json", f"The entry is not JSON: {error}") from error
    if not isinstance(value, dict) or set(value) != _MEMBERS:
        raise IntegrityFailure(
            "entry.members", "The entry does not hold exactly its seven members."
        )
    entry = Entry(
        seq=_count(value["seq"], "seq"),
        recorded_at=_matching(value["recorded_at"], "recorded_at", _RECORDED_AT),
        prev=_matching(value["prev"], "prev", _HEX),
        stream=_string(value["stream"], "stream"),
        stream_seq=_count(value["stream_seq"], "stream_seq"),
        stream_prev=_matching(value["stream_prev"], "stream_prev", _HEX),
        statement=_string(value["statement"], "statement"),
    )
    if entry.to_bytes() != data:
        raise IntegrityFailure("entry.not-canonical", "The entry's bytes are not canonical JSON.")
    return entry


# Names in their sorted order, strings and integers only: this is RFC 8785's form. The library's
# writer of a string escapes exactly what RFC 8785 section 3.2.2.2 escapes.
_text = json.JSONEncoder(ensure_ascii=False).encode


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise IntegrityFailure("entry.member-type", f"The entry's {name} is not a string.")
    return value


def _count(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise IntegrityFailure("entry.member-type", f"The entry's {name} is not a count.")
    return value


def _matching(value: object, name: str, pattern: re.Pattern[str]) -> str:
    text = _string(value, name)
    if pattern.fullmatch(text) is None:
        raise IntegrityFailure("entry.member-form", f"The entry's {name} is malformed: {text[:80]}")
    return text

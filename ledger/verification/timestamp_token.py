"""What an RFC 3161 response states, read by a strict DER reader of just this shape.

Read are the status and, in the token, the message imprint, the time and the names in the
certificates sent along (RFC 3161 §2.4.2; CMS, RFC 5652 §5.1 and §5.2; DER, X.690 §10 and §11). The
authority's signature is not looked at: that takes certificates to trust, which the kernel lacks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from ledger.errors import IntegrityFailure

MAX_RESPONSE_BYTES: Final = 131_072
"""Longest response that is read."""

_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_OID: Final = 0x06
_TIME: Final = 0x18
_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_INNER: Final = 0xA0

_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_TST_INFO: Final = bytes.fromhex("2a864886f70d0109100104")
_SHA256: Final = bytes.fromhex("608648016503040201")
_GENERALIZED: Final = re.compile(rb"(\d{14})(?:\.(\d{0,5}[1-9]|\d{6,}))?Z")
# What the library raises on foreign bytes: `ValueError` for nearly all of them, `KeyError` for a
# kind of string that no name has.
_UNREADABLE: Final = (ValueError, TypeError, LookupError, x509.InvalidVersion)
_LONG: Final = 0x80
_MOST_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class StampedImprint:
    """What a token states: SHA-256 of what was stamped, the time (UTC).

    ``subjects`` are the names (RFC 4514) in the certificates it carries; it need not carry any.
    """

    digest: bytes
    time: datetime
    subjects: tuple[str, ...] = ()


class _Reader:
    """DER values one after another; only definite, shortest lengths are taken."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def take(self, tag: int) -> bytes:
        """The content of the next value, which must have this tag."""
        return self._next(tag)[0]

    def whole(self, tag: int) -> bytes:
        """The next value with tag and length."""
        return self._next(tag)[1]

    def inside(self, tag: int) -> _Reader:
        """A reader of the content of the next value."""
        return _Reader(self.take(tag))

    def peek(self) -> int | None:
        """The tag of the next value, None at the end."""
        return self._data[self._place] if self._place < len(self._data) else None

    def end(self) -> None:
        """Nothing may follow."""
        if self._place != len(self._data):
            raise _malformed("something follows")

    def _next(self, tag: int) -> tuple[bytes, bytes]:
        if self.peek() != tag:
            raise _malformed(f"tag {tag:#04x} expected")
        first = self._place
        length, start = self._length(first + 1)
        end = start + length
        if end > len(self._data):
            raise _malformed("it ends too early")
        self._place = end
        return self._data[start:end], self._data[first:end]

    def _length(self, place: int) -> tuple[int, int]:
        if place >= len(self._data):
            raise _malformed("it ends too early")
        first = self._data[place]
        if first < _LONG:
            return first, place + 1
        count = first - _LONG
        octets = self._data[place + 1 : place + 1 + count]
        length = int.from_bytes(octets, "big")
        shortest = length >= _LONG and octets[:1] != b"\x00"
        if not 1 <= count <= _MOST_LENGTH_BYTES or len(octets) != count or not shortest:
            raise _malformed("a length is not in DER")
        return length, place + 1 + count


def read_imprint(response: bytes) -> StampedImprint:
    """Read what a granted TimeStampResp states.

    Raises:
        IntegrityFailure: ``timestamp.malformed``, also for a refusal and for another hash.
    """
    if len(response) > MAX_RESPONSE_BYTES:
        raise _malformed("it is too long")
    outer = _Reader(response)
    body = outer.inside(_SEQUENCE)
    outer.end()
    if body.inside(_SEQUENCE).take(_INTEGER) != b"\x00":
        raise _malformed("it was not granted")
    token = body.inside(_SEQUENCE)
    body.end()
    if token.take(_OID) != _SIGNED_DATA:
        raise _malformed("it holds no signed data")
    wrapped = token.inside(_INNER)
    token.end()
    signed = wrapped.inside(_SEQUENCE)
    wrapped.end()
    signed.take(_INTEGER)
    signed.take(_SET)
    content = signed.inside(_SEQUENCE)
    if content.take(_OID) != _TST_INFO:
        raise _malformed("what is signed is no time stamp")
    info = content.inside(_INNER).take(_OCTETS)
    subjects = _subjects(signed.inside(_INNER)) if signed.peek() == _INNER else ()
    return _read_info(info, subjects)


def _subjects(certificates: _Reader) -> tuple[str, ...]:
    found: list[str] = []
    while certificates.peek() is not None:
        try:
            one = x509.load_der_x509_certificate(certificates.whole(_SEQUENCE))
            found.append(one.subject.rfc4514_string())
        except _UNREADABLE as error:
            raise _malformed("a certificate in it cannot be read") from error
    return tuple(found)


def _read_info(data: bytes, subjects: tuple[str, ...]) -> StampedImprint:
    whole = _Reader(data)
    info = whole.inside(_SEQUENCE)
    whole.end()
    if info.take(_INTEGER) != b"\x01":
        raise _malformed("its version is not 1")
    info.take(_OID)
    imprint = info.inside(_SEQUENCE)
    if imprint.inside(_SEQUENCE).take(_OID) != _SHA256:
        raise _malformed("its hash is not SHA-256")
    digest = imprint.take(_OCTETS)
    imprint.end()
    info.take(_INTEGER)
    return StampedImprint(digest, _time(info.take(_TIME)), subjects)


def _time(text: bytes) -> datetime:
    match = _GENERALIZED.fullmatch(text)
    if match is None:
        raise _malformed("its time is not in DER")
    try:
        whole = datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise _malformed("its time is none") from error
    fraction = (match[2] or b"").decode().ljust(6, "0")[:6]
    return whole.replace(microsecond=int(fraction))


def _malformed(why: str) -> IntegrityFailure:
    return IntegrityFailure("timestamp.malformed", f"No time stamp of RFC 3161: {why}.")

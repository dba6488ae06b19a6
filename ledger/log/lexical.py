"""The two lexical forms every text of the log shares: strict base64 and plain decimals."""

from __future__ import annotations

import base64
import binascii
import re

from ledger.errors import IntegrityFailure

HASH_SIZE = 32
"""Length of a SHA-256 value in bytes."""

MAX_SIZE = 2**63 - 1
"""Largest tree size or entry index handled, as in signed 64-bit implementations."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


def encode_base64(data: bytes) -> str:
    """Write bytes as padded standard base64 on one line (RFC 4648 §4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, *, where: str) -> bytes:
    """Read padded standard base64 that is exactly what ``encode_base64`` would have written.

    Foreign characters, missing padding, line breaks and non-zero padding bits are refused, so
    that one value has one text (RFC 4648 §3.5). ``where`` names the place for the error.

    Raises:
        IntegrityFailure: ``base64.not-canonical``.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise _not_canonical(where) from error
    if encode_base64(data) != text:
        raise _not_canonical(where)
    return data


def decode_hash(text: str, *, where: str) -> bytes:
    """Read one SHA-256 value (32 bytes) from strict base64.

    Raises:
        IntegrityFailure: ``base64.not-canonical`` or ``base64.hash-length``.
    """
    data = decode_base64(text, where=where)
    if len(data) != HASH_SIZE:
        raise IntegrityFailure(
            "base64.hash-length", f"A hash is 32 bytes long, not {len(data)}.", where=where
        )
    return data


def parse_decimal(text: str, *, where: str) -> int:
    """Read an ASCII decimal from 0 to 2⁶³-1 without sign, space or leading zero.

    Raises:
        IntegrityFailure: ``decimal.malformed``.
    """
    if _DECIMAL.fullmatch(text) is None or int(text) > MAX_SIZE:
        raise IntegrityFailure(
            "decimal.malformed",
            "A size or index is a decimal number without leading zeros, at most 2^63-1.",
            where=where,
        )
    return int(text)


def _not_canonical(where: str) -> IntegrityFailure:
    return IntegrityFailure(
        "base64.not-canonical", "The value is not canonical padded base64.", where=where
    )

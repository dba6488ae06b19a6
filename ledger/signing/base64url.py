"""Base64url without padding, in its one canonical spelling (RFC 7515 section 2)."""

from __future__ import annotations

import binascii
from typing import Final

from ledger.errors import RejectedInput

_TO_STANDARD: Final = bytes.maketrans(b"-_+/=", b"+/***")
_PADDING: Final = (b"", b"", b"==", b"=")
_LAST: Final = ("", "", "AQgw", "AEIMQUYcgkosw048")
"""The last characters whose trailing bits are zero, by how many stand beyond groups of four."""
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")


def encode(data: bytes) -> str:
    """The unpadded base64url text of ``data``."""
    return encode_bytes(data).decode("ascii")


def encode_bytes(data: bytes) -> bytes:
    """The unpadded base64url text of ``data`` as ASCII bytes, for signing inputs."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=")


def encoded_length(size: int) -> int:
    """The number of characters that ``size`` bytes take."""
    return (size * 4 + 2) // 3


def decode(text: str, *, where: str | None = None) -> bytes:
    """The bytes that ``text`` spells; exactly one text is accepted for any bytes.

    Padding, foreign characters, white space and non-zero trailing bits are refused, so that
    no second spelling of a signed thing exists (RFC 4648 sections 3.2, 3.3 and 3.5).

    Raises:
        RejectedInput: ``base64url.malformed``.
    """
    over = len(text) % 4
    try:
        standard = text.encode("ascii").translate(_TO_STANDARD)
        # Strict: foreign characters and padding inside are refused; trailing bits are not.
        data = binascii.a2b_base64(standard + _PADDING[over], strict_mode=True)
        if over == 0 or text[-1] in _LAST[over]:
            return data
    except (UnicodeEncodeError, binascii.Error):
        pass
    raise RejectedInput(
        "base64url.malformed",
        "The text is not canonical base64url without padding.",
        where=where,
        remedy="Encode with the URL-safe alphabet, without '=' and without line breaks.",
    )

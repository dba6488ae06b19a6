"""The bytes of a concealed opening, and of any secret under AES-256-GCM.

A concealed opening is one version byte (1), the 16-byte id of its data key, the SHA-256 of the
disclosure, a 12-byte nonce and the ciphertext with its tag. Key id and digest stand in clear: the
digest is in the signed event already, and with both an auditor without keys finds an opening that
was exchanged, moved or left out. The plaintext is padded to whole blocks: the length of an arm's
name would tell the arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.concealment.binding import KEY_BYTES, NONCE_BYTES, TAG_BYTES
from ledger.errors import IntegrityFailure, RejectedInput
from ledger.signing import base64url

KEY_ID_BYTES: Final = 16
BLOCK: Final = 256
"""Plaintexts of openings are padded to multiples of so many bytes."""

_VERSION: Final = b"\x01"
_MARK: Final = "c1."
_DIGEST_BYTES: Final = 32
_HEADER: Final = 1 + KEY_ID_BYTES + _DIGEST_BYTES
_LEAST: Final = _HEADER + NONCE_BYTES + BLOCK + TAG_BYTES


@dataclass(frozen=True, slots=True)
class ConcealedOpening:
    """A concealed opening taken apart; ``body`` is nonce, ciphertext and tag."""

    key_id: bytes
    digest: bytes
    body: bytes

    def to_bytes(self) -> bytes:
        """The bytes as they are stored."""
        return _VERSION + self.key_id + self.digest + self.body


def stored_text(data: bytes) -> str:
    """A concealed opening as the openings table keeps it: ``c1.`` and base64url.

    A disclosure in clear has no full stop, so rows of earlier versions are told apart.
    """
    return _MARK + base64url.encode(data)


def stored_bytes(text: str) -> bytes | None:
    """The concealed opening in a row, None for a disclosure in clear.

    Raises IntegrityFailure ``concealment.malformed``.
    """
    if not text.startswith(_MARK):
        return None
    try:
        return base64url.decode(text.removeprefix(_MARK))
    except RejectedInput as error:
        raise _malformed() from error


def parse_concealed(data: bytes) -> ConcealedOpening:
    """Take a stored opening apart; raises IntegrityFailure ``concealment.malformed``."""
    if len(data) < _LEAST or data[:1] != _VERSION or (len(data) - _LEAST) % BLOCK:
        raise _malformed()
    return ConcealedOpening(data[1 : 1 + KEY_ID_BYTES], data[1 + KEY_ID_BYTES : _HEADER],
                            data[_HEADER:])  # fmt: skip


def pad(text: str, block: int = BLOCK) -> bytes:
    """ASCII text, filled up with NUL to the next whole block."""
    data = text.encode("ascii")
    return data.ljust(-(-max(len(data), 1) // block) * block, b"\0")


def unpad(data: bytes) -> str:
    """The text that was padded; it never holds a NUL itself."""
    return data.rstrip(b"\0").decode("ascii")


def encrypt(key: bytes, plaintext: bytes, *, context: bytes, nonce: bytes) -> bytes:
    """Nonce, ciphertext and tag under AES-256-GCM; the nonce must be fresh random bytes."""
    require_sizes(key, nonce)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context)


def decrypt(key: bytes, body: bytes, *, context: bytes) -> bytes:
    """What `encrypt` took; raises IntegrityFailure ``concealment.altered``."""
    nonce, ciphertext = body[:NONCE_BYTES], body[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, context)
    except (InvalidTag, ValueError) as error:
        raise altered() from error


def _malformed() -> IntegrityFailure:
    return IntegrityFailure(
        "concealment.malformed", "A stored opening is not in the form this ledger writes."
    )


def altered() -> IntegrityFailure:
    """The one finding for bytes that do not authenticate: changed, moved, or of another key."""
    return IntegrityFailure(
        "concealment.altered",
        "Concealed content was changed, or stands in another place than it was written for.",
        remedy="Restore the row from a backup; the signed event and the chain are not concerned.",
    )


def require_sizes(key: bytes, nonce: bytes) -> None:
    """Refuse what would be another algorithm; raises ValueError."""
    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise ValueError("AES-256-GCM takes a key of 32 bytes and a nonce of 12.")

"""Openings that are kept encrypted: what can be said of them without their keys."""

from __future__ import annotations

from typing import Final

from ledger.errors import LedgerError
from ledger.signing import base64url

CONCEALED: Final = "c1."
"""How the text of an encrypted opening begins (docs/formats/concealment.md)."""

# Version, key id, digest, and a ciphertext of whole blocks between nonce and tag.
_DIGEST: Final = slice(17, 49)
_BLOCK: Final = 256
_LEAST: Final = 49 + 12 + _BLOCK + 16


def concealed_digest(text: str) -> str | None:
    """The digest that a text beginning with `CONCEALED` claims to open; None when it has none."""
    try:
        data = base64url.decode(text.removeprefix(CONCEALED))
    except LedgerError:
        return None
    whole = data[:1] == b"\x01" and len(data) >= _LEAST and (len(data) - _LEAST) % _BLOCK == 0
    return base64url.encode(data[_DIGEST]) if whole else None

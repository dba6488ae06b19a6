"""A small secret document encrypted in a file of its own, such as the allocation list.

The file is canonical JSON: ``ciphertext`` (nonce, AES-256-GCM ciphertext and tag of the padded
document under a data key of its own), ``format``, ``kek`` (the id of the key-encryption key),
``kind`` and ``wrapped`` (the data key under it), binary members in base64url. Format and kind are
bound in, so that no file passes for another. The document is padded to whole blocks of 4 KiB: its
length tells nothing of what it holds.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from ledger.concealment.binding import KEY_BYTES, NONCE_BYTES
from ledger.concealment.envelope import altered, decrypt, encrypt, pad, unpad
from ledger.concealment.key_file import read_private, replace_private, write_new
from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, Unavailable
from ledger.signing import base64url
from ledger.signing.strict_json import Limits, canonical, parse_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger.concealment.key_ring import KeyEncryptionKey, KeyRing
    from ledger.signing.strict_json import JsonObject

FORMAT: Final = "trial-ledger-sealed-file.v1"
BLOCK: Final = 4096

_MEMBERS: Final = frozenset(("ciphertext", "format", "kek", "kind", "wrapped"))
_LIMITS: Final = Limits(size=2**24)
_LARGEST_DOCUMENT: Final = 2**23


def write_sealed(
    path: Path,
    document: str,
    *,
    kind: str,
    ring: KeyRing,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> None:
    """Encrypt an ASCII document into a new private file, durably.

    Raises FileExistsError when something is there, Unavailable without a key-encryption key.
    """
    write_new(path, sealed_bytes(document, kind=kind, kek=ring.current, entropy=entropy))


def sealed_bytes(
    document: str,
    *,
    kind: str,
    kek: KeyEncryptionKey,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """The content of a sealed file; raises ValueError for a document that is too large."""
    if len(document) > _LARGEST_DOCUMENT:
        raise ValueError("A sealed file holds a document of at most 8 MiB.")
    key = entropy(KEY_BYTES)
    nonce = entropy(NONCE_BYTES)
    ciphertext = encrypt(key, pad(document, BLOCK), context=_context(kind, ""), nonce=nonce)
    wrapped = kek.wrap(key, context=_context(kind, kek.id), nonce=entropy(NONCE_BYTES))
    return _content(kind, kek.id, wrapped=wrapped, ciphertext=ciphertext)


def require_sealed(path: Path, *, kind: str) -> None:
    """Check that a file has the form of a sealed one, without any key; raises as `read_sealed`."""
    _parsed(path, kind)


def read_sealed(path: Path, *, kind: str, ring: KeyRing) -> str:
    """The document of a sealed file.

    Raises IntegrityFailure ``concealment.altered`` or ``concealment.not-sealed`` for a file of
    another form, Unavailable ``concealment.key-missing``, PermissionError for a file open to
    others, OSError.
    """
    value = _parsed(path, kind)
    kek, wrapped, ciphertext = _parts(value)
    key = _unwrapped(kek, wrapped, kind=kind, ring=ring)
    return unpad(decrypt(key, ciphertext, context=_context(kind, "")))


def rewrap_sealed(
    path: Path,
    *,
    kind: str,
    ring: KeyRing,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> bool:
    """Wrap a sealed file's key under the ring's current key; whether anything had to be done.

    The ciphertext stays as it is. Raises as `read_sealed`.
    """
    value = _parsed(path, kind)
    kek, wrapped, ciphertext = _parts(value)
    current = ring.current
    if kek == current.id:
        return False
    key = _unwrapped(kek, wrapped, kind=kind, ring=ring)
    fresh = current.wrap(key, context=_context(kind, current.id), nonce=entropy(NONCE_BYTES))
    replace_private(path, _content(kind, current.id, wrapped=fresh, ciphertext=ciphertext))
    return True


def _unwrapped(kek: str, wrapped: bytes, *, kind: str, ring: KeyRing) -> bytes:
    if kek not in ring.ids:
        ring.reload()
    if kek not in ring.ids:
        raise Unavailable(
            "concealment.key-missing",
            f"The key-encryption key {kek} that this file was sealed under is not at hand.",
            remedy="Give the service the key that came with the file.",
        )
    key = ring.get(kek).unwrap(wrapped, context=_context(kind, kek))
    if len(key) != KEY_BYTES:
        raise altered()
    return key


def _context(kind: str, kek: str) -> bytes:
    return canonical([FORMAT, kind, kek])


def _content(kind: str, kek: str, *, wrapped: bytes, ciphertext: bytes) -> bytes:
    value: JsonObject = {
        "ciphertext": base64url.encode(ciphertext),
        "format": FORMAT,
        "kek": kek,
        "kind": kind,
        "wrapped": base64url.encode(wrapped),
    }
    return canonical(value)


def _parsed(path: Path, kind: str) -> JsonObject:
    content = read_private(path, largest=_LIMITS.size)
    try:
        value = parse_object(content, limits=_LIMITS)
    except RejectedInput as error:
        raise _not_sealed(path) from error
    if value.keys() != _MEMBERS or (value["format"], value["kind"]) != (FORMAT, kind):
        raise _not_sealed(path)
    if content != canonical(value):
        raise altered()
    return value


def _parts(value: JsonObject) -> tuple[str, bytes, bytes]:
    kek, wrapped, ciphertext = value["kek"], value["wrapped"], value["ciphertext"]
    if not isinstance(kek, str) or not isinstance(wrapped, str) or not isinstance(ciphertext, str):
        raise altered()
    try:
        return kek, base64url.decode(wrapped), base64url.decode(ciphertext)
    except LedgerError as error:
        raise altered() from error


def _not_sealed(path: Path) -> IntegrityFailure:
    return IntegrityFailure(
        "concealment.not-sealed", f"{path.name} is no sealed file of the kind that is expected."
    )

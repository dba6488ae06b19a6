"""Ed25519 signatures checked by OpenSSL's rules (RFC 8032 section 5.1.7), at libsodium's speed.

Where PyNaCl is installed, libsodium looks first, in about half the time. What it accepts holds:
it asks for all that OpenSSL asks for (a scalar below the group order, the commitment byte for
byte) and refuses weak points besides. Whatever it does not accept, OpenSSL decides. So the verdict
is OpenSSL's with and without it; a libsodium that is not that strict is left aside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Opinion: TypeAlias = Callable[[bytes, bytes, bytes], bool]
"""Whether a signature over a message holds: public key, message, signature."""

_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_PROBES: Final = tuple(
    (bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))
    for public, message, signature in (
        # Cases 4, 5 and 6 of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020). The
        # first two hold only for who multiplies by the cofactor, the third for who takes S over L.
        (
            "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
            (
                "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512"
                "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09"
            ),
        ),
        (
            "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
            "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
            (
                "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7"
                "e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405"
            ),
        ),
        (
            "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
            "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
            (
                "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e"
                "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514"
            ),
        ),
    )
)


def holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` over ``message`` is that of the key ``public`` (32 bytes).

    The verdict is OpenSSL's. The interpreter is given up meanwhile, so threads use all cores.
    """
    if _quick is not None and _quick(public, message, signature):
        return True
    return openssl_holds(public, message, signature)


def openssl_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """As `holds`, asking OpenSSL alone."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def is_strict(opinion: Opinion) -> bool:
    """Whether a verifier refuses what OpenSSL refuses and laxer readings of RFC 8032 accept."""
    return not any(opinion(*probe) for probe in _PROBES)


def libsodium() -> Opinion | None:
    """Libsodium's opinion; None where PyNaCl is not installed."""
    try:
        from nacl.bindings import crypto_sign_open  # noqa: PLC0415 - it may not be there
        from nacl.exceptions import BadSignatureError  # noqa: PLC0415
    except ImportError:
        return None

    def accepts(public: bytes, message: bytes, signature: bytes) -> bool:
        # The binding hands over addresses alone: it reads as many bytes as these must have.
        if len(public) != _KEY_BYTES or len(signature) != _SIGNATURE_BYTES:
            return False
        try:
            crypto_sign_open(signature + message, public)
        except BadSignatureError:
            return False
        return True

    return accepts


def _first_asked() -> Opinion | None:
    opinion = libsodium()
    return opinion if opinion is not None and is_strict(opinion) else None


_quick: Final = _first_asked()

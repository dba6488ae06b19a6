"""Refusal of Ed25519 public keys under which signatures prove nothing or are ambiguous.

A key of small order verifies signatures that nobody made; a non-canonical encoding gives one key
two names. The signature library accepts both, so they are refused here, before any use.
"""

from __future__ import annotations

from ledger.errors import TrustFailure

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_SIGN_BIT = 1 << 255
_KEY_BYTES = 32

_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})
"""The y-coordinates of the eight points of order 1, 2, 4 and 8 (±x share one y)."""


def reject_weak_ed25519(public: bytes) -> None:
    """Refuse an Ed25519 public key (32 bytes, RFC 8032 §5.1.2) that must not be trusted.

    Refused are a wrong length, y ≥ 2²⁵⁵-19 and "minus zero" (the encodings RFC 8032 §5.1.3 does
    not allow), encodings of no point on the curve, and the eight points of small order.

    Raises:
        TrustFailure: ``ed25519.length``, ``ed25519.non-canonical``, ``ed25519.small-order`` or
            ``ed25519.not-on-curve``.
    """
    if len(public) != _KEY_BYTES:
        raise _refusal("length", f"An Ed25519 public key is 32 bytes long, not {len(public)}.")
    encoded = int.from_bytes(public, "little")
    y, x_is_negative = encoded & (_SIGN_BIT - 1), bool(encoded & _SIGN_BIT)
    if y >= _P:
        raise _refusal("non-canonical", "The key's y-coordinate is not reduced modulo 2^255-19.")
    if y in (1, _P - 1) and x_is_negative:
        raise _refusal("non-canonical", "The key encodes a negative zero.")
    if y in _SMALL_ORDER_Y:
        raise _refusal("small-order", "The key is a point of small order; anybody can sign for it.")
    if not _is_square((y * y - 1) * (_D * y * y + 1)):
        raise _refusal("not-on-curve", "The key does not encode a point of the curve.")


def _is_square(value: int) -> bool:
    # u/v and u·v are squares together, which saves the inversion of RFC 8032 §5.1.3.
    return pow(value, (_P - 1) // 2, _P) in (0, 1)


def _refusal(reason: str, message: str) -> TrustFailure:
    return TrustFailure(
        f"ed25519.{reason}", message, remedy="Make a new key pair with a well-kept library."
    )

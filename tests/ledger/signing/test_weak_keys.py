"""Weak Ed25519 keys, judged independently by arithmetic on the curve."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import TrustFailure
from ledger.signing.weak_keys import reject_weak_ed25519

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P

SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
NON_CANONICAL_SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


def code_for(public: bytes) -> str:
    """Give the code a key is refused with."""
    with pytest.raises(TrustFailure) as caught:
        reject_weak_ed25519(public)
    return caught.value.code


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Add two points of the curve -x² + y² = 1 + dx²y²."""
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + k, P - 2, P) % P
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, P - 2, P) % P
    return x, y


def decode(public: bytes) -> tuple[int, int] | None:
    """Decode a point as RFC 8032 §5.1.3 does, by a square root."""
    number = int.from_bytes(public, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if x * x % P != xx:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != xx or (x == 0 and sign):
        return None
    return (P - x if x & 1 != sign else x), y


@pytest.mark.parametrize("encoding", SMALL_ORDER)
def test_the_eight_points_of_small_order_are_refused(encoding: str) -> None:
    """Each decodes to a point that eight times itself is the neutral element."""
    point = decode(bytes.fromhex(encoding))
    assert point is not None
    for _ in range(3):
        point = add(point, point)
    assert point == (0, 1)
    assert code_for(bytes.fromhex(encoding)) == "ed25519.small-order"


@pytest.mark.parametrize("encoding", NON_CANONICAL_SMALL_ORDER)
def test_other_encodings_of_points_of_small_order_are_refused(encoding: str) -> None:
    """The published non-canonical spellings do not slip through."""
    assert code_for(bytes.fromhex(encoding)) == "ed25519.non-canonical"


@given(st.integers(0, 18), st.booleans())
def test_every_unreduced_coordinate_is_refused(excess: int, negative: bool) -> None:  # noqa: FBT001
    """All of y = p … 2²⁵⁵-1 are second names of other keys."""
    encoding = P + excess | (1 << 255 if negative else 0)
    assert code_for(encoding.to_bytes(32, "little")) == "ed25519.non-canonical"


@given(st.binary(min_size=32, max_size=32))
def test_exactly_the_encodings_of_points_pass(public: bytes) -> None:
    """The verdict on arbitrary bytes is that of decoding by a square root."""
    if decode(public) is None:
        assert code_for(public) in ("ed25519.not-on-curve", "ed25519.non-canonical")
    elif public.hex() not in SMALL_ORDER:
        reject_weak_ed25519(public)


@given(st.binary(min_size=32, max_size=32))
def test_honestly_made_keys_pass(seed: bytes) -> None:
    """Keys from any seed are accepted."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    reject_weak_ed25519(key.public_bytes_raw())


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_of_another_length_are_refused(length: int) -> None:
    """An Ed25519 key is 32 bytes."""
    assert code_for(b"\x02" * length) == "ed25519.length"

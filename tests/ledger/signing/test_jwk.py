"""Keys are read in one spelling, named by their thumbprint, and verify only what they signed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LedgerError, RejectedInput, TrustFailure
from ledger.signing import base64url
from ledger.signing.jwk import Curve, PublicJwk, SigningKey, parse_jwk

# RFC 8037 appendix A: the key pair of RFC 8032 section 7.1, test 1.
RFC8037: dict[str, Any] = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
RFC8037_D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
# RFC 7515 appendix A.3: an ES256 key.
RFC7515: dict[str, Any] = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
RFC7515_D = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
SEEDS = st.binary(min_size=32, max_size=32)
CURVES = st.sampled_from(list(Curve))


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """RFC 8037 appendix A.3."""
    assert parse_jwk(RFC8037).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            (
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
            ),
        ),
    ],
)
def test_ed25519_follows_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    """RFC 8032 section 7.1, tests 1 to 3."""
    key = SigningKey.from_seed(bytes.fromhex(seed))
    assert key.public.x == base64url.encode(bytes.fromhex(public))
    assert key.sign(bytes.fromhex(message)).hex() == signature
    key.public.verify(bytes.fromhex(message), bytes.fromhex(signature))


def test_the_es256_example_of_rfc_7515_verifies() -> None:
    """RFC 7515 appendix A.3.1."""
    signing_input = (
        b"eyJhbGciOiJFUzI1NiJ9."
        b"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        b"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    signature = base64url.decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    parse_jwk(RFC7515).verify(signing_input, signature)


@given(SEEDS, CURVES, st.binary(max_size=60))
def test_a_private_key_survives_its_jwk_and_repeats_its_signature(
    seed: bytes, curve: Curve, message: bytes
) -> None:
    """Keys round trip, and the same key signs the same bytes the same way."""
    key = SigningKey.from_seed(seed, curve=curve)
    again = SigningKey.from_private_jwk(key.to_private_jwk())
    assert again.public == key.public == parse_jwk(key.public.as_object())
    assert again.sign(message) == key.sign(message)
    key.public.verify(message, again.sign(message))


@pytest.mark.parametrize(("public", "d"), [(RFC8037, RFC8037_D), (RFC7515, RFC7515_D)])
def test_published_private_keys_are_read(public: dict[str, str], d: str) -> None:
    """The private keys of RFC 8037 and RFC 7515 belong to their public keys."""
    assert SigningKey.from_private_jwk({**public, "d": d}).public == parse_jwk(dict(public))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        [],
        {},
        {"kty": "oct", "k": "AAAA"},
        {**RFC8037, "d": RFC8037_D},
        {**RFC7515, "d": RFC7515_D},
        {**RFC8037, "kid": "x"},
        {**RFC8037, "alg": "Ed25519"},
        {**RFC8037, "use": "sig"},
        {**RFC8037, "y": RFC7515["y"]},
        {**RFC8037, "crv": "X25519"},
        {**RFC8037, "crv": "Ed448"},
        {**RFC8037, "kty": "EC"},
        {**RFC8037, "x": 5},
        {**RFC8037, "x": RFC8037["x"] + "="},
        {**RFC8037, "x": RFC8037["x"][:-1] + "p"},
        {**RFC8037, "x": RFC8037["x"][:-2]},
        {**RFC8037, "x": " " + RFC8037["x"]},
        {**RFC8037, "x": RFC8037["x"] * 1000},
        {**RFC7515, "crv": "P-384"},
        {**RFC7515, "crv": "secp256k1"},
        {**RFC7515, "y": RFC7515["x"]},
        {**RFC7515, "x": "A" * 43, "y": "A" * 43},
        {**RFC7515, "x": "_" * 42 + "8"},
        {"kty": "EC", "crv": "P-256", "x": RFC7515["x"]},
    ],
)
def test_anything_but_one_public_spelling_is_refused(value: object) -> None:
    """Private members, other kinds, other spellings and points off the curve are no keys."""
    with pytest.raises(RejectedInput):
        parse_jwk(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "encoding",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ],
)
def test_a_weak_key_never_becomes_a_verifier(encoding: str) -> None:
    """Small-order and non-canonical points, under which one signature fits any message."""
    with pytest.raises(LedgerError):
        PublicJwk("OKP", "Ed25519", base64url.encode(bytes.fromhex(encoding)))


def test_a_scalar_beyond_the_group_order_is_refused() -> None:
    """S + L would be a second signature for the same bytes (RFC 8032 section 5.1.7)."""
    key = SigningKey.from_seed(b"\x01" * 32)
    good = key.sign(b"event")
    s = int.from_bytes(good[32:], "little") + ED25519_ORDER
    with pytest.raises(TrustFailure):
        key.public.verify(b"event", good[:32] + s.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "r",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        b"\xff" * 32,
    ],
)
def test_a_small_order_commitment_with_zero_scalar_is_refused(r: bytes) -> None:
    """The forgery that fits weak keys does not fit a sound one."""
    with pytest.raises(TrustFailure):
        SigningKey.from_seed(b"\x02" * 32).public.verify(b"event", r + bytes(32))


P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.mark.parametrize(
    ("r", "s"), [(0, 0), (0, 1), (1, 0), (P256_ORDER, 1), (1, P256_ORDER), (2**256 - 1, 2**256 - 1)]
)
def test_an_ecdsa_signature_out_of_range_is_refused(r: int, s: int) -> None:
    """Wycheproof's edge values of r and s, in the raw JOSE form."""
    key = SigningKey.from_seed(b"\x03" * 32, curve=Curve.P256).public
    with pytest.raises(TrustFailure):
        key.verify(b"event", r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@pytest.mark.parametrize("curve", list(Curve))
def test_a_signature_of_other_length_is_refused(curve: Curve) -> None:
    """Shortened, lengthened and DER signatures are not JOSE signatures."""
    key = SigningKey.from_seed(b"\x04" * 32, curve=curve)
    good = key.sign(b"event")
    for bad in (b"", good[:-1], good + b"\x00", b"\x30\x44" + good):
        with pytest.raises(TrustFailure):
            key.public.verify(b"event", bad)


@pytest.mark.parametrize(
    "change",
    [{"d": RFC8037_D[:-1] + "B"}, {"d": "A" * 43}, {"d": ""}, {"x": RFC7515["x"]}, {"k": "A"}],
)
def test_a_private_key_that_does_not_belong_is_refused(change: dict[str, str]) -> None:
    """A private member must have exactly the public key beside it."""
    with pytest.raises(LedgerError):
        SigningKey.from_private_jwk({**RFC8037, "d": RFC8037_D, **change})


@pytest.mark.parametrize("d", [0, P256_ORDER, 2**256 - 1])
def test_a_p256_scalar_out_of_range_is_refused(d: int) -> None:
    """Zero and values from the order on are no private keys."""
    value = {**RFC7515, "d": base64url.encode(d.to_bytes(32, "big"))}
    with pytest.raises(RejectedInput):
        SigningKey.from_private_jwk(value)


def test_a_private_key_does_not_show_itself() -> None:
    """A log line or a traceback with the key in it tells only the public part."""
    key = SigningKey.from_seed(b"\x05" * 32)
    secret = key.to_private_jwk()["d"]
    assert str(secret) not in repr(key)
    assert serialization.__name__ not in repr(key)


def test_fresh_keys_differ() -> None:
    """Generated keys of both curves are new each time and can sign."""
    for curve in Curve:
        key = SigningKey.generate(curve=curve)
        assert key.kid != SigningKey.generate(curve=curve).kid
        key.public.verify(b"event", key.sign(b"event"))


@given(st.binary(max_size=80))
def test_base64url_round_trips(data: bytes) -> None:
    """Each bytes have one text, without padding."""
    text = base64url.encode(data)
    assert base64url.decode(text) == data
    assert len(text) == base64url.encoded_length(len(data))


@given(st.text(alphabet="AQgw-_+/=. \n\u00e9", max_size=8))
def test_base64url_has_no_second_spelling(text: str) -> None:
    """Whatever is accepted is exactly what the encoder would write."""
    try:
        data = base64url.decode(text)
    except RejectedInput:
        return
    assert base64url.encode(data) == text


def test_a_p256_coordinate_has_one_spelling() -> None:
    """The points at x = 5 and x = 5 + p are one; the second would have a name of its own."""
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    at_5 = 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC
    members = {"kty": "EC", "crv": "P-256", "y": base64url.encode(at_5.to_bytes(32))}
    parse_jwk({**members, "x": base64url.encode((5).to_bytes(32))})
    with pytest.raises(RejectedInput, match="below the prime"):
        parse_jwk({**members, "x": base64url.encode((5 + prime).to_bytes(32))})

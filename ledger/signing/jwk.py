"""Public and private keys as JSON Web Keys (RFC 7517, RFC 7518 section 6.2, RFC 8037)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from ledger.errors import RejectedInput, TrustFailure
from ledger.signing import base64url, ed25519, strict_json
from ledger.signing.weak_keys import reject_weak_ed25519

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject, JsonValue

PublicKey: TypeAlias = bytes | EllipticCurvePublicKey
"""The 32 bytes of an Ed25519 key, or a point on P-256."""

PrivateKey: TypeAlias = Ed25519PrivateKey | EllipticCurvePrivateKey

SIGNATURE_BYTES: Final = 64
_COORDINATE_BYTES: Final = 32
# Order of the P-256 base point (SEC 2, section 2.4.2).
_P256_FIELD: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Algorithm(StrEnum):
    """The signature algorithms a statement may name (RFC 9864, RFC 8037, RFC 7518)."""

    ED25519 = "Ed25519"
    EDDSA = "EdDSA"
    ES256 = "ES256"


class Curve(StrEnum):
    """The curves a key may lie on."""

    ED25519 = "Ed25519"
    P256 = "P-256"


_KEY_TYPE: Final = {Curve.ED25519: "OKP", Curve.P256: "EC"}
_ALGORITHMS: Final = {
    Curve.ED25519: frozenset({Algorithm.ED25519, Algorithm.EDDSA}),
    Curve.P256: frozenset({Algorithm.ES256}),
}


@dataclass(frozen=True, slots=True)
class PublicJwk:
    """A public key that may verify statements: Ed25519, or a point on P-256.

    ``x`` and ``y`` are base64url texts of 32 bytes, ``y`` for P-256 only. ``kid`` is the
    RFC 7638 thumbprint. An instance exists only for a usable key.

    Raises:
        RejectedInput: ``jwk.kind``, ``jwk.coordinate``, ``jwk.not-on-curve``,
            ``base64url.malformed``.
        TrustFailure: ``ed25519.…`` for a weak key, as `reject_weak_ed25519`.
    """

    kty: str
    crv: str
    x: str
    y: str | None = None
    kid: str = field(init=False, compare=False)
    _key: PublicKey = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", _load_public(self))
        object.__setattr__(self, "kid", self.thumbprint())

    @property
    def algorithms(self) -> frozenset[Algorithm]:
        """The algorithms under which this key may verify."""
        return _ALGORITHMS[Curve(self.crv)]

    def as_object(self) -> JsonObject:
        """The key as a JWK object of its required members only."""
        members: JsonObject = {"crv": self.crv, "kty": self.kty, "x": self.x}
        if self.y is not None:
            members["y"] = self.y
        return members

    def thumbprint(self) -> str:
        """The RFC 7638 thumbprint: base64url SHA-256 of the canonical required members."""
        return base64url.encode(hashlib.sha256(strict_json.canonical(self.as_object())).digest())

    def verify(self, signing_input: bytes, signature: bytes) -> None:
        """Check a raw JOSE signature (RFC 7518 section 3.4, RFC 8037 section 3.1).

        Raises:
            TrustFailure: ``signature.invalid``.
        """
        key = self._key
        if isinstance(key, bytes):
            held = ed25519.holds(key, signing_input, signature)
        else:
            held = _ecdsa_holds(key, signing_input, signature)
        if not held:
            raise TrustFailure(
                "signature.invalid",
                f"The signature does not verify under key {self.kid}.",
                remedy="Sign exactly the bytes that are sent, with the private key of this kid.",
            )


def _ecdsa_holds(key: EllipticCurvePublicKey, signing_input: bytes, signature: bytes) -> bool:
    try:
        key.verify(_as_der(signature), signing_input, ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _as_der(signature: bytes) -> bytes:
    """The DER form that the library verifies, of a raw r and s of 32 bytes each."""
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature
    r = int.from_bytes(signature[:_COORDINATE_BYTES], "big")
    s = int.from_bytes(signature[_COORDINATE_BYTES:], "big")
    return encode_dss_signature(r, s)


def _coordinate(text: str, *, where: str) -> bytes:
    if len(text) > base64url.encoded_length(_COORDINATE_BYTES):
        raise RejectedInput("jwk.coordinate", "A coordinate has 32 bytes.", where=where)
    data = base64url.decode(text, where=where)
    if len(data) != _COORDINATE_BYTES:
        raise RejectedInput("jwk.coordinate", "A coordinate has 32 bytes.", where=where)
    return data


def _load_public(jwk: PublicJwk) -> PublicKey:
    if (jwk.kty, jwk.crv, jwk.y is None) == ("OKP", Curve.ED25519, True):
        raw = _coordinate(jwk.x, where="/x")
        reject_weak_ed25519(raw)
        return raw
    if (jwk.kty, jwk.crv) == ("EC", Curve.P256) and jwk.y is not None:
        x = int.from_bytes(_coordinate(jwk.x, where="/x"), "big")
        y = int.from_bytes(_coordinate(jwk.y, where="/y"), "big")
        if max(x, y) >= _P256_FIELD:
            # The library reduces it: one key would have two spellings and two thumbprints.
            raise RejectedInput(
                "jwk.coordinate", "A coordinate is not below the prime of P-256.", where=""
            )
        try:
            return EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
        except ValueError:
            raise RejectedInput(
                "jwk.not-on-curve", "The point does not lie on P-256.", where=""
            ) from None
    raise RejectedInput(
        "jwk.kind",
        "Only Ed25519 (OKP) and P-256 (EC) public keys are accepted.",
        where="",
        remedy="Give kty OKP, crv Ed25519 and x, or kty EC, crv P-256, x and y.",
    )


def _members(value: JsonValue, *, private: bool) -> dict[str, str]:
    """The members of a JWK object, all strings, exactly those its key type requires."""
    if not isinstance(value, dict):
        raise RejectedInput("jwk.member", "A key is a JSON object.", where="")
    members = {name: text for name, text in value.items() if isinstance(text, str)}
    expected = {"kty", "crv", "x"} | ({"y"} if members.get("kty") == "EC" else set())
    expected |= {"d"} if private else set()
    for name in sorted(expected ^ members.keys() | (value.keys() - members.keys())):
        # The name is the sender's; a value is never repeated, for it may be a private key.
        raise RejectedInput(
            "jwk.member",
            "A key has exactly the string members kty, crv, x (and y on P-256).",
            where="/" + "".join(sign for sign in name[:32] if sign.isalnum()),
            remedy="Send the public key without private or further members.",
        )
    return members


def parse_jwk(value: JsonValue) -> PublicJwk:
    """The public key in a JWK object of exactly ``kty``, ``crv``, ``x`` and, on P-256, ``y``.

    Private members, ``oct`` and all further members (``kid``, ``use``, ``alg`` …) are refused:
    a key has one spelling, and the thumbprint is its only name.

    Raises:
        RejectedInput: ``jwk.…``, ``base64url.malformed``.
        TrustFailure: ``ed25519.…`` for a weak key.
    """
    members = _members(value, private=False)
    return PublicJwk(members["kty"], members["crv"], members["x"], members.get("y"))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key of the ledger or of a client; it is never shown in ``repr``.

    ES256 signatures are deterministic (RFC 6979), so a demonstration repeats to the byte.
    """

    public: PublicJwk
    _key: PrivateKey = field(compare=False, repr=False)

    @classmethod
    def from_seed(cls, seed: bytes, *, curve: Curve = Curve.ED25519) -> SigningKey:
        """The key that 32 secret bytes determine.

        Ed25519 takes the seed as it is (RFC 8032 section 5.1.5). A P-256 scalar is SHA-512 of
        the seed, reduced into 1 … n - 1.

        Raises:
            RejectedInput: ``jwk.seed`` when the seed has not 32 bytes.
        """
        if len(seed) != _COORDINATE_BYTES:
            raise RejectedInput("jwk.seed", "A key seed has 32 bytes.")
        if curve is Curve.ED25519:
            return cls._of(Ed25519PrivateKey.from_private_bytes(seed))
        wide = int.from_bytes(hashlib.sha512(seed).digest(), "big")
        return cls._of(derive_private_key(wide % (_P256_ORDER - 1) + 1, SECP256R1()))

    @classmethod
    def generate(cls, *, curve: Curve = Curve.ED25519) -> SigningKey:
        """A fresh key from the operating system's randomness."""
        if curve is Curve.ED25519:
            return cls._of(Ed25519PrivateKey.generate())
        return cls._of(generate_ec_key(SECP256R1()))

    @classmethod
    def from_private_jwk(cls, value: JsonValue) -> SigningKey:
        """The key in a private JWK: the public members and ``d``, which must belong together.

        Raises:
            RejectedInput: as `parse_jwk`, and ``jwk.mismatch`` when ``d`` has another public key.
        """
        members = _members(value, private=True)
        public = PublicJwk(members["kty"], members["crv"], members["x"], members.get("y"))
        secret = _coordinate(members["d"], where="/d")
        try:
            if public.crv == Curve.ED25519:
                key = cls._of(Ed25519PrivateKey.from_private_bytes(secret))
            else:
                key = cls._of(derive_private_key(int.from_bytes(secret, "big"), SECP256R1()))
        except ValueError:
            raise RejectedInput("jwk.mismatch", "The private value is out of range.") from None
        if key.public != public:
            raise RejectedInput("jwk.mismatch", "Private and public members do not match.")
        return key

    @classmethod
    def _of(cls, key: PrivateKey) -> SigningKey:
        if isinstance(key, Ed25519PrivateKey):
            raw = key.public_key().public_bytes_raw()
            return cls(PublicJwk("OKP", Curve.ED25519.value, base64url.encode(raw)), key)
        numbers = key.public_key().public_numbers()
        x, y = (
            base64url.encode(value.to_bytes(_COORDINATE_BYTES, "big"))
            for value in (numbers.x, numbers.y)
        )
        return cls(PublicJwk("EC", Curve.P256.value, x, y), key)

    @property
    def kid(self) -> str:
        """The thumbprint of the public key."""
        return self.public.kid

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm name this key writes: ``Ed25519`` or ``ES256``, never the alias."""
        return Algorithm.ED25519 if isinstance(self._key, Ed25519PrivateKey) else Algorithm.ES256

    def sign(self, signing_input: bytes) -> bytes:
        """The raw JOSE signature (64 bytes) over ``signing_input``."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(signing_input)
        der = self._key.sign(signing_input, ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return r.to_bytes(_COORDINATE_BYTES, "big") + s.to_bytes(_COORDINATE_BYTES, "big")

    def to_private_jwk(self) -> JsonObject:
        """The key as a private JWK; whoever holds this object can sign."""
        if isinstance(self._key, Ed25519PrivateKey):
            secret = self._key.private_bytes_raw()
        else:
            value = self._key.private_numbers().private_value
            secret = value.to_bytes(_COORDINATE_BYTES, "big")
        return {**self.public.as_object(), "d": base64url.encode(secret)}

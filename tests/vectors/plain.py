"""The formats once more, in a few lines each, so that the vectors do not repeat the ledger's code.

Nothing here imports the ledger. What it makes is what ``docs/formats`` says, written a second time
from the pages with the standard library and ``cryptography``.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Json = dict[str, Any]


def b64u(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64(data: bytes) -> str:
    """Base64 with padding."""
    return base64.b64encode(data).decode()


def sha256(data: bytes) -> bytes:
    """The hash of everything."""
    return hashlib.sha256(data).digest()


def canonical(value: object) -> bytes:
    """RFC 8785 of a value whose names are ASCII and whose numbers are integers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Key:
    """A signing key of 32 bytes: an Ed25519 seed or a P-256 scalar."""

    secret: bytes
    alg: str = "Ed25519"

    @property
    def jwk(self) -> Json:
        """The public key, of its required members alone."""
        if self.alg == "Ed25519":
            return {"crv": "Ed25519", "kty": "OKP", "x": b64u(self.public)}
        x, y = self.public[:32], self.public[32:]
        return {"crv": "P-256", "kty": "EC", "x": b64u(x), "y": b64u(y)}

    @property
    def public(self) -> bytes:
        """32 bytes, or x and y of 32 bytes each."""
        if self.alg == "Ed25519":
            return self._ed25519().public_key().public_bytes_raw()
        numbers = self._p256().public_key().public_numbers()
        return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    @property
    def kid(self) -> str:
        """RFC 7638."""
        return b64u(sha256(canonical(self.jwk)))

    def sign(self, message: bytes) -> bytes:
        """64 bytes; ES256 after RFC 6979, so that it repeats."""
        if self.alg == "Ed25519":
            return self._ed25519().sign(message)
        der = self._p256().sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        r, s = utils.decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def as_vector(self) -> Json:
        """The key as a vector shows it, its secret included."""
        return {"alg": self.alg, "secret": self.secret.hex(), "jwk": self.jwk, "kid": self.kid}

    def _ed25519(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.from_private_bytes(self.secret)

    def _p256(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(self.secret, "big"), ec.SECP256R1())


SYSTEM = Key(bytes(range(32)))
PERSON = Key(bytes(range(32, 64)))
P256 = Key(bytes(range(64, 96)), "ES256")


def part(key: Key, payload: bytes, header: Mapping[str, Any] | bytes | None = None) -> list[str]:
    """Protected header, payload and signature in base64url."""
    if header is None:
        header = {"alg": key.alg, "kid": key.kid}
    protected = b64u(header if isinstance(header, bytes) else canonical(header))
    signed = f"{protected}.{b64u(payload)}"
    return [protected, b64u(payload), b64u(key.sign(signed.encode()))]


def compact(key: Key, payload: bytes, header: Mapping[str, Any] | bytes | None = None) -> str:
    """A compact statement."""
    return ".".join(part(key, payload, header))


def general(payload: bytes, parts: Sequence[Sequence[str]]) -> str:
    """A general JSON statement of signatures made by `part`."""
    rows = ",".join(f'{{"protected":"{p[0]}","signature":"{p[2]}"}}' for p in parts)
    return f'{{"payload":"{b64u(payload)}","signatures":[{rows}]}}'


def personal(key: Key, meaning: str = "authorship", iat: object = 1_709_256_660) -> Json:
    """The protected header of a person's signature."""
    return {"alg": key.alg, "iat": iat, "kid": key.kid, "meaning": meaning}


def leaf(entry: bytes) -> bytes:
    """The hash of an entry (RFC 9162 section 2.1.1)."""
    return sha256(b"\x00" + entry)


def split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH over leaf hashes."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


def inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) of RFC 9162 section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*inclusion(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion(index - k, leaves[k:]), root(leaves[:k])]


def consistency(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b) of RFC 9162 section 2.1.4.1; empty from size 0."""
    if old in (0, len(leaves)):
        return [] if whole or not old else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*consistency(old, leaves[:k], whole=whole), root(leaves[k:])]
    return [*consistency(old - k, leaves[k:], whole=False), root(leaves[:k])]


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """The first four bytes by which a note names a key."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    """A verifier key."""
    return f"{name}+{key_id(name, kind, public).hex()}+{b64(bytes([kind]) + public)}"


def line(name: str, kind: int, public: bytes, signature: bytes) -> str:
    """A signature line with its newline."""
    return f"\u2014 {name} {b64(key_id(name, kind, public) + signature)}\n"


def checkpoint(origin: str, leaves: Sequence[bytes]) -> str:
    """The text of a checkpoint."""
    return f"{origin}\n{len(leaves)}\n{b64(root(leaves))}\n"


def note(key: Key, origin: str, text: str, *more: str) -> str:
    """A text signed by a log's key, with further lines."""
    return f"{text}\n{line(origin, 1, key.public, key.sign(text.encode()))}{''.join(more)}"


def receipt(index: int, leaves: Sequence[bytes], signed: str, *, extra: bytes = b"") -> str:
    """A tlog-proof."""
    lines = ["c2sp.org/tlog-proof@v1", *([f"extra {b64(extra)}"] if extra else [])]
    lines += [f"index {index}", *(b64(step) for step in inclusion(index, leaves))]
    return "\n".join(lines) + f"\n\n{signed}"

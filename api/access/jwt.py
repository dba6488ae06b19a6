"""JSON Web Tokens, read without leniency: our own strict reader first, then the JOSE library.

The library takes a header with two ``alg`` members for what the last one says, and verifies
under more algorithms than are wanted here. So bytes are held to their grammar and the header to a
list of members before it sees anything, and its registry knows two algorithms
(RFC 8725 sections 3.1, 3.2, 3.10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from ledger.errors import RejectedInput, TrustFailure
from ledger.signing import base64url
from ledger.signing.strict_json import Limits, canonical, parse_object

if TYPE_CHECKING:
    from collections.abc import Collection

    from ledger.signing.jwk import PublicJwk, SigningKey
    from ledger.signing.strict_json import JsonObject

ALGORITHMS: Final = ("Ed25519", "ES256")
LONGEST: Final = 2_048
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
_LIMITS: Final = Limits(size=LONGEST, depth=2, members=24)
_HEADER: Final = frozenset(("alg", "kid", "typ"))
_REGISTRY: Final = JWSRegistry(algorithms=ALGORITHMS)
_KID: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token as read; nothing in it is true before `verify`."""

    text: str
    kid: str
    claims: JsonObject


def read(text: str, *, types: Collection[str | None]) -> Unverified:
    """Read a compact JWT whose header has only ``alg``, ``kid`` and one of these ``typ``.

    Raises RejectedInput ``jwt.malformed``, ``jwt.algorithm``, ``jwt.type``; ``base64url.…`` and
    ``strict-json.…``.
    """
    if len(text) > LONGEST or _COMPACT.fullmatch(text) is None:
        raise RejectedInput("jwt.malformed", "This is no signed token of ours.")
    header_text, payload, signature = text.split(".")
    base64url.decode(signature, where="signature")
    header = parse_object(base64url.decode(header_text, where="header"), limits=_LIMITS)
    if header.get("alg") not in ALGORITHMS:
        raise RejectedInput("jwt.algorithm", f"The alg must be one of {', '.join(ALGORITHMS)}.")
    if not {"alg", "kid"} <= header.keys() <= _HEADER:
        raise RejectedInput("jwt.malformed", "The header holds alg, kid and typ, nothing else.")
    kid, kind = header["kid"], header.get("typ")
    if not isinstance(kid, str) or _KID.fullmatch(kid) is None:
        raise RejectedInput("jwt.malformed", "The kid must be an RFC 7638 SHA-256 thumbprint.")
    if kind not in types:
        raise RejectedInput("jwt.type", "The token is of another type than belongs here.")
    claims = parse_object(base64url.decode(payload, where="payload"), limits=_LIMITS)
    return Unverified(text, kid, claims)


def verify(token: Unverified, key: PublicJwk) -> None:
    """Check a token's signature; raises TrustFailure ``jwt.signature``."""
    try:
        jws.deserialize_compact(token.text, _public(key), registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise TrustFailure(
            "jwt.signature", "The token's signature does not hold under the key it names."
        ) from error


def sign(claims: JsonObject, key: SigningKey, *, kind: str) -> str:
    """A compact JWT over these claims."""
    loaded = _loaded(key.to_private_jwk())
    header = {"alg": key.algorithm.value, "kid": key.kid, "typ": kind}
    return jws.serialize_compact(header, canonical(claims), loaded, registry=_REGISTRY)


def seconds(claims: JsonObject, name: str) -> int:
    """A NumericDate in whole seconds; raises RejectedInput ``jwt.malformed``."""
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RejectedInput("jwt.malformed", f"The claim {name} must be whole seconds since 1970.")
    return value


def word(claims: JsonObject, name: str) -> str:
    """A text claim; raises RejectedInput ``jwt.malformed``."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise RejectedInput("jwt.malformed", f"The claim {name} must be a text.")
    return value


@lru_cache(maxsize=256)
def _public(key: PublicJwk) -> OKPKey | ECKey:
    return _loaded(key.as_object())


def _loaded(jwk: JsonObject) -> OKPKey | ECKey:
    # By explicit type: the library's guess turns what it cannot read into a symmetric key.
    members: dict[str, str | list[str]] = {name: str(value) for name, value in jwk.items()}
    return (OKPKey if jwk["kty"] == "OKP" else ECKey).import_key(members)

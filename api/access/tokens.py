"""Access tokens: short-lived bearer JWTs after RFC 9068, under a key of their own.

A token says who reads as what. Whether that still holds is asked of the register at each request,
so a revoked key or an ended role makes it useless at once; its ten minutes only bound how long a
stolen one is of use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.access import jwt
from api.access.entitlement import Wanted, entitle
from ledger.errors import LedgerError, RejectedInput, TrustFailure
from ledger.signing.jwk import SigningKey
from ledger.vocabulary import Role

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from api.access.reader import Reader
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.signing.register import Register

LIFE: Final = 600
"""Seconds that a token lives."""

KIND: Final = "at+jwt"
_PURPOSE: Final = "access/token-key"
_CLAIMS: Final = frozenset(
    ("iss", "aud", "sub", "client_id", "iat", "exp", "jti", "scope", "role", "site", "masked",
     "key")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A token that its own signature and times bear out: as whom it reads, under which key."""

    wanted: Wanted
    source: str
    kid: str


class Tokens:
    """Issues and reads the tokens of one ledger; another ledger's are none here."""

    def __init__(self, keys: LedgerKeys, *, trial: str, genesis_sha256: str) -> None:
        self._key = SigningKey.from_seed(keys.derive(_PURPOSE))
        self._issuer = keys.origin
        self._audience = f"{keys.origin}#{trial}/{genesis_sha256}"

    def issue(self, reader: Reader, *, kid: str, now: datetime, jti: str) -> str:
        """A token for a reader who proved itself with the key ``kid``."""
        issued = int(now.timestamp())
        wanted = Wanted(reader.role, reader.site, reader.masked)
        return jwt.sign(
            {
                "iss": self._issuer,
                "aud": self._audience,
                "sub": reader.source,
                "client_id": reader.source,
                "iat": issued,
                "exp": issued + LIFE,
                "jti": jti,
                "scope": wanted.scope(),
                "role": str(reader.role),
                "site": reader.site,
                "masked": reader.masked,
                "key": kid,
            },
            self._key,
            kind=KIND,
        )

    def read(self, text: str, *, now: datetime) -> Held:
        """Check a token by itself; raises TrustFailure ``bearer.invalid`` or ``bearer.expired``."""
        try:
            token = jwt.read(text, types=(KIND,))
            if token.kid != self._key.kid:
                raise _invalid()
            jwt.verify(token, self._key.public)
            claims = token.claims
            if claims.keys() != _CLAIMS or claims["aud"] != self._audience:
                raise _invalid()
            issued, ends = jwt.seconds(claims, "iat"), jwt.seconds(claims, "exp")
            role, site = Role(jwt.word(claims, "role")), claims["site"]
            source, kid = jwt.word(claims, "sub"), jwt.word(claims, "key")
        except (RejectedInput, TrustFailure, ValueError) as error:
            raise _invalid() from error
        if not issued - LIFE < int(now.timestamp()) < ends:
            raise TrustFailure(
                "bearer.expired", "The token has expired.", remedy="Ask for a new one."
            )
        wanted = Wanted(role, site if isinstance(site, str) else None, claims["masked"] is True)
        return Held(wanted, source, kid)


def standing(held: Held, register: Register, masked_roles: Collection[Role]) -> Reader:
    """The reader a token still makes by the register as it stands now.

    Raises TrustFailure ``bearer.revoked-key`` or ``bearer.role-ended``.
    """
    key = register.key(held.kid)
    if key is None or key.revoked is not None or key.owner != held.source:
        raise TrustFailure(
            "bearer.revoked-key",
            "The key this token was asked for with is no longer in force.",
            remedy="Ask for a new token with a key that is.",
        )
    try:
        reader = entitle(held.source, held.wanted, register, masked_roles)
    except LedgerError as error:
        raise TrustFailure(
            "bearer.role-ended",
            "The role this token is for has ended.",
            remedy="Ask for a token for a role that is held.",
        ) from error
    # A wider grant given since does not widen a token: it was asked for one site, or for none.
    if reader.site != held.wanted.site:
        raise TrustFailure(
            "bearer.role-ended",
            "The role this token is for no longer reaches as far.",
            remedy="Ask for a new token.",
        )
    return reader


def _invalid() -> TrustFailure:
    return TrustFailure(
        "bearer.invalid",
        "The token is none of this trial's.",
        remedy="Ask for one at the trial's token endpoint.",
    )

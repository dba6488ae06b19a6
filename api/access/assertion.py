"""The assertion with which a reader proves who it is: ``private_key_jwt`` (RFC 7523, RFC 7521).

Signed by a key that is registered in the trial's own log and in force at its head; nothing else
identifies a reader. Each assertion counts once.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from api.access import jwt
from ledger.errors import RejectedInput, TrustFailure, Unavailable
from ledger.signing.envelope import SOURCE

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from ledger.signing.jwk import SigningKey
    from ledger.signing.register import Register

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE: Final = 120
"""Seconds from an assertion's ``iat`` to its ``exp`` at most."""

SKEW: Final = 30
"""Seconds that a sender's clock may be ahead of ours."""

REMEMBERED: Final = 600
"""Assertions of one source kept in mind at once, so that nobody fills the memory."""

_KINDS: Final = (None, "JWT", "client-authentication+jwt")
_CLAIMS: Final = frozenset(("iss", "sub", "aud", "iat", "exp", "nbf", "jti"))
_REQUIRED: Final = _CLAIMS - {"nbf"}
_JTI: Final = re.compile(r"[!-~]{8,128}")
_REMEDY: Final = "Sign a new assertion for each token: see docs, or use api.client.LedgerReader."


@dataclass(frozen=True, slots=True)
class Asserted:
    """Who proved to be whom: a source and the key it signed with."""

    source: str
    kid: str


class Assertions:
    """Checks assertions; those accepted are remembered until they have expired.

    Each process remembers its own: used again at another node within its two minutes, an assertion
    gives its thief a token no better than the one he read in the answer to its first use.
    What was signed before ``started`` is not taken: this process cannot know whether it was used.
    """

    def __init__(self, started: datetime, *, remembered: int = REMEMBERED) -> None:
        self._started = int(started.timestamp())
        self._remembered = remembered
        self._seen: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def check(
        self, text: str, *, register: Register, audiences: Collection[str], now: datetime
    ) -> Asserted:
        """Check an assertion: form, key, signature, audience, times, once only, in this order.

        Raises RejectedInput and TrustFailure ``assertion.…``, ``jwt.…``, ``base64url.…``,
        ``strict-json.…``; Unavailable ``assertion.busy`` when too many are remembered.
        """
        token = jwt.read(text, types=_KINDS)
        claims = token.claims
        if not _REQUIRED <= claims.keys() <= _CLAIMS:
            raise RejectedInput(
                "assertion.claims",
                f"An assertion has the claims {', '.join(sorted(_REQUIRED))} and may have nbf.",
                remedy=_REMEDY,
            )
        source = _require_key(token, register)
        _require_audience(claims["aud"], audiences)
        ends = self._require_times(token, int(now.timestamp()))
        identity = jwt.word(claims, "jti")
        if _JTI.fullmatch(identity) is None:
            raise RejectedInput(
                "assertion.jti", "The jti is 8 to 128 visible characters, never the same twice."
            )
        self._once(source, identity, ends=ends, now=int(now.timestamp()))
        return Asserted(source, token.kid)

    def _require_times(self, token: jwt.Unverified, now: int) -> int:
        issued, ends = jwt.seconds(token.claims, "iat"), jwt.seconds(token.claims, "exp")
        begins = jwt.seconds(token.claims, "nbf") if "nbf" in token.claims else issued
        if issued > now + SKEW or begins > now + SKEW:
            raise _late("assertion.future", "The assertion is dated in the future.")
        if ends <= now:
            raise _late("assertion.expired", "The assertion has expired.")
        if not issued < ends <= issued + LONGEST_LIFE:
            raise _late("assertion.lifetime", f"An assertion lives at most {LONGEST_LIFE} seconds.")
        if issued < self._started:
            raise _late(
                "assertion.before-start", "The assertion is older than this service's start."
            )
        return ends

    def _once(self, source: str, identity: str, *, ends: int, now: int) -> None:
        with self._lock:
            used = self._seen.setdefault(source, {})
            if identity in used:
                raise TrustFailure(
                    "assertion.replayed", "This assertion was used before.", remedy=_REMEDY
                )
            if len(used) >= self._remembered:
                # What has expired would be refused for that alone.
                used = {name: until for name, until in used.items() if until > now}
                self._seen[source] = used
            if len(used) >= self._remembered:
                raise Unavailable(
                    "assertion.busy",
                    "Too many tokens were asked for in the last minutes.",
                    remedy="A token can be used many times until it expires; use it again.",
                )
            used[identity] = ends


def sign_assertion(
    source: str, key: SigningKey, *, audience: str, now: datetime, jti: str, life: int = 60
) -> str:
    """An assertion for one token, as a reader makes it."""
    issued = int(now.timestamp())
    return jwt.sign(
        {
            "iss": source,
            "sub": source,
            "aud": audience,
            "iat": issued,
            "exp": issued + life,
            "jti": jti,
        },
        key,
        kind="client-authentication+jwt",
    )


def _require_key(token: jwt.Unverified, register: Register) -> str:
    """The source whose registered key, in force now, signed the token."""
    source = jwt.word(token.claims, "sub")
    if jwt.word(token.claims, "iss") != source or SOURCE.fullmatch(source) is None:
        raise RejectedInput(
            "assertion.issuer", "iss and sub must both be the source URI of who asks."
        )
    key = register.key(token.kid)
    if key is None or key.kind == "ledger":
        raise TrustFailure(
            "assertion.unknown-key",
            "No person's or system's key of that kid is registered in this trial.",
            remedy="Have a registrar register it with key.registered.v1.",
        )
    if key.revoked is not None:
        raise TrustFailure(
            "assertion.revoked-key",
            f"The key {token.kid} was revoked at position {key.revoked}.",
            remedy="Sign with a key that is in force.",
        )
    jwt.verify(token, key.jwk)
    if key.owner != source:
        raise TrustFailure("assertion.foreign-key", f"The key is not registered for {source}.")
    return source


def _require_audience(stated: object, audiences: Collection[str]) -> None:
    # One audience only: an assertion that several services take could be used at another one.
    named = stated[0] if isinstance(stated, list) and len(stated) == 1 else stated
    if not isinstance(named, str) or named not in audiences:
        raise TrustFailure(
            "assertion.audience",
            "The assertion is not for this trial's token endpoint.",
            remedy=f"Its aud must be {min(audiences, default='the token endpoint')}.",
        )


def _late(code: str, message: str) -> TrustFailure:
    return TrustFailure(code, message, remedy="Check the clock, and sign a new assertion.")

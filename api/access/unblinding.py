"""Who may be told one subject's arm because he broke the blind, at once and by nobody's leave.

What opens it is the record itself: a ``blind.broken.v1`` of that subject that he signed, that
stands in effect, and that he was entitled to as a physician (ICH E6(R3) 3.15.2(d)).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.errors import TrustFailure
from ledger.signing.authority import Signer, shortfalls
from ledger.vocabulary import vocabulary

if TYPE_CHECKING:
    from datetime import tzinfo

    from api.access.reader import Reader
    from ledger.history import Fact, History
    from ledger.signing.register import Register

BROKEN: Final = "blind.broken.v1"
_BARS: Final = frozenset(("AU-04", "AU-06"))
"""No physician's role or task, another site's person. What the signature means is no bar."""


def broken_by(reader: Reader, records: History, register: Register, zone: tzinfo) -> Fact:
    """The breaking of a subject's blind that opens the arm to this reader.

    ``records`` are the subject's. Raises TrustFailure ``unblinding.not-broken`` and
    ``unblinding.not-entitled``; each says what to do.
    """
    barred: str | None = None
    for fact in reversed(records.of(BROKEN)):
        signer = _signer(reader, fact, register)
        if signer is None:
            continue
        day = fact.record.recorded_at.astimezone(zone).date().isoformat()
        rule, event = vocabulary()[BROKEN], fact.record.event
        lacking = shortfalls(rule, event, [signer], register, day=day)
        messages = [one.message for one in lacking if one.rule in _BARS]
        if not messages:
            return fact
        barred = barred or messages[0]
    if barred is not None:
        raise TrustFailure(
            "unblinding.not-entitled",
            f"The blind was broken by somebody who may not: {barred}",
            remedy="A physician of the site breaks it under his own name.",
        )
    raise TrustFailure(
        "unblinding.not-broken",
        "You have not broken the blind of this subject.",
        remedy="In an emergency post blind.broken.v1 for this subject under your own signature "
        "and ask again; nobody's consent is needed (trial-ledger unblind does both).",
    )


def _signer(reader: Reader, fact: Fact, register: Register) -> Signer | None:
    """The reader among those who signed, with a key that nobody else is known to have used."""
    for signature in fact.record.statement.signatures:
        key = register.key(signature.kid)
        if key is None or key.kind != "person" or key.owner != reader.source:
            continue
        since = key.compromised_since
        if since is None or fact.record.recorded_at < since:
            return Signer(key, signature)
    return None

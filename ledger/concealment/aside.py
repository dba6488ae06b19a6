"""Statements kept aside in quarantine, sealed: their words were refused for being in clear."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from ledger.concealment.binding import Place
from ledger.concealment.envelope import stored_bytes, stored_text
from ledger.concealment.vault import Concealed, Erased, Opening
from ledger.errors import IntegrityFailure
from ledger.signing import base64url
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from ledger.concealment.openings import Openings

STREAM: Final = "quarantine"
"""Whose key seals them: one for all, which no erasure of a subject's data destroys."""

_SEALED: Final = re.compile(r"([0-9a-f]{64})\.(c1\..+)", re.DOTALL)


def mark_of(statement: str) -> str:
    """What a statement sent again is known by: its SHA-256, unguessable for its signatures."""
    return sha256(statement.encode()).hexdigest()


def seal_aside(statement: str, openings: Openings | None) -> str:
    """The text to store: mark, full stop, concealed statement; without a vault the statement.

    Raises Unavailable when keys are not at hand.
    """
    if openings is None:
        return statement
    mark = mark_of(statement)
    place = Place(STREAM, mark, Purpose.TEXT)
    data = openings.vault.seal(Opening(place, base64url.encode(statement.encode())))
    return f"{mark}.{stored_text(data)}"


def open_aside(stored: str, openings: Openings | None) -> str:
    """The statement in a stored text; one of an earlier version, in clear, as it is.

    Raises IntegrityFailure ``quarantine.closed`` when it cannot be opened, Unavailable.
    """
    found = _SEALED.fullmatch(stored)
    if found is None:
        return stored
    data = stored_bytes(found[2])
    if openings is not None and data is not None:
        opened = openings.vault.open(Concealed(STREAM, found[1], data))
        if not isinstance(opened, Erased):
            return base64url.decode(opened).decode()
    raise IntegrityFailure("quarantine.closed", "The key of what is kept aside is not at hand.")

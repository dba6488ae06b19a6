"""What an entry of the access log says: who asked for what, as whom, and what became of it.

Nothing of what was read is repeated here; the subject's pseudonymous id is all that names a
participant. An entry is a statement of the ledger's own over a CloudEvents event, as in the main
log, but of types that the main log does not know: neither log's entries can stand in the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure
from ledger.signing.envelope import Event, event_bytes
from ledger.signing.event_id import event_id
from ledger.signing.rfc3339 import format_recorded_at
from ledger.signing.statement import Signer, sign_statement

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.signing.jwk import SigningKey
    from ledger.signing.statement import Statement
    from ledger.signing.strict_json import JsonObject

STREAM: Final = "access"
OPENED: Final = "access-log.opened.v1"
RECORDED: Final = "access.recorded.v1"
SOURCE: Final = "/ledger"
UNKNOWN: Final = "unknown"
"""Stands for a source that nobody registered: foreign text never enters the access log."""

_MEMBERS: Final = ("source", "role", "site", "masked", "operation", "subject", "outcome", "count")
_WORD: Final = re.compile(r"[A-Za-z0-9._/-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One act of access: ``source`` as ``role`` (at ``site``, ``masked``) did ``operation``.

    ``outcome`` is ``served`` or the code of the problem it ended with; ``count`` is greater than
    1 where like acts in quick succession were counted rather than written one by one.
    """

    source: str
    operation: str
    outcome: str
    role: str | None = None
    site: str | None = None
    masked: bool = False
    subject: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry of the access log read back, with its position and record time."""

    seq: int
    recorded_at: str
    access: Access


def opening(trial: str, genesis_sha256: str, vkey: str) -> JsonObject:
    """The data of entry 0: which ledger's access log this is, and the key of its checkpoints."""
    return {"trial": trial, "genesis_sha256": genesis_sha256, "vkey": vkey}


def stated(access: Access) -> JsonObject:
    """The data of an entry."""
    return {name: getattr(access, name) for name in _MEMBERS}


def sign(
    type_name: str, data: JsonObject, *, trial: str, at: datetime, place: str, key: SigningKey
) -> tuple[str, Statement]:
    """An event's id and the ledger's statement of it; the same place gives the same id."""
    identity = event_id(at, place.encode())
    event = Event(
        id=identity,
        source=SOURCE,
        type=type_name,
        subject=STREAM,
        time=format_recorded_at(at),
        trialid=trial,
        data=data,
    )
    return identity, sign_statement(event_bytes(event), [Signer(key=key)])


def read(data: JsonObject) -> Access:
    """The access that an entry's data state.

    Raises IntegrityFailure ``access-log.members`` for what was never written by this version.
    """
    texts = {name: data.get(name) for name in ("source", "operation", "outcome")}
    options = {name: data.get(name) for name in ("role", "site", "subject")}
    masked, count = data.get("masked"), data.get("count")
    if (
        data.keys() != set(_MEMBERS)
        or not all(isinstance(text, str) and _WORD.fullmatch(text) for text in texts.values())
        or not all(text is None or isinstance(text, str) for text in options.values())
        or not isinstance(masked, bool)
        or not isinstance(count, int)
    ):
        raise IntegrityFailure(
            "access-log.members", "The entry does not hold the members of an access."
        )
    return Access(
        source=str(texts["source"]),
        operation=str(texts["operation"]),
        outcome=str(texts["outcome"]),
        **{name: text for name, text in options.items() if isinstance(text, str)},
        masked=masked,
        count=count,
    )

"""The ledger's own statements: results of commands, signed and sealed with its own keys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ledger.history import result_stream
from ledger.log.chain import Draft
from ledger.signing import base64url
from ledger.signing.envelope import Event, event_bytes
from ledger.signing.event_id import event_id
from ledger.signing.register import LEDGER
from ledger.signing.rfc3339 import format_recorded_at
from ledger.signing.sealing import Disclosure, seal
from ledger.signing.statement import Signer, Statement, sign_statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from ledger.record import Record
    from ledger.rules.guards.request import Refusal
    from ledger.signing.jwk import SigningKey
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.signing.strict_json import JsonObject, JsonValue

_SALT_BYTES = 16
# A refusal must always fit an entry, however much a request names that is wrong.
_MESSAGE_CHARACTERS = 500
_REFUSAL_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Result:
    """A result ready to be chained: its draft, its statement and event, its disclosures."""

    draft: Draft
    statement: Statement
    event: Event
    disclosures: tuple[Disclosure, ...]


def make_result(
    keys: LedgerKeys,
    request: Record,
    type_name: str,
    members: Mapping[str, JsonValue],
    *,
    sealed: Sequence[str] = (),
) -> Result:
    """Sign the result of a recorded request; same request, same head, same bytes.

    Ids and salts are derived from the request and the ledger's salt secret, so that a group
    decided twice after an unknown outcome is the same group.
    """
    data: JsonObject = {
        "request": {"id": request.id, "seq": request.seq, "sha256": request.sha256},
        **members,
    }
    material = f"{type_name}/{request.sha256}"
    data, disclosures = seal(
        data,
        sealed,
        lambda name: base64url.encode(keys.derive(f"salt/{material}/{name}")[:_SALT_BYTES]),
    )
    stream = result_stream(request.stream)
    event = Event(
        id=event_id(request.recorded_at, keys.derive(f"id/{material}")),
        source=LEDGER,
        type=type_name,
        subject=stream,
        time=format_recorded_at(request.recorded_at),
        trialid=request.event.trialid,
        data=data,
    )
    statement = sign_statement(event_bytes(event), [Signer(key=_statement_key(keys))])
    return Result(Draft(stream, statement.text), statement, event, tuple(disclosures))


def accepted(keys: LedgerKeys, request: Record, rules: Sequence[str]) -> Result:
    """``command.accepted.v1``: the request passed the guards named."""
    return make_result(keys, request, "command.accepted.v1", {"rules": list(rules)})


def refused(keys: LedgerKeys, request: Record, refusals: Sequence[Refusal]) -> Result:
    """``command.refused.v1``: the rule ids and what each found missing."""
    rules: list[JsonValue] = []
    room = _REFUSAL_BYTES
    for refusal in refusals:
        message = refusal.message[:_MESSAGE_CHARACTERS]
        room -= len(message.encode())
        if rules and room < 0:
            break
        rules.append({"id": refusal.rule, "message": message})
    return make_result(keys, request, "command.refused.v1", {"rules": rules})


def own_statement(
    keys: LedgerKeys,
    *,
    type_name: str,
    stream: str,
    trial: str,
    data: JsonObject,
    at: datetime,
    others: Sequence[Signer] = (),
    about: str = "",
) -> tuple[Statement, Event]:
    """A statement of the ledger's own, alone or together with other signers.

    ``about`` keeps the ids of statements apart that are made in one stream at one instant.
    """
    text = f"{type_name}/{stream}/{format_recorded_at(at)}{about}"
    event = Event(
        id=event_id(at, keys.derive(f"id/{text}")),
        source=LEDGER,
        type=type_name,
        subject=stream,
        time=format_recorded_at(at),
        trialid=trial,
        data=data,
    )
    signers = [Signer(key=_statement_key(keys)), *others]
    return sign_statement(event_bytes(event), signers), event


@lru_cache(maxsize=4)
def _statement_key(keys: LedgerKeys) -> SigningKey:
    # Deriving it from its seed takes longer than signing with it.
    return keys.statement_key

"""The log itself: its newest checkpoint, the keys that may sign, what is verified, quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.access.control import confined_to
from api.access.table import Operation, serves
from api.context import doors
from api.cosigning import age_seconds, cosigned_head, cosigning_state
from api.resources import trial_door
from api.responses import json_response, page, text_response
from api.schemas.cursor import number_key
from api.schemas.openapi import Problem
from api.schemas.query import Known, Page
from api.stamping import stamping_state
from ledger.errors import LedgerError
from ledger.signing.authority import site_of
from ledger.signing.envelope import parse_event
from ledger.signing.statement import parse_statement

if TYPE_CHECKING:
    from flask import Response

door = trial_door("log", "The log, its keys and its soundness.")


@door.route("/log/checkpoint", methods=["GET"])
@door.alt_response(200, description="A C2SP tlog-checkpoint in a signed note.")
@serves(Operation.CHECKPOINT)
def get_checkpoint() -> Response:
    """The newest signed checkpoint, with every signature it has by now.

    The log's Ed25519 line is always there; its ML-DSA-44 line and those of witnesses follow within
    seconds.
    """
    response = text_response(doors().ledger.checkpoint())
    response.headers["Cache-Control"] = "no-cache"
    return response


@door.route("/log/checkpoint/cosigned", methods=["GET"])
@door.alt_response(200, description="A C2SP tlog-checkpoint with cosignatures.")
@door.alt_response(404, schema=Problem, description="No quorum has cosigned a checkpoint yet.")
@serves(Operation.CHECKPOINT)
def get_cosigned_checkpoint() -> Response:
    """The newest checkpoint that the quorum of the ledger's witness policy has cosigned.

    `Age` says how many seconds ago the first of its witnesses did; `/verification` names those
    who are missing.
    """
    held = doors()
    head = cosigned_head(held.ledger)
    response = text_response(head.note)
    response.headers["Cache-Control"] = "no-cache"
    age = age_seconds(held.ledger, head)
    if age is not None:
        response.headers["Age"] = str(age)
    return response


@door.route("/keys", methods=["GET"])
@door.query(Known)
@serves(Operation.REGISTER)
def get_keys(query: dict[str, Any]) -> Response:
    """The log's verifier keys, and who may sign what: keys, roles, delegations, training."""
    held = doors()
    known_at = held.known_at(query.get("known_at"))
    return json_response({"log": _log(), **held.reading().register(known_at)})


@door.route("/verification", methods=["GET"])
@serves(Operation.VERIFICATION)
def get_verification() -> Response:
    """What the service knows of its own soundness, and what to check it against.

    The database, checkpoint, head file and witnesses are compared when the service starts, and
    witnesses at each published checkpoint; `publication` says what is cosigned, how far it lies
    behind and which witnesses are missing. A full verification is `trial-ledger verify`, best on
    another machine with the root of trust.
    """
    held = doors()
    head = held.ledger.application.store.head()
    refusal = held.ledger.refusal
    return json_response(
        {
            "trial": held.ledger.trial,
            "state": "signing" if refusal is None else "refuses-to-sign",
            "reason": None
            if refusal is None
            else {"code": refusal.code, "detail": refusal.message},
            "demonstration": held.ledger.genesis.demonstration,
            "root_of_trust": _log(),
            "entries": head.size,
            "last_entry_sha256": head.hash,
            "recorded_at": head.recorded_at,
            "checkpoint": held.ledger.checkpoint(),
            "allocation": held.allocation.state(),
            "publication": cosigning_state(held.ledger),
            "time_stamps": stamping_state(held.ledger, held.stamping),
            "projections_position": held.projections.wait_for(head.size, 0.0),
        }
    )


@door.route("/quarantine", methods=["GET"])
@door.query(Page)
@serves(Operation.QUARANTINE)
def get_quarantine(query: dict[str, Any]) -> Response:
    """What was turned away for its key, subject or identifier, and why, in order of arrival."""
    after = number_key("quarantine", query.get("after")) or 0
    limit, site = query["limit"], confined_to(None)
    kept = doors().ledger.quarantine.listing(after=after, limit=limit)
    rows = [
        {
            "number": one.number,
            "received_at": one.received_at,
            "code": one.code,
            "reason": one.reason,
            "statement": one.statement,
        }
        for one in kept
        if site in (None, _site_of(one.statement))
    ]
    last = kept[-1].number if kept else None
    return page(rows, more=len(kept) >= limit, kind="quarantine", last=last)


def _site_of(statement: str) -> str | None:
    """The site a statement would have concerned, None where it does not say so legibly."""
    try:
        event = parse_event(parse_statement(statement).payload)
    except LedgerError:
        return None
    return site_of(event)


def _log() -> dict[str, Any]:
    genesis = doors().ledger.genesis
    return {
        "origin": genesis.origin,
        "vkeys": genesis.record.data["log_vkeys"],
        "statement_key": genesis.record.data["statement_key"],
        "genesis_sha256": genesis.record.sha256,
    }

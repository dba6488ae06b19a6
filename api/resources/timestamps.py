"""Time stamps of published checkpoints, as an RFC 3161 authority answered them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.access.table import Operation, serves
from api.context import doors
from api.resources import trial_door
from api.responses import page, text_response, unchanging
from api.schemas.cursor import number_key
from api.schemas.openapi import Problem
from api.schemas.query import Page
from ledger.errors import IntegrityFailure, RejectedInput
from ledger.log.lexical import parse_decimal
from ledger.storage.timestamps import Timestamps

if TYPE_CHECKING:
    from flask import Response

REPLY: Final = "application/timestamp-reply"

door = trial_door("timestamps", "When an outside authority saw the log.")


@door.route("/log/timestamps", methods=["GET"])
@door.query(Page)
@serves(Operation.CHECKPOINT)
def get_timestamps(query: dict[str, Any]) -> Response:
    """The time stamps kept, in order of size: which checkpoint, when, by which authority.

    Each proves that the first `size` entries existed at `time`; check the token itself, against
    the authority's certificates, before relying on it.
    """
    after = number_key("timestamps", query.get("after")) or 0
    kept = _kept().after(after, limit=query["limit"])
    rows = [{"size": one.size, "time": one.time, "tsa": one.authority} for one in kept]
    last = kept[-1].size if kept else None
    return page(rows, more=len(rows) >= query["limit"], kind="timestamps", last=last)


@door.route("/log/timestamps/<string:size>", methods=["GET"])
@door.alt_response(200, content_type=REPLY, description="A TimeStampResp of RFC 3161, DER.")
@door.alt_response(404, schema=Problem, description="No checkpoint of this size was stamped.")
@serves(Operation.CHECKPOINT)
def get_timestamp(size: str) -> Response:
    """The authority's response over the checkpoint of a size; it never changes.

    It is over the SHA-256 of the checkpoint's text: its three lines, each with its newline.
    """
    kept = _kept().at(_size(size))
    if kept is None:
        raise _not_found()
    return unchanging(text_response(kept.response, REPLY), kept.sha256)


def _size(text: str) -> int:
    """A size as the log writes it, so that each response has one address."""
    try:
        return parse_decimal(text, where="size")
    except IntegrityFailure as error:
        raise _not_found() from error


def _not_found() -> RejectedInput:
    return RejectedInput(
        "timestamps.not-found", "No checkpoint of this size has been time-stamped."
    )


def _kept() -> Timestamps:
    return Timestamps(doors().ledger.files.published)

"""The access log over HTTP, for those who audit access."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from api.access.table import Operation, serves
from api.context import doors
from api.resources import trial_door
from api.responses import page, text_response
from api.schemas.cursor import number_key
from api.schemas.query import Page

if TYPE_CHECKING:
    from flask import Response

door = trial_door("access-log", "Who read what.")


@door.route("/access-log", methods=["GET"])
@door.query(Page)
@serves(Operation.ACCESS_LOG)
def get_access_log(query: dict[str, Any]) -> Response:
    """Reads of subjects' data, reports, exports, tokens and failed log-ins, in order.

    Each row stands in a log of its own, chained and under signed checkpoints like the trial's.
    """
    after = number_key("access-log", query.get("after")) or 0
    found = doors().access.journal.log.rows(after=after, limit=query["limit"])
    rows = [{"seq": row.seq, "recorded_at": row.recorded_at, **asdict(row.access)} for row in found]
    last = found[-1].seq if found else None
    return page(rows, more=len(rows) >= query["limit"], kind="access-log", last=last)


@door.route("/access-log/checkpoint", methods=["GET"])
@serves(Operation.ACCESS_LOG)
def get_access_log_checkpoint() -> Response:
    """The access log's newest signed checkpoint; its own entry 0 states the key.

    Keep it elsewhere: an access log that no longer contains it was cut or replaced.
    """
    response = text_response(doors().access.journal.log.checkpoint())
    response.headers["Cache-Control"] = "no-cache"
    return response

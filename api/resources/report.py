"""The GCP audit report over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.access.table import Operation, serves
from api.context import doors
from api.resources import trial_door
from api.responses import JSON
from api.schemas.query import ReportQuery
from projections.masking import MaskedProjections
from projections.report import render
from projections.report.masked import render_masked

door = trial_door("report", "The audit report.")
HTML = "text/html; charset=utf-8"


@door.route("/report", methods=["GET"])
@door.query(ReportQuery)
@door.alt_response(200, description="One self-contained file, as text/html or application/json.")
@serves(Operation.REPORT)
def get_report(query: dict[str, Any]) -> Response:
    """The audit report as of a record time.

    It says that no verification was made: the service that keeps a ledger cannot vouch for it.
    `trial-ledger report` verifies first and states what was found.
    """
    held = doors()
    held.follow()
    wanted = {"format": query["format"], "subject": query.get("subject")}
    reading, as_of = held.reading(), query.get("as_of")
    if isinstance(reading, MaskedProjections):
        with reading.turn:  # it works on the shared folds from the first section to the last
            content = render_masked(reading, held.ledger, as_of=held.day_of_record(as_of), **wanted)
    else:
        content = render(held.projections, held.ledger, as_of=as_of, **wanted)
    response = Response(content, content_type=HTML if query["format"] == "html" else JSON)
    response.headers["Cache-Control"] = "no-store"
    return response

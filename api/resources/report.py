"""The GCP audit report over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.context import doors
from api.resources import trial_door
from api.responses import JSON
from api.schemas.query import ReportQuery
from projections.report import render

door = trial_door("report", "The audit report.")
HTML = "text/html; charset=utf-8"


@door.route("/report", methods=["GET"])
@door.query(ReportQuery)
@door.alt_response(200, description="One self-contained file, as text/html or application/json.")
def get_report(query: dict[str, Any]) -> Response:
    """The audit report as of a record time.

    It says that no verification was made: the service that keeps a ledger cannot vouch for it.
    `trial-ledger report` verifies first and states what was found.
    """
    held = doors()
    held.follow()
    content = render(
        held.projections,
        held.ledger,
        format=query["format"],
        as_of=query.get("as_of"),
        subject=query.get("subject"),
    )
    response = Response(content, content_type=HTML if query["format"] == "html" else JSON)
    response.headers["Cache-Control"] = "no-store"
    return response

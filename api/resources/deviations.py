"""Deviations: derived from the record by rule, never entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.context import doors
from api.resources import trial_door
from api.responses import page
from api.schemas.cursor import text_key
from api.schemas.query import DeviationQuery

if TYPE_CHECKING:
    from flask import Response

door = trial_door("deviations", "Deviations from the protocol.")


@door.route("/deviations", methods=["GET"])
@door.query(DeviationQuery)
def get_deviations(query: dict[str, Any]) -> Response:
    """Deviations by subject and rule, with what each rests on."""
    held = doors()
    held.follow()
    rows = held.projections.deviations(
        query.get("subject"),
        query.get("rule"),
        query.get("as_of"),
        text_key("deviations", query.get("after")) or "",
        query["limit"],
    )
    last = str(rows[-1]["id"]) if rows else None
    return page(rows, more=len(rows) >= query["limit"], kind="deviations", last=last)

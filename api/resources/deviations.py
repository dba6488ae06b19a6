"""Deviations: derived from the record by rule, never entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.access.control import confined_to
from api.access.reader import site_of_subject
from api.access.table import Operation, serves
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
@serves(Operation.DEVIATIONS)
def get_deviations(query: dict[str, Any]) -> Response:
    """Deviations by subject and rule, with what each rests on."""
    held = doors()
    held.follow()
    site, limit = confined_to(_site_asked(query)), query["limit"]
    found = held.reading().deviations(
        query.get("subject"),
        query.get("rule"),
        query.get("as_of"),
        text_key("deviations", query.get("after")) or "",
        limit if site is None else None,
    )
    rows = [row for row in found if site in (None, _site_of(row))][:limit]
    last = str(rows[-1]["id"]) if rows else None
    return page(rows, more=len(rows) >= limit, kind="deviations", last=last)


def _site_asked(query: dict[str, Any]) -> str | None:
    return site_of_subject(query["subject"]) if confined_to(None) and "subject" in query else None


def _site_of(row: dict[str, Any]) -> str | None:
    return site_of_subject(str(row["subject"])) if row.get("subject") else None

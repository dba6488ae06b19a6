"""Deviations: derived from the record by rule, never entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.access.control import confined_to
from api.access.reader import site_of_subject
from api.access.table import Operation, serves
from api.context import doors
from api.resources import trial_door
from api.responses import page
from api.schemas.cursor import text_key
from api.schemas.query import DeviationQuery
from projections.deviation_rows import place_of

if TYPE_CHECKING:
    from flask import Response

door = trial_door("deviations", "Deviations from the protocol.")

_CURSOR: Final = "deviations-by-place"
"""The kind of the cursors: one that names a deviation by its id alone is refused."""


@door.route("/deviations", methods=["GET"])
@door.query(DeviationQuery)
@serves(Operation.DEVIATIONS)
def get_deviations(query: dict[str, Any]) -> Response:
    """Deviations by subject and rule, with what each rests on."""
    held = doors()
    held.follow()
    rows = held.reading().deviations(
        query.get("subject"),
        query.get("rule"),
        query.get("as_of"),
        text_key(_CURSOR, query.get("after")) or "",
        query["limit"],
        site=confined_to(_site_asked(query)),
    )
    last = place_of(rows[-1]) if rows else None
    return page(rows, more=len(rows) >= query["limit"], kind=_CURSOR, last=last)


def _site_asked(query: dict[str, Any]) -> str | None:
    return site_of_subject(query["subject"]) if confined_to(None) and "subject" in query else None

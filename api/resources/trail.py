"""The audit trail: who changed which field, when, from what to what, and why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from flask import Response, request, stream_with_context

from api.context import Doors, doors
from api.resources import trial_door
from api.responses import encoded, page
from api.schemas.cursor import number_key
from api.schemas.query import MAX_PAGE, Trail

door = trial_door("trail", "The audit trail, field by field.")
CSV: Final = "text/csv"
COLUMNS: Final = ("who", "role", "when", "field", "old", "new", "reason", "type", "subject", "id")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@door.route("/events", methods=["GET"])
@door.query(Trail)
@door.alt_response(200, description="A page of rows; as text/csv all rows.")
def get_events(query: dict[str, Any]) -> Response:
    """The audit trail by subject, type, actor, site and time (21 CFR 11.10(e))."""
    held = doors()
    held.follow()
    after = number_key("trail", query.get("after"))
    if _wants_csv(query):
        rows = stream_with_context(csv_lines(_all(held, query, after)))
        response = Response(rows, content_type="text/csv; charset=utf-8; header=present")
        response.headers["Content-Disposition"] = 'attachment; filename="audit-trail.csv"'
        response.headers["Cache-Control"] = "no-store"
        return response
    found = _rows(held, query, after, query["limit"])
    last = row_key(found[-1]) if found else None
    return page(found, limit=query["limit"], kind="trail", last=last)


def row_key(row: dict[str, Any]) -> int:
    """The number that orders the rows."""
    return int(row["row"])


def csv_lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The rows as RFC 4180 lines in which no cell can be taken for a formula."""
    yield _line(COLUMNS)
    for row in rows:
        yield _line([cell(row.get(column)) for column in COLUMNS])


def cell(value: Any) -> str:
    """A value as a cell: text as it is, all else as JSON, a formula's first sign disarmed."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else encoded(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()


def _wants_csv(query: dict[str, Any]) -> bool:
    if "format" in query:
        return bool(query["format"] == "csv")
    return request.accept_mimetypes.best_match(["application/json", CSV]) == CSV


def _rows(
    held: Doors, query: dict[str, Any], after: int | None, limit: int
) -> list[dict[str, Any]]:
    names = ("subject", "type", "actor", "site", "since", "until")
    return held.projections.audit_trail(*(query.get(name) for name in names), after, limit)


def _all(held: Doors, query: dict[str, Any], after: int | None) -> Iterator[dict[str, Any]]:
    while rows := _rows(held, query, after, MAX_PAGE):
        yield from rows
        if len(rows) < MAX_PAGE:
            return
        after = row_key(rows[-1])

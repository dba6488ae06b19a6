"""The audit trail: who changed which field, when, from what to what, and why."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

from flask import Response, request, stream_with_context

from api.access.control import confined_to
from api.access.control import reader as asking
from api.access.table import Operation, serves
from api.context import Doors, doors
from api.resources import trial_door
from api.responses import encoded, page
from api.schemas.cursor import number_key, text_key
from api.schemas.query import MAX_PAGE, Trail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

door = trial_door("trail", "The audit trail, field by field.")
CSV: Final = "text/csv"
COLUMNS: Final[Mapping[str, str]] = {
    "who": "who",
    "name": "name",
    "role": "role",
    "when": "recorded",
    "occurred": "occurred",
    "action": "action",
    "field": "field",
    "old": "old",
    "new": "new",
    "reason": "reason",
    "meaning": "meaning",
    "type": "type",
    "subject": "subject",
    "stream": "stream",
    "event": "event",
    "seq": "seq",
}
"""The columns of the CSV form, each with the member of the row it shows."""

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@door.route("/events", methods=["GET"])
@door.query(Trail)
@door.alt_response(200, description="A page of rows; as text/csv all rows.")
@serves(Operation.AUDIT_TRAIL)
def get_events(query: dict[str, Any]) -> Response:
    """The audit trail by subject, type, actor, site and time (21 CFR 11.10(e)).

    One row for each field of each entry; ``limit`` counts entries, whose rows stay together.
    """
    held = doors()
    held.follow()
    site = confined_to(query.get("site"))
    query = query if site is None else {**query, "site": site}
    after = _after(query.get("after"))
    if _wants_csv(query):
        rows = stream_with_context(csv_lines(_all(held, query, after)))
        response = Response(rows, content_type="text/csv; charset=utf-8; header=present")
        response.headers["Content-Disposition"] = 'attachment; filename="audit-trail.csv"'
        response.headers["Cache-Control"] = "no-store"
        return response
    found = _rows(held, query, after, query["limit"])
    entries = [row[_place()] for row in found]
    more = len(set(entries)) >= query["limit"]
    return page(found, more=more, kind="trail", last=entries[-1] if entries else None)


def _place() -> str:
    """The member that names a place in the trail: a position, for a masked reader an event."""
    return "event" if asking().masked else "seq"


def _after(cursor: str | None) -> int | str:
    if asking().masked:
        return text_key("trail", cursor) or ""
    after = number_key("trail", cursor)
    return -1 if after is None else after


def csv_lines(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    """The rows as RFC 4180 lines in which no cell can be taken for a formula."""
    yield _line(COLUMNS)
    for row in rows:
        shown = {**row, "reason": _reason(row)}
        yield _line([cell(shown.get(member)) for member in COLUMNS.values()])


def cell(value: Any) -> str:
    """A value as a cell: text as it is, all else as JSON, a formula's first sign disarmed."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else encoded(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _reason(row: Mapping[str, Any]) -> str:
    parts = (row.get("reason_code"), row.get("reason_text"))
    return ": ".join(str(part) for part in parts if part)


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(cells)
    return line.getvalue()


def _wants_csv(query: dict[str, Any]) -> bool:
    if "format" in query:
        return bool(query["format"] == "csv")
    return request.accept_mimetypes.best_match(["application/json", CSV]) == CSV


def _rows(
    held: Doors, query: Mapping[str, Any], after: int | str, limit: int
) -> list[dict[str, Any]]:
    found = held.reading().audit_trail(
        subject=query.get("subject"),
        type=query.get("type"),
        actor=query.get("actor"),
        site=query.get("site"),
        since=query.get("since"),
        until=query.get("until"),
        after=after,
        limit=limit,
    )
    return held.withholding().rows(found)


def _all(held: Doors, query: Mapping[str, Any], after: int | str) -> Iterator[dict[str, Any]]:
    while rows := _rows(held, query, after, MAX_PAGE):
        yield from rows
        after = rows[-1][_place()]

"""The GCP audit report over HTTP."""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING, Any, Final

from flask import Response
from werkzeug.wsgi import FileWrapper

from api.access.table import Operation, serves
from api.context import doors
from api.resources import trial_door
from api.responses import JSON
from api.schemas.query import ReportQuery
from projections.masking import MaskedProjections
from projections.report import opened_report
from projections.report.masked import masked_report

if TYPE_CHECKING:
    from api.context import Doors

HTML: Final = "text/html; charset=utf-8"

_BLOCK: Final = 1 << 16
_MOST_HELD: Final = 1 << 22
"""Bytes of a report that are held in memory; a longer one is written to a temporary file."""

door = trial_door("report", "The audit report.")


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
    # All of it is drawn before the first byte is sent: what fails must not look like a report.
    file = tempfile.SpooledTemporaryFile(_MOST_HELD)  # noqa: SIM115 - closed when it was sent
    try:
        _draw(file, held, query)
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    kind = HTML if query["format"] == "html" else JSON
    if length <= _MOST_HELD:
        with file:
            response = Response(file.read(), content_type=kind)
    else:
        response = Response(FileWrapper(file, _BLOCK), content_type=kind)  # which closes it
        response.content_length = length
    response.headers["Cache-Control"] = "no-store"
    return response


def _draw(out: IO[bytes], held: Doors, query: dict[str, Any]) -> None:
    reading, as_of, subject = held.reading(), query.get("as_of"), query.get("subject")
    if isinstance(reading, MaskedProjections):
        day = held.day_of_record(as_of)
        with reading.turn:  # it works on the shared folds from the first section to the last
            report = masked_report(reading, held.ledger, as_of=day, subject=subject)
            report.write(out, format=query["format"])
        return
    with opened_report(held.projections, held.ledger, as_of=as_of, subject=subject) as report:
        report.write(out, format=query["format"])

"""Subjects: their state, their replay, and the counts of enrolment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.access.control import confined_to
from api.access.reader import site_of_subject
from api.access.table import Operation, serves
from api.context import doors
from api.resources import trial_door
from api.responses import json_response, page
from api.schemas.cursor import text_key
from api.schemas.query import Known, Page, Replay
from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from flask import Response

door = trial_door("subjects", "Subjects and enrolment, at any record and occurrence time.")


@door.route("/subjects", methods=["GET"])
@door.query(Page)
@serves(Operation.SUBJECTS)
def get_subjects(query: dict[str, Any]) -> Response:
    """The subjects in order of their ids."""
    held = doors()
    held.follow()
    after, site = text_key("subjects", query.get("after")) or "", confined_to(None)
    # A site's ids follow each other, so its rows are one stretch of the listing.
    first = after if site is None else max(after, f"{site}-")
    found = held.reading().subjects(first, query["limit"])
    rows = [row for row in found if site in (None, site_of_subject(subject_key(row)))]
    last = subject_key(rows[-1]) if rows else None
    return page(rows, more=len(rows) >= query["limit"], kind="subjects", last=last)


@door.route("/subjects/<string:subject_id>", methods=["GET"])
@door.query(Replay)
@serves(Operation.SUBJECT)
def get_subject(query: dict[str, Any], subject_id: str) -> Response:
    """A subject's state, as known at a record time of what had happened at an occurrence time."""
    held = doors()
    known_at = held.known_at(query.get("known_at"))
    state = _found(held.reading().subject(subject_id, known_at, query.get("true_at")))
    return json_response(held.withholding().subject(state))


@door.route("/subjects/<string:subject_id>/replay", methods=["GET"])
@door.query(Replay)
@serves(Operation.REPLAY)
def get_replay(query: dict[str, Any], subject_id: str) -> Response:
    """A subject's history, event by event, with the state it led to."""
    held = doors()
    known_at = held.known_at(query.get("known_at"))
    course = _found(held.reading().replay(subject_id, known_at, query.get("true_at")))
    return json_response(held.withholding().replay(course))


@door.route("/enrolment", methods=["GET"])
@door.query(Known)
@serves(Operation.ENROLMENT)
def get_enrolment(query: dict[str, Any]) -> Response:
    """The counts of a CONSORT flow diagram."""
    held = doors()
    return json_response(held.reading().enrolment(held.known_at(query.get("known_at"))))


def subject_key(row: dict[str, Any]) -> str:
    """The id of a row of the listing."""
    return str(row["subject"])


def _found(state: dict[str, Any] | None) -> dict[str, Any]:
    if state is None:
        raise RejectedInput("subject.not-found", "No such subject was known then.")
    return state

"""Events: posted one by one or many at once, read one by one with their receipts."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any

from flask import Response, request

from api.access.control import open_identity, require_record
from api.access.control import reader as asking
from api.access.openings import opened_members, shown_to
from api.access.table import Operation, serves
from api.context import VERIFIERS, Doors, doors
from api.door import bounded_body
from api.outcomes import Answer, answer, failure
from api.resources import trial_door
from api.responses import encoded, json_response, text_response, unchanging
from api.schemas.openapi import EVENT_BODY, EventRead, Problem, Recorded
from api.schemas.query import EventQuery, ReceiptQuery
from api.statements import (
    ACCEPTED,
    MANY,
    MAX_MANY_BYTES,
    MAX_ONE_BYTES,
    Offered,
    media_type_of,
    read_line,
    read_statement,
    split_lines,
)
from ledger.errors import LedgerError, RejectedInput
from ledger.publication.log_reader import LogReader
from ledger.recording.submission import Submission
from ledger.signing.envelope import UUID7
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ledger.record import Record

door = trial_door("events", "Signed events and their receipts.")


@door.route("/events", methods=["POST"])
@door.doc(requestBody=EVENT_BODY)
@door.alt_response(201, schema=Recorded, description="Recorded; a command with its result.")
@door.alt_response(200, schema=Recorded, description="The same again, or an answer to each line.")
@door.alt_response(409, schema=Problem, description="Refused, with both receipts.")
@serves(Operation.POST)
def post_events() -> Response:
    """Record one signed statement, or many.

    201 means: durable on disk, in the chain, under a signed checkpoint. The same statement again
    gives 200 and the receipt first given, so every retry is safe.
    """
    media_type = media_type_of(request.headers.get("Content-Type"), accepted=ACCEPTED)
    now = doors().now()
    if media_type == MANY:
        return _post_many(bounded_body(MAX_MANY_BYTES), now)
    offered = read_statement(media_type, bounded_body(MAX_ONE_BYTES))
    held = doors()
    submission = held.ledger.receive(offered.text, offered.disclosures)
    told = _submit(held, [submission], now)[0]
    held.metrics.statements.labels(str(told.status)).inc()
    if told.problem is not None:
        return told.problem.response()
    response = json_response(told.members, told.status)
    response.headers["Location"] = f"{request.path}/{submission.event.id}"
    return response


def _post_many(body: bytes, now: datetime) -> Response:
    held = doors()
    received = _received(held, split_lines(body))
    good = [one for one in received if isinstance(one, Submission)]
    told = iter(_submit(held, good, now))
    answers = [
        (one.event.id, next(told)) if isinstance(one, Submission) else (None, failure(one))
        for one in received
    ]
    for status, count in Counter(one.status for _, one in answers).items():
        held.metrics.statements.labels(str(status)).inc(count)
    lines = [
        encoded(_line(number, event_id, one)) + "\n"
        for number, (event_id, one) in enumerate(answers, start=1)
    ]
    response = Response("".join(lines), status=200, content_type=MANY)
    response.headers["Cache-Control"] = "no-store"
    return response


def _received(held: Doors, lines: list[bytes]) -> list[Submission | LedgerError]:
    """Each line checked, in order; every thread takes one share, for each hand-over costs."""
    share = -(-len(lines) // VERIFIERS)
    shares = [lines[start : start + share] for start in range(0, len(lines), share)]
    checked = held.verifiers.map(lambda some: [_receive(held, line) for line in some], shares)
    return list(chain.from_iterable(checked))


def _receive(held: Doors, line: bytes) -> Submission | LedgerError:
    try:
        offered: Offered = read_line(line)
        return held.ledger.receive(offered.text, offered.disclosures)
    except LedgerError as error:
        return error


def _submit(held: Doors, submissions: Sequence[Submission], now: datetime) -> list[Answer]:
    outcomes = held.ledger.submit_all(submissions, now)
    application = held.ledger.application
    return [
        answer(application, submission, outcome)
        for submission, outcome in zip(submissions, outcomes, strict=True)
    ]


def _line(number: int, event_id: str | None, told: Answer) -> dict[str, Any]:
    line: dict[str, Any] = {"line": number, "id": event_id, "status": told.status, **told.members}
    if told.problem is not None:
        line["problem"] = told.problem.members()
    return line


@door.route("/events/<string:event_id>", methods=["GET"])
@door.query(EventQuery)
@door.alt_response(200, schema=EventRead, description="The entry and what it says.")
@door.alt_response(404, schema=Problem, description="No such event.")
@serves(Operation.EVENT)
def get_event(query: dict[str, Any], event_id: str) -> Response:
    """One entry of the log, byte for byte, and its event in the clear.

    Sealed members are opened as far as the reader may see them; `kept_back` names the others.
    """
    if "open" in query:
        open_identity()
    record, shown = _record(event_id), shown_to(asking())
    content = _event(record, shown | {Purpose.IDENTITY} if "open" in query else shown)
    response = json_response(content)
    # Who asks, and what was erased since, decide what is opened.
    response = unchanging(response, sha256(encoded(content).encode()).hexdigest())
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@door.route("/events/<string:event_id>/receipt", methods=["GET"])
@door.query(ReceiptQuery)
@door.alt_response(200, description="The receipt, a C2SP tlog-proof.")
@door.alt_response(404, schema=Problem, description="No such event, or no such checkpoint.")
@serves(Operation.RECEIPT)
def get_receipt(query: dict[str, Any], event_id: str) -> Response:
    """The receipt that was first given for an event, or one under a later checkpoint.

    With `size` it is under the checkpoint of that size, with `latest=true` under the newest one,
    each with all cosignatures it has by now.
    """
    record, ledger, size = _record(event_id), doors().ledger, query.get("size")
    if size is None and query.get("latest") != "true":
        return unchanging(text_response(ledger.receipt(record.seq).text()), record.sha256)
    signed = ledger.publisher.signed if ledger.publisher is not None else None
    reader = LogReader(ledger.application.store)
    ledger.require_confirmed(reader.size if size is None else size)
    later = reader.receipt(record.seq, size=size, signed=signed)
    # A checkpoint gathers cosignatures after it was made, and the newest one changes at any time.
    response = unchanging(text_response(later.text()), sha256(later.text().encode()).hexdigest())
    response.headers["Cache-Control"] = "no-cache"
    return response


def _record(event_id: str) -> Record:
    record = doors().ledger.find(event_id) if UUID7.fullmatch(event_id) else None
    if record is None:
        raise RejectedInput(
            "event.not-found",
            "The log has no event of that id.",
            remedy="Ids are UUIDs of version 7 in lower case, as the sender made them.",
        )
    require_record(record)
    return record


def _event(record: Record, shown: frozenset[Purpose]) -> dict[str, Any]:
    entry, event = record.entry, record.event
    opened, kept_back = opened_members(record, asking(), shown)
    # What holds personal data in clear is shown by its hash alone.
    restricted = doors().ledger.application.restrictions.concerns(record.id)
    return {
        "id": record.id,
        "seq": record.seq,
        "entry_sha256": record.sha256,
        "recorded_at": entry.recorded_at,
        "stream": entry.stream,
        "stream_seq": entry.stream_seq,
        "entry": None if restricted else entry.to_bytes().decode("utf-8"),
        "statement": None if restricted else entry.statement,
        "restricted_by": restricted,
        "erased_by": [*record.erased],
        "event": {
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "trialid": event.trialid,
            "data": event.data,
        },
        "signatures": [
            {
                "kid": signature.kid,
                "alg": signature.algorithm.value,
                "meaning": signature.meaning.value if signature.meaning else None,
                "iat": signature.iat,
            }
            for signature in record.statement.signatures
        ],
        "opened": opened,
        "kept_back": kept_back,
        "withheld": record.withheld,
    }

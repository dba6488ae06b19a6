"""Errors as RFC 9457 problems: one shape, one table of statuses, for every route."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from eventsourcing.persistence import PersistenceError
from flask import Flask, Response, current_app
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, TrustFailure, Unavailable
from ledger.events.event_type import first_problem

PROBLEM_JSON: Final = "application/problem+json"
RETRY_SECONDS: Final = 1
_log = logging.getLogger("api.problems")


@dataclass(frozen=True, slots=True)
class Family:
    """A family of problem codes: those that begin with ``prefix``, their status, their title."""

    prefix: str
    status: int
    title: str


FAMILIES: Final = (
    # Sizes.
    Family("statement.too-large", 413, "The statement is too large"),
    Family("sealed.too-large", 413, "The disclosures are too large"),
    Family("strict-json.size", 413, "The text is too large"),
    Family("body.too-large", 413, "The body is too large"),
    # Bytes that cannot be read.
    Family("strict-json.", 400, "The JSON is not acceptable"),
    Family("base64url.", 400, "The base64url text is not canonical"),
    Family("statement.", 400, "The statement is malformed"),
    Family("body.media-type", 415, "The media type is not accepted"),
    Family("body.", 400, "The body cannot be read"),
    Family("header.", 400, "A header is not acceptable"),
    Family("host.foreign", 421, "The host is not served here"),
    Family("host.", 400, "The host is not acceptable"),
    # What was read but may not stand in the record.
    Family("envelope.", 422, "The event's envelope is not acceptable"),
    Family("schema.", 422, "The event's data do not fit its type"),
    Family("sealed.", 422, "The sealed members are not acceptable"),
    Family("time.", 422, "The time is not acceptable"),
    Family("jwk.", 422, "The key is not acceptable"),
    Family("ed25519.", 422, "The key is weak"),
    Family("event.id-conflict", 409, "The id names another event"),
    Family("event.not-found", 404, "There is no such event"),
    Family("event.unknown-position", 404, "There is no such entry"),
    Family("event.", 422, "The event cannot be recorded"),
    Family("subject.not-found", 404, "There is no such subject"),
    Family("report.unknown-subject", 404, "There is no such subject"),
    Family("receipt.", 404, "There is no such receipt"),
    Family("tiles.restricted", 451, "An entry in it is no longer served"),
    Family("bundle.restricted", 451, "It would hold data that are no longer served"),
    Family("tiles.", 404, "There is no such tile"),
    Family("log.beyond-newest", 404, "The log is not that long"),
    Family("log.not-cosigned", 404, "No quorum has cosigned the log yet"),
    Family("timestamps.not-found", 404, "There is no such time stamp"),
    Family("allocation.none", 404, "The subject has no allocation"),
    Family("trial.not-found", 404, "There is no such trial"),
    Family("problem.not-found", 404, "There is no such problem"),
    Family("query.", 422, "The query is not acceptable"),
    Family("command.refused", 409, "The command was refused"),
    # Who reads.
    Family("token.limited", 429, "Too many log-ins failed"),
    Family("token.", 400, "The token cannot be issued"),
    Family("assertion.", 401, "The assertion proves nothing"),
    Family("jwt.", 401, "The token is not acceptable"),
    Family("bearer.malformed", 400, "The header Authorization is not acceptable"),
    Family("bearer.", 401, "A token is needed"),
    Family("access.", 403, "The reader may not do this"),
    Family("reader.", 403, "A masked reader may not do this"),
    Family("unblinding.", 403, "The blind of this subject is not broken by this reader"),
    Family("masked.", 422, "The masked view has no such thing"),
    # Who signed.
    Family("signature.", 403, "A signature does not hold"),
    Family("authority.", 403, "The signers may not say this"),
    Family("rate.limited", 429, "Too many requests"),
    Family("http.", 400, "The request is not served"),
    Family("internal.", 500, "The ledger failed"),
)
"""The one table: the first family whose prefix begins a code decides."""

_BY_FAULT: Final = (
    (Unavailable, Family("", 503, "The ledger cannot act at the moment")),
    (IntegrityFailure, Family("", 500, "The ledger's own data are not sound")),
    (TrustFailure, Family("", 403, "The signers are not trusted with this")),
    (RejectedInput, Family("", 422, "The request is not acceptable")),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as it is sent: the members of RFC 9457 and ours.

    ``extra`` holds further members (``rules``, ``receipt`` …); ``headers`` go with the response.
    """

    code: str
    status: int
    title: str
    detail: str
    where: str | None = None
    remedy: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def members(self) -> dict[str, Any]:
        """The JSON object."""
        found: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.where is not None:
            found["where"] = self.where
        if self.remedy is not None:
            found["remedy"] = self.remedy
        return {**found, **self.extra}

    def response(self) -> Response:
        """The problem as a response."""
        body = json.dumps(self.members(), ensure_ascii=False, allow_nan=False)
        response = Response(body, status=self.status, content_type=PROBLEM_JSON)
        response.headers.update(dict(self.headers))
        return response


class Problematic(RejectedInput):
    """A refusal by the doors themselves that needs headers or further members."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message, where=where, remedy=remedy)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def family_of(error: LedgerError) -> Family:
    """The family of an error: by who is at fault for ours, by its code for a sender's."""
    if isinstance(error, (Unavailable, IntegrityFailure)):
        return next(family for kind, family in _BY_FAULT if isinstance(error, kind))
    for family in FAMILIES:
        if error.code.startswith(family.prefix):
            return family
    return next((f for kind, f in _BY_FAULT if isinstance(error, kind)), _BY_FAULT[-1][1])


def problem_of(error: LedgerError) -> Problem:
    """The problem that tells a sender of an error."""
    family = family_of(error)
    headers = dict(error.headers) if isinstance(error, Problematic) else {}
    if family.status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    return Problem(
        code=error.code,
        status=family.status,
        title=family.title,
        detail=error.message,
        where=error.where,
        remedy=error.remedy,
        extra=error.extra if isinstance(error, Problematic) else {},
        headers=headers,
    )


def problem_of_http(error: HTTPException) -> Problem:
    """The problem of what Flask itself refuses; its headers (``Allow`` …) are kept."""
    status = error.code or 500
    name = HTTPStatus(status).phrase
    headers = {
        key: value
        for key, value in error.get_headers()
        if key.lower() not in ("content-type", "content-length")
    }
    code = "internal.error" if status >= 500 else f"http.{name.lower().replace(' ', '-')}"
    if status == 413:
        code = "body.too-large"
    detail = _HTTP_SENTENCES.get(status, f"The request is not served: {name}.")
    return Problem(code, status, name, detail, headers=headers)


_HTTP_SENTENCES: Final = {
    400: "The request cannot be read.",
    404: "There is nothing at this address; GET /docs lists what there is.",
    405: "The address does not take this method; see the header Allow.",
    413: "The body is larger than is accepted here.",
    500: "The ledger failed; nothing of the request was acknowledged.",
}


def problem_of_query(error: ValidationError) -> Problem:
    """The problem of a query that its schema refuses, naming the first parameter at fault."""
    messages: Mapping[Any, object] = error.messages_dict
    query = messages.get("query", messages)
    where, message = first_problem(query if isinstance(query, Mapping) else {"query": query})
    name = where.strip("/").partition("/")[0]
    code = "query.unknown-parameter" if message == "Unknown field." else "query.parameter"
    if code == "query.unknown-parameter":
        message = "There is no such parameter here."
    return problem_of(RejectedInput(code, f"{name}: {message}", where=name))


def register(app: Flask) -> None:
    """Let every error of the application leave it in this one shape."""

    @app.errorhandler(LedgerError)
    def _ledger(error: LedgerError) -> Response:
        if isinstance(error, IntegrityFailure):
            _log.error("Stored data are not sound: %s", error)
        return problem_of(error).response()

    @app.errorhandler(PersistenceError)
    def _away(error: PersistenceError) -> Response:
        _log.error("The database does not answer: %s", error)
        return problem_of(
            Unavailable(
                "storage.unavailable",
                f"The database does not answer now ({type(error).__name__}).",
                remedy="Ask again after the time in Retry-After.",
            )
        ).response()

    @app.errorhandler(ValidationError)
    def _query(error: ValidationError) -> Response:
        return problem_of_query(error).response()

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        return problem_of_http(error).response()

    @app.errorhandler(Exception)
    def _unforeseen(error: Exception) -> Response:
        current_app.logger.error("Unforeseen failure", exc_info=error)
        detail = "The ledger failed; nothing of the request was acknowledged."
        return Problem("internal.error", 500, "Internal Server Error", detail).response()

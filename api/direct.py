"""The direct way of one posted statement: past the framework, with everything the route does.

Half of a web worker's time for a statement was the framework's: contexts, routing, wrappers,
header objects. Here a plain ``POST …/events`` of one statement is answered without them, and
whatever is not plain goes the usual way: another route or media type, a query, a body without a
length, a demonstration's time, an unforeseen failure. What the route of ``api.resources.events``
answers must not differ by a byte.
"""

from __future__ import annotations

import re
import time
from functools import cache
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Final

from api.outcomes import answer
from api.problems import problem_of
from api.responses import JSON, encoded
from api.statements import MAX_ONE_BYTES, ONE, read_statement
from ledger.errors import IntegrityFailure, LedgerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from api.context import Doors
    from api.problems import Problem

_LENGTH: Final = re.compile(r"[1-9][0-9]{0,5}")
_FIXED: Final = (("Content-Type", JSON), ("Cache-Control", "no-store"))
_UNUSUAL: Final = (
    "HTTP_CONTENT_ENCODING",
    "HTTP_DEMONSTRATION_TIME",
    "HTTP_EXPECT",
    "HTTP_TRANSFER_ENCODING",
)


class DirectPosts:
    """Answers plain posts of one statement by itself and hands all else to the framework.

    ``admit`` checks the Host header and the client's rate, ``headers`` stand in every response.
    """

    def __init__(
        self,
        framework: WSGIApplication,
        held: Doors,
        *,
        admit: Callable[[str | None, str], None],
        headers: Mapping[str, str],
        rule: str,
    ) -> None:
        self._framework = framework
        self._held = held
        self._admit = admit
        self._path = rule.replace("<string:trial>", held.ledger.trial)
        self._always = [*headers.items()]
        self._seconds = held.metrics.seconds.labels(rule)
        measures = held.metrics
        self._requests = cache(lambda status: measures.requests.labels(rule, "POST", str(status)))
        self._statements = cache(lambda status: measures.statements.labels(str(status)))

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        """The response to one request."""
        if not self._is_plain(environ):
            return self._framework(environ, start)
        began = time.perf_counter()
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        try:
            status, headers, content = self._post(environ, body)
        except Exception:  # noqa: BLE001 - the framework meets it again, and says what it is
            return self._framework({**environ, "wsgi.input": BytesIO(body)}, start)
        length = ("Content-Length", str(len(content)))
        phrase = HTTPStatus(status).phrase.upper()
        start(f"{status} {phrase}", [*headers, length, *self._always])
        self._requests(status).inc()
        self._seconds.observe(time.perf_counter() - began)
        return [content]

    def _is_plain(self, environ: WSGIEnvironment) -> bool:
        return (
            environ["PATH_INFO"] == self._path
            and environ["REQUEST_METHOD"] == "POST"
            and environ.get("CONTENT_TYPE") in ONE
            and _LENGTH.fullmatch(environ.get("CONTENT_LENGTH") or "") is not None
            and int(environ["CONTENT_LENGTH"]) <= MAX_ONE_BYTES
            and not environ.get("QUERY_STRING")
            and not environ.get("SCRIPT_NAME")
            and not any(name in environ for name in _UNUSUAL)
        )

    def _post(
        self, environ: WSGIEnvironment, body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and content; raises what is not an answer to a sender."""
        held, ledger = self._held, self._held.ledger
        if len(body) != int(environ["CONTENT_LENGTH"]):
            raise EOFError("The body is shorter than announced.")
        try:
            self._admit(environ.get("HTTP_HOST"), environ.get("REMOTE_ADDR") or "")
            offered = read_statement(environ["CONTENT_TYPE"], body)
            submission = ledger.receive(offered.text, offered.disclosures)
            outcome = ledger.submit_all([submission], ledger.clock.now())[0]
        except IntegrityFailure:
            raise
        except LedgerError as error:
            return _told(problem_of(error))
        told = answer(held.ledger.application, submission, outcome)
        self._statements(told.status).inc()
        if told.problem is not None:
            return _told(told.problem)
        location = ("Location", f"{self._path}/{submission.event.id}")
        return told.status, [*_FIXED, location], encoded(told.members).encode()


def _told(problem: Problem) -> tuple[int, list[tuple[str, str]], bytes]:
    response = problem.response()
    headers = [(name, value) for name, value in response.headers if name != "Content-Length"]
    return problem.status, headers, response.get_data()

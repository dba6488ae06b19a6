"""What stands before every route: the host, the rate, the query, and the size of the body."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flask import Flask, request

from api.problems import Problematic
from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
MAX_CLIENTS: Final = 10_000
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::[0-9]{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much one client address may ask: a burst, and requests a second after it."""

    burst: int = 2_000
    per_second: float = 500.0


class Buckets:
    """Token buckets by client address, the least recently seen forgotten first."""

    def __init__(self, limit: RateLimit, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._now = now
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Take a token; 0 when there was one, else the seconds until there will be."""
        with self._lock:
            now = self._now()
            tokens, seen = self._buckets.pop(client, (float(self._limit.burst), now))
            tokens = min(self._limit.burst, tokens + (now - seen) * self._limit.per_second)
            enough = tokens >= 1
            self._buckets[client] = (tokens - 1 if enough else tokens, now)
            while len(self._buckets) > MAX_CLIENTS:
                self._buckets.popitem(last=False)
        return 0.0 if enough else (1 - tokens) / self._limit.per_second


def guard(
    app: Flask, *, hosts: frozenset[str], rate: RateLimit | None
) -> Callable[[str | None, str], None]:
    """Check host, rate and query names before any route.

    What it gives checks a Host header and a client's address alone.
    """
    allowed = LOOPBACK | {host.lower() for host in hosts}
    buckets = Buckets(rate) if rate is not None else None

    def admit(host: str | None, client: str) -> None:
        require_host(host, allowed)
        if buckets is not None:
            _require_rate(buckets.wait(client))

    @app.before_request
    def _before() -> None:
        admit(request.headers.get("Host"), request.remote_addr or "")
        view = app.view_functions.get(request.endpoint or "")
        if view is not None:
            _require_query(getattr(view, "query_names", frozenset()))

    return admit


def require_host(header: str | None, allowed: frozenset[str]) -> None:
    """Refuse a Host that is not ours: a page elsewhere must not reach a ledger on loopback.

    Raises RejectedInput ``host.malformed`` (400) or ``host.foreign`` (421).
    """
    match = _HOST.fullmatch(header) if header is not None and len(header) <= 260 else None
    if match is None:
        raise RejectedInput("host.malformed", "The header Host is missing or malformed.")
    if match[1].lower() not in allowed:
        raise RejectedInput(
            "host.foreign",
            "This service does not answer for that host.",
            where="Host",
            remedy="Use the service's own name; LEDGER_ALLOWED_HOSTS adds names.",
        )


def _require_rate(wait: float) -> None:
    if wait:
        raise Problematic(
            "rate.limited",
            "This client asks more often than is allowed.",
            remedy="Wait as Retry-After says; send statements in batches.",
            headers={"Retry-After": str(int(wait) + 1)},
        )


def _require_query(names: frozenset[str]) -> None:
    for name, values in request.args.lists():
        if name not in names:
            raise RejectedInput(
                "query.unknown-parameter",
                f"{name[:80]}: There is no such parameter here.",
                where=name[:80],
                remedy=f"Known here: {', '.join(sorted(names)) or 'none'}.",
            )
        if len(values) > 1:
            raise RejectedInput(
                "query.duplicate-parameter", f"{name}: The parameter is given twice.", where=name
            )


def bounded_body(limit: int) -> bytes:
    """The request's body, at most ``limit`` bytes however its length was announced.

    Raises RejectedInput ``body.media-type``, ``body.too-large`` or ``body.incomplete``; a body
    whose announced length is too large is not read at all and is Flask's own 413.
    """
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problematic(
            "body.media-type",
            "A compressed body is not taken.",
            where="Content-Encoding",
            headers={"Accept-Encoding": "identity"},
        )
    request.max_content_length = limit + 1  # a body without a length is cut there, not refused
    announced = request.content_length
    body = request.get_data(cache=False)
    if len(body) > limit:
        raise RejectedInput(
            "body.too-large",
            f"The body is larger than the {limit} bytes that are accepted here.",
            remedy="Send the statements in several requests.",
        )
    if announced is not None and len(body) != announced:
        raise RejectedInput("body.incomplete", "The body is shorter than announced.")
    return body

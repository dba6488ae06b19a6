"""A standalone witness behind HTTP (C2SP tlog-witness), without a ledger or subject data.

Other machines may reach it: every request is judged by the log's signature it carries, and what
it tells is public.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import partial
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, request
from granian import Granian
from granian.constants import Interfaces
from werkzeug.exceptions import NotFound

from api import problems
from api.door import Buckets, RateLimit, bounded_body
from api.problems import Problematic
from api.responses import json_response, text_response
from ledger.clock import Clock, SystemClock
from ledger.errors import RejectedInput, Unavailable
from ledger.witness.request import MAX_BODY_BYTES
from ledger.witness.witness import Witness, open_witness

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ledger.witness.protocol import TrustedLogs

THREADS: Final = 8
FRESH_SECONDS: Final = 5
"""How long a served checkpoint may be kept by caches."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class WitnessSettings:
    """What a witness runs with: key file, state file, and the logs it knows."""

    key: Path
    state: Path
    logs: TrustedLogs

    def open(self, clock: Clock | None = None) -> Witness:
        """Open the witness; raises what ``open_witness`` raises."""
        return open_witness(self.key, self.state, logs=self.logs, clock=clock or SystemClock())


def create_witness_app(witness: Witness, rate: RateLimit | None = None) -> Flask:
    """The application of an open witness; whoever opened it closes it."""
    app = Flask("api.witness", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES, PROPAGATE_EXCEPTIONS=False)
    app.url_map.strict_slashes = True
    problems.register(app)
    if rate is not None:
        _limit(app, Buckets(rate))

    @app.post("/add-checkpoint")
    def _add_checkpoint() -> Response:
        answer = witness.add_checkpoint(bounded_body(MAX_BODY_BYTES))
        response = text_response(answer.body, answer.media_type)
        response.status_code = answer.status
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/<digest>/checkpoint")
    def _checkpoint(digest: str) -> Response:
        note = witness.state.note(digest) if _DIGEST.fullmatch(digest) else None
        if note is None:
            raise NotFound("Nothing was cosigned of a log with that hash of its origin.")
        response = text_response(note)
        response.headers["Cache-Control"] = f"max-age={FRESH_SECONDS}"
        return response

    @app.get("/healthz")
    def _health() -> Response:
        return json_response(describe(witness))

    @app.after_request
    def _finish(response: Response) -> Response:
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    return app


def describe(witness: Witness) -> dict[str, Any]:
    """What a witness says of itself: name, keys, and of each log its newest cosigned head."""
    cosigned = {one.origin: one for one in witness.state.cosigned()}
    refused = witness.state.refused()
    return {
        "status": "alive",
        "name": witness.keys.name,
        "keys": [str(vkey) for vkey in witness.keys.vkeys],
        "clock_behind_seconds": witness.clock_behind(),
        "logs": [
            {
                "origin": origin,
                "size": cosigned[origin].head.size if origin in cosigned else None,
                "time": cosigned[origin].time if origin in cosigned else None,
                "refused": sum(one.origin == origin for one in refused),
                "contradictions": sum(
                    one.origin == origin and one.contradiction for one in refused
                ),
            }
            for origin in sorted({*witness.logs, *cosigned})
        ],
    }


def _limit(app: Flask, buckets: Buckets) -> None:
    @app.before_request
    def _before() -> None:
        wait = buckets.wait(request.remote_addr or "")
        if wait:
            raise Problematic(
                "rate.limited",
                "This client asks more often than is allowed.",
                remedy="Wait as Retry-After says.",
                headers={"Retry-After": str(int(wait) + 1)},
            )


def build(settings: WitnessSettings) -> Flask:
    """Open the witness and put its door before it, in the process that serves."""
    witness = settings.open()
    Finalize(None, witness.close, exitpriority=1)  # multiprocessing runs no atexit handlers
    return create_witness_app(witness, RateLimit())


def serve_witness(settings: WitnessSettings, *, host: str = "127.0.0.1", port: int = 8090) -> None:
    """Serve a witness until interrupted (SIGINT, SIGTERM).

    Raises RejectedInput ``witness.port``, Unavailable ``witness.port-taken``, and what opening
    the witness raises.
    """
    if not 1 <= port <= 65_535:
        raise RejectedInput("witness.port", f"{port} is no TCP port.")
    settings.open().close()  # faults show here, not in the process that serves
    _require_free(host, port)
    server = Granian(
        "api.witness:build",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        log_enabled=False,
        respawn_failed_workers=False,
    )
    loader: Any = partial(build, settings)
    server.serve(target_loader=loader, wrap_loader=False)


def _require_free(host: str, port: int) -> None:
    try:
        found: Sequence[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise Unavailable(
            "witness.port-taken",
            f"Port {port} on {host} cannot be listened on ({error.strerror}).",
            remedy="Choose another port or address.",
        ) from error

"""The service: alive, ready, measured, described."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, current_app, render_template, request

from api.access.table import Operation, serves
from api.context import doors
from api.cosigning import cosigning_state
from api.problems import FAMILIES, Family
from api.responses import json_response, text_response
from api.schemas.openapi import Problem, Readiness
from api.schemas.query import Door
from api.stamping import stamping_state
from ledger.errors import RejectedInput, Unavailable
from ledger.events.registry import DOMAINS
from ledger.signing.rfc3339 import parse_recorded_at

door = Door("service", __name__, description="The service itself.")
HTML = "text/html; charset=utf-8"
READY_LAG = 5_000
"""How many entries the projections may lie behind while the service calls itself ready."""


INDEX: Final = (
    ("/docs", "Every route, event type and problem, as a page"),
    ("/openapi.json", "The same for machines, OpenAPI 3.1"),
    ("/v1/trials/{trial}/token", "Where readers get a token (POST)"),
    ("/v1/trials/{trial}/events", "Where signed events are posted, and the audit trail"),
    ("/v1/trials/{trial}/subjects", "The subjects: state, replay, and in an emergency the arm"),
    ("/v1/trials/{trial}/report", "The audit report"),
    ("/v1/trials/{trial}/log/checkpoint", "The log's newest signed checkpoint, public"),
    ("/healthz", "Whether the process is alive"),
    ("/readyz", "Whether statements are taken and reads are current"),
)
"""The doors that whoever comes to the bare address is shown, and what each is for."""


@door.route("/", methods=["GET"])
@door.alt_response(200, description="A page; as application/json an object of doors.")
@serves(Operation.SERVICE)
def get_index() -> Response:
    """What this address is, and its doors."""
    held = doors()
    rows = [(path.format(trial=held.ledger.trial), what) for path, what in INDEX]
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    if best == "text/html":
        demonstration = held.ledger.genesis.demonstration
        response = text_response(
            render_template(
                "index.html", trial=held.ledger.trial, rows=rows, demonstration=demonstration
            ),
            HTML,
        )
    else:
        response = json_response({"trial": held.ledger.trial, "doors": dict(rows)})
    response.vary.add("Accept")
    return response


@door.route("/healthz", methods=["GET"])
@serves(Operation.SERVICE)
def get_health() -> Response:
    """The process is alive."""
    return json_response({"status": "alive"})


@door.route("/readyz", methods=["GET"])
@door.alt_response(200, schema=Readiness, description="It takes statements and shows them.")
@door.alt_response(503, schema=Problem, description="It does not sign, or lies behind.")
@serves(Operation.SERVICE)
def get_readiness() -> Response:
    """The ledger takes statements and the projections follow; 503 when it does not.

    A witness or a time-stamping authority that does not answer is named here but stops nothing. So
    is an allocation list that is not as it must be: facts are recorded, and only who asks for a
    randomization is turned away.
    """
    held = doors()
    refusal = held.ledger.refusal
    if refusal is not None:
        raise Unavailable(
            "ledger.refuses-to-sign",
            f"The ledger does not sign: {refusal.message}",
            remedy=refusal.remedy,
        )
    head = held.head
    position = held.projections.wait_for(head, 0.0)
    if head - position > READY_LAG:
        raise Unavailable(
            "projections.behind", f"The projections have read {position} of {head} entries."
        )
    return json_response(
        {
            "status": "ready",
            "entries": head,
            "projections": position,
            "allocation": held.allocation.state(),
            "publication": cosigning_state(held.ledger),
            "time_stamps": stamping_state(held.ledger, held.stamping),
        }
    )


@door.route("/metrics", methods=["GET"])
@serves(Operation.METRICS)
def get_metrics() -> Response:
    """Counters and gauges, Prometheus text format."""
    held = doors()
    measures, writer = held.metrics, held.ledger.writer
    head = held.head
    measures.entries.set(head)
    measures.waiting.set(writer.waiting if writer else 0)
    measures.signing.set(0 if writer is None or held.ledger.refusal is not None else 1)
    measures.following(held.projections.lag())
    last = parse_recorded_at(held.ledger.application.store.head().recorded_at)
    behind = last - held.ledger.clock.now()
    measures.clock_behind.set(max(0.0, behind.total_seconds()))
    measures.publication(cosigning_state(held.ledger))
    measures.stamping(stamping_state(held.ledger, held.stamping))
    return text_response(measures.text(), "text/plain; version=0.0.4; charset=utf-8")


@door.route("/openapi.json", methods=["GET"])
@serves(Operation.SERVICE)
def get_openapi() -> Response:
    """This interface as OpenAPI 3.1, with a schema for the data of every event type."""
    return json_response(_specification())


@door.route("/docs", methods=["GET"])
@serves(Operation.SERVICE)
def get_docs() -> Response:
    """This interface as a page that needs nothing from elsewhere."""
    routes = [
        (path, method.upper(), operation)
        for path, operations in sorted(_specification()["paths"].items())
        for method, operation in operations.items()
        if isinstance(operation, dict)
    ]
    content = render_template(
        "docs.html", trial=doors().ledger.trial, routes=routes, domains=DOMAINS, families=FAMILIES
    )
    return text_response(content, HTML)


@door.route("/problems/<path:code>", methods=["GET"])
@serves(Operation.SERVICE)
def get_problem(code: str) -> Response:
    """What a problem's type means."""
    family = _family(code)
    if family is None:
        raise RejectedInput("problem.not-found", "There is no such problem type.")
    content = render_template("problem.html", code=code, family=family)
    return text_response(content, HTML)


def _family(code: str) -> Family | None:
    return next((family for family in FAMILIES if code.startswith(family.prefix)), None)


def _specification() -> dict[str, Any]:
    specification: dict[str, Any] = current_app.extensions["openapi"]
    return specification

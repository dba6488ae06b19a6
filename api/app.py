"""The application: a ledger and its projections behind HTTP."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask, Response, g, request
from flask_smorest import Api

from api import door, problems
from api.access import control
from api.access.table import PUBLIC
from api.context import KEY, Doors
from api.direct import DirectPosts
from api.metrics import Metrics
from api.resources import (
    access_log,
    allocation,
    bundle,
    deviations,
    events,
    log,
    report,
    service,
    subjects,
    tiles,
    timestamps,
    token,
    trail,
)
from api.responses import JSON
from api.schemas.openapi import Problem
from api.statements import MAX_MANY_BYTES
from ledger.events.registry import EVENT_TYPES
from projections.masking import MaskedProjections

if TYPE_CHECKING:
    from marshmallow import Schema

    from ledger.publication.timestamp_follower import TimestampFollower
    from ledger.service import TrialLedger
    from ledger.worker import WatchedStamping
    from projections.reading import Projections

OPENAPI_VERSION: Final = "3.1.0"
POSTING: Final = "events.post_events"
BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of this trial's token endpoint; a demonstration needs none.",
}
_ARGUMENT: Final = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": PAGE_POLICY,
}


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """What an operator may set: further host names, and the rate limit (None for none)."""

    hosts: frozenset[str] = frozenset()
    rate: door.RateLimit | None = None


class DoorApi(Api):
    """The OpenAPI layer, with our own shape of errors."""

    ERROR_SCHEMA = Problem


def create_app(
    ledger: TrialLedger,
    projections: Projections,
    settings: DoorSettings | None = None,
    *,
    stamping: TimestampFollower | WatchedStamping | None = None,
) -> Flask:
    """The application over an open ledger; whoever opened the ledger closes it."""
    chosen = settings or DoorSettings()
    app = Flask("api", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_MANY_BYTES,
        API_TITLE=f"Trial ledger {ledger.trial}",
        API_VERSION="v1",
        OPENAPI_VERSION=OPENAPI_VERSION,
        OPENAPI_URL_PREFIX=None,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.url_map.strict_slashes = True
    held = app.extensions[KEY] = Doors(ledger, projections, Metrics(), stamping)
    held.masked = MaskedProjections(ledger, lambda: [row.seq for row in projections.parked()])
    admit = door.guard(app, hosts=chosen.hosts, rate=chosen.rate)
    _measure(app)
    control.guard(app, held.access)
    api = DoorApi(app, spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(_schema_name)})
    reading = (events, trail, subjects, allocation, deviations, report, bundle)
    for module in (token, *reading, log, tiles, timestamps, access_log, service):
        api.register_blueprint(module.door)
    control.require_operations(app)
    problems.register(app)
    with app.app_context():
        app.extensions["openapi"] = _specification(api, app)
    rule = next(one.rule for one in app.url_map.iter_rules() if one.endpoint == POSTING)
    direct = DirectPosts(app.wsgi_app, held, admit=admit, headers=HEADERS, rule=rule)
    app.wsgi_app = direct  # type: ignore[method-assign,assignment]
    return app


def _measure(app: Flask) -> None:
    @app.before_request
    def _start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _finish(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        measures: Metrics = app.extensions[KEY].metrics
        route = request.url_rule.rule if request.url_rule else "none"
        measures.requests.labels(route, request.method, str(response.status_code)).inc()
        if "started" in g:
            measures.seconds.labels(route).observe(time.perf_counter() - g.started)
        return response


def _specification(api: Api, app: Flask) -> dict[str, Any]:
    """OpenAPI with the vocabulary: one component schema for the data of each event type."""
    for name, row in EVENT_TYPES.items():
        api.spec.components.schema(name, schema=row.schema, description=row.rule.meaning)
    api.spec.components.security_scheme("token", BEARER)
    specification: dict[str, Any] = api.spec.to_dict()
    specification["security"] = [{"token": []}]
    for rule in app.url_map.iter_rules():
        path = specification["paths"].get(_ARGUMENT.sub(r"{\1}", rule.rule), {})
        for method in {name.lower() for name in rule.methods or ()} & path.keys():
            operation = control.operation_of(app, rule.endpoint)
            path[method]["x-operation"] = operation.value
            if operation in PUBLIC:
                path[method]["security"] = []
    for response in specification["components"]["responses"].values():
        if "content" in response:
            response["content"] = {problems.PROBLEM_JSON: response["content"][JSON]}
    return specification


def _schema_name(schema: Schema | type[Schema] | str) -> str:
    if isinstance(schema, str):
        return schema
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__

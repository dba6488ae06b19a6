"""Errors have one shape on every route, whatever goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api.app import DoorSettings
from api.door import RateLimit
from api.problems import FAMILIES, family_of
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure, Unavailable
from ledger.events.registry import EVENT_TYPES
from tests.build_ledger import TRIAL, BuiltLedger

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.routing import Map
    from werkzeug.test import TestResponse

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPTIONAL = {"where": str, "remedy": str, "rules": list, "receipt": str, "result": dict}


def require_problem(answer: TestResponse, status: int | None = None) -> dict[str, Any]:
    """Assert the one shape and give the members."""
    told: dict[str, Any] = answer.get_json()
    assert answer.content_type == "application/problem+json"
    assert told["type"] == f"/problems/{told['code']}"
    assert told["status"] == answer.status_code
    assert answer.status_code == (status or answer.status_code)
    for name in ("title", "detail", "code"):
        assert isinstance(told[name], str)
        assert told[name]
    assert told["detail"].endswith(".")
    assert "Traceback" not in answer.text
    for name, kind in OPTIONAL.items():
        assert isinstance(told.get(name, kind()), kind)
    return told


def addresses(urls: Map) -> list[tuple[str, frozenset[str]]]:
    """An address of every route, with the methods it takes."""
    found: dict[str, set[str]] = {}
    for rule in urls.iter_rules():
        values = dict.fromkeys(rule.arguments, "query.cursor")
        values |= {"trial": TRIAL} if "trial" in rule.arguments else {}
        with_values = urls.bind("localhost").build(
            rule.endpoint, {k: v for k, v in values.items() if k in rule.arguments}
        )
        found.setdefault(with_values, set()).update(rule.methods or ())
    return [(address, frozenset(methods)) for address, methods in found.items()]


def test_a_wrong_method_is_405_on_every_route_and_names_the_right_ones(app: Flask) -> None:
    """The header Allow stands beside the problem (RFC 9110 section 15.5.6)."""
    client = app.test_client()
    for address, methods in addresses(app.url_map):
        for method in set(METHODS) - methods:
            answer = client.open(address, method=method)
            require_problem(answer, 405)
            assert set(answer.headers["Allow"].split(", ")) == methods


def test_an_unknown_parameter_is_refused_on_every_route(app: Flask) -> None:
    """A typing error in a filter must not widen an audit query."""
    client = app.test_client()
    for address, methods in addresses(app.url_map):
        if "static" in address:
            continue
        for method in methods & {"GET", "POST"}:
            told = require_problem(client.open(f"{address}?form=2024", method=method), 422)
            assert told["code"] == "query.unknown-parameter"
            assert told["where"] == "form"


def test_a_parameter_given_twice_is_refused(client: FlaskClient) -> None:
    """Two readers could take two different values of it."""
    answer = client.get(f"/v1/trials/{TRIAL}/quarantine?limit=1&limit=2")
    assert require_problem(answer, 422)["code"] == "query.duplicate-parameter"


@pytest.mark.parametrize(
    "address", ["/nothing", "/v1", f"/v1/trials/{TRIAL}", "/v1/trials/X/keys", "/%ff"]
)
def test_an_unknown_address_is_404(address: str, client: FlaskClient) -> None:
    """Also that of another trial."""
    require_problem(client.get(address), 404)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
def test_a_foreign_host_is_421_on_every_route(host: str, app: Flask) -> None:
    """A page elsewhere that rebinds its name must not reach a ledger on loopback."""
    client = app.test_client()
    for address, _ in addresses(app.url_map):
        require_problem(client.get(address, headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["a b", "localhost:x", "[::1", "localhost@evil", "x" * 300, "/"])
def test_a_malformed_host_is_400(host: str, client: FlaskClient) -> None:
    """Nothing is guessed."""
    require_problem(client.get("/healthz", headers={"Host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "Tunnel.Example"])
def test_loopback_and_configured_hosts_are_served(
    host: str, built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """A tunnel's name is added by the operator."""
    settings = DoorSettings(hosts=frozenset({"tunnel.example"}))
    client = open_doors(built.ledger, settings).test_client()
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_client_that_asks_too_often_is_told_when_to_come_back(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """429 with Retry-After."""
    settings = DoorSettings(rate=RateLimit(burst=3, per_second=0.01))
    client = open_doors(built.ledger, settings).test_client()
    statuses = [client.get("/healthz").status_code for _ in range(4)]
    answer = client.get("/healthz")
    assert statuses == [200, 200, 200, 429]
    require_problem(answer, 429)
    assert int(answer.headers["Retry-After"]) > 1


def test_an_unforeseen_failure_is_a_500_without_its_insides(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, no name, no value of what failed leaves the house."""

    def fail() -> str:
        message = "secret value"
        raise ZeroDivisionError(message)

    monkeypatch.setitem(app.view_functions, "service.get_health", fail)
    answer = app.test_client().get("/healthz")
    require_problem(answer, 500)
    assert "secret" not in answer.text


def test_a_ledger_that_refuses_to_sign_is_not_ready_and_says_why(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """Its reads go on; a statement gets 503 with Retry-After."""
    built.close()
    built.files.head.unlink()
    ledger = built.reopen()
    client = open_doors(ledger).test_client()
    told = require_problem(client.get("/readyz"), 503)
    assert "head file" in told["detail"]
    assert client.get(f"/v1/trials/{TRIAL}/log/checkpoint").status_code == 200
    state = client.get(f"/v1/trials/{TRIAL}/verification").get_json()
    assert state["state"] == "refuses-to-sign"
    assert state["reason"]["code"] == "head.file-missing"


def test_the_family_of_an_error_is_told_by_who_is_at_fault() -> None:
    """A sender's fault is never a 5xx, ours is never a 4xx."""
    for family in FAMILIES:
        code = f"{family.prefix}x" if family.prefix.endswith(".") else family.prefix
        assert family_of(Unavailable(code, "A sentence.")).status == 503
        assert family_of(IntegrityFailure(code, "A sentence.")).status == 500
        if not code.startswith("internal."):
            assert 400 <= family_of(RejectedInput(code, "A sentence.")).status < 500
            assert 400 <= family_of(TrustFailure(code, "A sentence.")).status < 500


def test_every_problem_type_leads_to_a_page(client: FlaskClient) -> None:
    """What stands in type can be followed."""
    for family in FAMILIES:
        code = f"{family.prefix}x" if family.prefix.endswith(".") else family.prefix
        answer = client.get(f"/problems/{code}")
        assert answer.status_code == 200
        assert family.title.replace("'", "&#39;") in answer.text


def test_the_pages_need_nothing_from_elsewhere(client: FlaskClient) -> None:
    """No script and no foreign address, and a policy that forbids both."""
    for address in ("/docs", "/problems/query.cursor"):
        answer = client.get(address)
        assert "<script" not in answer.text
        assert "http://" not in answer.text
        assert "https://" not in answer.text
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_openapi_describes_every_route_and_every_event_type(app: Flask) -> None:
    """Sites generate clients and forms from it."""
    told = app.test_client().get("/openapi.json").get_json()
    rules = {str(rule).replace("<string:", "{").replace("<path:", "{").replace(">", "}")
             for rule in app.url_map.iter_rules()} - {"/static/{filename}"}  # fmt: skip
    assert rules == set(told["paths"])
    assert set(EVENT_TYPES) <= set(told["components"]["schemas"])

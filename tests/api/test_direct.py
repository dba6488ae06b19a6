"""The direct way of a posted statement answers as the route does, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api.app import DoorSettings
from api.direct import DirectPosts
from api.door import RateLimit
from ledger.signing.jwk import SigningKey
from ledger.signing.statement import Signer
from tests.build_ledger import TRIAL, identify, seed_of
from tests.ledger.build_service import again, bag

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.test import TestResponse

    from tests.build_ledger import BuiltLedger, Signed

PATH = f"/v1/trials/{TRIAL}/events"


def told(answer: TestResponse) -> tuple[Any, ...]:
    """All of a response."""
    return answer.status, sorted(answer.headers), answer.data


def both(app: Flask, **request: Any) -> list[TestResponse]:
    """The same request by the direct way and by the framework's alone."""
    direct = app.wsgi_app
    assert isinstance(direct, DirectPosts)
    answers = []
    for way in (direct, direct._framework):
        app.wsgi_app = way  # type: ignore[method-assign,assignment]
        answers.append(app.test_client().post(PATH, **request))
    app.wsgi_app = direct  # type: ignore[method-assign,assignment]
    return answers


def of(signed: Signed, **headers: str) -> dict[str, Any]:
    """The request that posts a signed event."""
    return {"data": signed.body, "headers": {"Content-Type": signed.media_type, **headers}}


def cases(built: BuiltLedger) -> dict[str, dict[str, Any]]:
    """Requests of every kind that the direct way may see; recorded before, for equal answers."""
    stranger = Signer(key=SigningKey.from_seed(seed_of("stranger")))
    fact, command, refused = bag(built, 1), identify(built, 7), identify(built, 7)
    built.record_all([fact, command, refused])
    good = of(fact)
    return {
        "fact": good,
        "command": of(command),
        "refused": of(refused),
        "stranger": of(again(identify(built, 8), stranger)),
        "malformed": {**good, "data": b"no.statement"},
        "not ascii": {**good, "data": "é".encode()},
        "empty": {**good, "data": b""},
        "too large": {**good, "data": b"a" * 200_000},
        "other type": of(fact, **{"Content-Type": "text/plain"}),
        "charset": of(fact, **{"Content-Type": f"{fact.media_type}; charset=utf-8"}),
        "query": {**good, "query_string": "x=1"},
        "compressed": of(fact, **{"Content-Encoding": "gzip"}),
        "foreign host": of(fact, Host="evil.example"),
        "no host": of(fact, Host=""),
        "time": of(fact, **{"Demonstration-Time": "yesterday"}),
    }


NAMES = (
    "fact", "command", "refused", "stranger", "malformed", "not ascii", "empty", "too large",
    "other type", "charset", "query", "compressed", "foreign host", "no host", "time",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_both_ways_give_the_same_answer(name: str, built: BuiltLedger, app: Flask) -> None:
    """Status, every header, every byte."""
    request = cases(built)[name]
    direct, framework = both(app, **request)
    assert told(direct) == told(framework)


def test_both_ways_are_counted_alike(built: BuiltLedger, app: Flask) -> None:
    """Requests by route, method and status; statements by status."""
    for request in cases(built).values():
        both(app, **request)
    text = app.test_client().get("/metrics").get_data(as_text=True)
    counted = [line for line in text.splitlines() if line.startswith("ledger_http_requests_total")]
    posts = [line for line in counted if 'method="POST"' in line]
    assert posts
    assert all(float(line.rpartition(" ")[2]) % 2 == 0 for line in posts), posts


def test_a_rate_is_kept_on_both_ways_together(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """One client's turns are counted whichever way its requests go."""
    app = open_doors(built.ledger, DoorSettings(rate=RateLimit(burst=3, per_second=0.001)))
    request = of(bag(built, 1))
    statuses = [answer.status_code for _ in range(2) for answer in both(app, **request)]
    assert statuses == [201, 200, 200, 429]


def test_what_fails_unforeseen_is_the_frameworks_to_tell(
    built: BuiltLedger, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 in the one shape of errors, by both ways."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    request = of(bag(built, 1))
    monkeypatch.setattr(built.ledger, "submit_all", broken)
    direct, framework = both(app, **request)
    assert direct.status_code == 500
    assert told(direct) == told(framework)

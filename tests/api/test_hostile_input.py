"""Hostile bodies: always a problem that names the fault, never a 5xx, never a new entry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.statements import MAX_ONE_BYTES, ONE
from ledger.signing import base64url
from ledger.signing.statement import Signer, sign_statement
from tests.build_ledger import COORDINATOR, TRIAL, BuiltLedger, identify

if TYPE_CHECKING:
    from flask.testing import FlaskClient

EVENTS = f"/v1/trials/{TRIAL}/events"
ID = "018d624f-e660-7400-b1b2-1cb527d7fa3d"
SHARED = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)

HOSTILE_PAYLOADS = {
    "duplicate name": b'{"id":"a","id":"b"}',
    "escaped duplicate name": b'{"id":"a","\\u0069d":"b"}',
    "float": b'{"data":{"dose":34.2}}',
    "exponent": b'{"data":{"dose":1e3}}',
    "not a number": b'{"data":{"dose":NaN}}',
    "huge integer": b'{"data":{"dose":' + b"9" * 5_000 + b"}}",
    "deep arrays": b"[" * 20_000 + b"]" * 20_000,
    "deep objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "many members": b"[" + b"0," * 19_000 + b"0]",
    "byte order mark": b"\xef\xbb\xbf{}",
    "not UTF-8": b'{"a":"\xff"}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "null byte": b'{"a":"\x00"}',
    "empty": b"",
    "list": b"[]",
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def require_rejected(client: FlaskClient, body: bytes, media_type: str | None) -> dict[str, Any]:
    """Post what must not be taken; the problem."""
    answer = client.post(EVENTS, data=body, content_type=media_type)
    assert 400 <= answer.status_code < 500
    assert answer.content_type == "application/problem+json"
    told: dict[str, Any] = answer.get_json()
    return told


@pytest.mark.parametrize("payload", HOSTILE_PAYLOADS.values(), ids=HOSTILE_PAYLOADS.keys())
def test_a_well_signed_hostile_event_is_refused(
    payload: bytes, built: BuiltLedger, client: FlaskClient
) -> None:
    """A good signature makes nothing acceptable; in a batch the next line is still recorded."""
    signer = Signer(key=built.parties[COORDINATOR].key)
    text = sign_statement(payload, [signer]).text
    told = require_rejected(client, text.encode(), "application/jose")
    good = identify(built, 1)
    lines = [json.dumps(text), json.dumps(good.body.decode())]
    answer = client.post(EVENTS, data="\n".join(lines), content_type="application/x-ndjson")
    answers = [json.loads(line) for line in answer.data.splitlines()]

    assert told["code"].split(".")[0] in ("strict-json", "envelope")
    assert [one["status"] for one in answers] == [told["status"], 201]


@SHARED
@given(body=st.binary(max_size=400), media_type=st.sampled_from(ONE))
def test_any_bytes_are_refused_calmly(body: bytes, media_type: str, client: FlaskClient) -> None:
    """Whatever a body holds, the answer is a problem."""
    require_rejected(client, body, media_type)


@SHARED
@given(body=st.binary(max_size=400))
def test_any_lines_are_answered_line_by_line(body: bytes, client: FlaskClient) -> None:
    """Many lines of anything: as many answers, each a problem, or one problem for an empty body."""
    answer = client.post(EVENTS, data=body, content_type="application/x-ndjson")
    lines = body.removesuffix(b"\n").split(b"\n")
    if answer.status_code == 200:
        told = [json.loads(line) for line in answer.data.splitlines()]
        assert len(told) == len(lines)
        assert all(400 <= one["status"] < 500 and one["problem"]["code"] for one in told)
    else:
        assert answer.get_json()["code"] == "body.empty"


@SHARED
@given(
    members=st.dictionaries(
        st.sampled_from(
            ["id", "source", "type", "subject", "time", "trialid", "data", "specversion"]
        ),
        JSON,
    )
)
def test_any_signed_members_are_refused_calmly(
    members: dict[str, Any], built: BuiltLedger, client: FlaskClient
) -> None:
    """An envelope with any values in it, signed by a registered key."""
    envelope = {
        "specversion": "1.0",
        "id": ID,
        "source": COORDINATOR,
        "type": "demographics.recorded.v1",
        "subject": "subject/SY01-0001",
        "time": "2024-02-01T01:30:00Z",
        "trialid": TRIAL,
        "data": {"sex": "no such value"},
        **members,
    }
    payload = json.dumps(envelope).encode()
    text = sign_statement(payload, [Signer(key=built.parties[COORDINATOR].key)]).text
    require_rejected(client, text.encode(), "application/jose")


@SHARED
@given(data=st.dictionaries(st.text(max_size=8), JSON, max_size=3), value=JSON)
def test_any_data_are_refused_calmly_for_every_kind_of_member(
    data: dict[str, Any], value: Any, built: BuiltLedger, client: FlaskClient
) -> None:
    """A key registration whose data hold anything: it carries its own key and is read early."""
    envelope = {
        "specversion": "1.0",
        "id": ID,
        "source": COORDINATOR,
        "type": "key.registered.v1",
        "subject": "access",
        "time": "2024-02-01T01:30:00Z",
        "trialid": TRIAL,
        "data": {"jwk": value, "owner": value, "_sd": value, **data},
    }
    payload = json.dumps(envelope).encode()
    text = sign_statement(payload, [Signer(key=built.parties[COORDINATOR].key)]).text
    require_rejected(client, text.encode(), "application/jose")


def test_a_weak_key_is_bad_input_and_not_distrust(built: BuiltLedger, client: FlaskClient) -> None:
    """A small-order point would verify any message; it is refused with 422 at the door."""
    identity = base64url.encode(b"\x01" + bytes(31))
    owner = {"kind": "person", "id": "/sites/SY01/persons/x", "name": "X"}
    data: dict[str, Any] = {
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": identity},
        "owner": owner,
    }
    signed = built.sign("key.registered.v1", "access", data, by=COORDINATOR)
    told = require_rejected(client, signed.body, signed.media_type)
    assert told["status"] == 422
    assert told["code"].startswith("ed25519.")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "application/json",
        "text/plain",
        "application/problem+json",
        "application/jose; charset=latin-1",
        "application/jose, application/jose",
        "application/jose+json+x",
    ],
)
def test_another_media_type_is_415_with_those_accepted(
    header: str | None, built: BuiltLedger, client: FlaskClient
) -> None:
    """Nothing is read as something it was not declared to be."""
    answer = client.post(EVENTS, data=identify(built, 1).body, content_type=header)
    assert answer.status_code == 415
    assert answer.headers["Accept"].split(", ") == [*ONE, "application/x-ndjson"]


def test_a_compressed_body_is_415(built: BuiltLedger, client: FlaskClient) -> None:
    """A small body could unpack to a large one."""
    signed = identify(built, 1)
    answer = client.post(
        EVENTS,
        data=signed.body,
        content_type=signed.media_type,
        headers={"Content-Encoding": "gzip"},
    )
    assert answer.status_code == 415
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("size", [MAX_ONE_BYTES, MAX_ONE_BYTES + 1, 20 * MAX_ONE_BYTES])
def test_a_body_beyond_the_bound_is_413(size: int, client: FlaskClient) -> None:
    """At the bound it is still the statement that is too large."""
    told = require_rejected(client, b"A" * size, "application/jose")
    assert told["status"] == 413
    assert told["code"] == ("statement.too-large" if size == MAX_ONE_BYTES else "body.too-large")


def test_an_event_beyond_40_kib_is_413(built: BuiltLedger, client: FlaskClient) -> None:
    """Documents go in by their SHA-256."""
    data = {"sex": "female", "ethnicity": "x" * 41_000}
    payload = json.dumps({"data": data}).encode()
    key = built.parties[COORDINATOR].key
    header = base64url.encode(json.dumps({"alg": "Ed25519", "kid": key.kid}).encode())
    body = base64url.encode(payload)
    signature = base64url.encode(key.sign(f"{header}.{body}".encode()))
    told = require_rejected(client, f"{header}.{body}.{signature}".encode(), "application/jose")
    assert (told["status"], told["code"]) == (413, "statement.too-large")


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "Ed25519", "jwk": {"kty": "OKP"}},
        {"alg": "Ed25519", "crit": ["b64"], "b64": False},
        {"alg": "Ed25519", "x5c": ["AA"]},
    ],
)
def test_a_header_that_would_mislead_a_verifier_is_400(
    header: dict[str, Any], built: BuiltLedger, client: FlaskClient
) -> None:
    """No other algorithm, no embedded key, no critical extension."""
    key = built.parties[COORDINATOR].key
    protected = base64url.encode(json.dumps({"kid": key.kid, **header}).encode())
    body = base64url.encode(identify(built, 1).statement.payload)
    signature = base64url.encode(key.sign(f"{protected}.{body}".encode()))
    told = require_rejected(client, f"{protected}.{body}.{signature}".encode(), "application/jose")
    assert told["status"] == 400

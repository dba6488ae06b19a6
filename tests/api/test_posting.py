"""Posting statements: what is recorded, what is told, and that nothing is recorded twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ledger.log.entry import parse_entry
from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from tests.build_ledger import (
    COORDINATOR,
    EDC,
    INVESTIGATOR,
    TRIAL,
    BuiltLedger,
    Signed,
    build_ledger,
    each,
    identify,
    party,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask
    from flask.testing import FlaskClient
    from werkzeug.test import TestResponse

EVENTS = f"/v1/trials/{TRIAL}/events"
NDJSON = "application/x-ndjson"


def post(client: FlaskClient, signed: Signed, at: str = "2024-02-02T01:00:00Z") -> TestResponse:
    """Post a signed event at a time of the demonstration."""
    return client.post(
        EVENTS,
        data=signed.body,
        content_type=signed.media_type,
        headers={"Demonstration-Time": at},
    )


def post_lines(client: FlaskClient, *lines: bytes) -> list[dict[str, Any]]:
    """Post many lines; the answers."""
    answer = client.post(
        EVENTS,
        data=b"\n".join(lines) + b"\n",
        content_type=NDJSON,
        headers={"Demonstration-Time": "2024-02-02T01:00:00Z"},
    )
    assert answer.status_code == 200
    assert answer.content_type == NDJSON
    return [json.loads(line) for line in answer.data.splitlines()]


def line_of(signed: Signed) -> bytes:
    """A signed event as one line of many."""
    if signed.text.startswith("{"):
        return signed.body
    return json.dumps(signed.body.decode()).encode()


def visit(built: BuiltLedger, subject: str, *, by: str = COORDINATOR) -> Signed:
    """A fact about a subject."""
    data = {"sex": "female"}
    return built.sign(
        "demographics.recorded.v1", f"subject/{subject}", data, by=by, meaning="authorship"
    )


def require_receipt(built: BuiltLedger, members: dict[str, Any]) -> None:
    """Check a receipt as an outsider would: with the entry's bytes and the log's key alone."""
    entry = members["entry"].encode()
    receipt = parse_receipt(members["receipt"])
    verify_receipt(receipt, entry, VerifierKey.parse(built.vkey))
    assert receipt.index == members["seq"] == parse_entry(entry).seq


def test_a_recorded_command_comes_with_its_result_and_both_receipts(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """201 carries the request's entry and the ledger's answer, each provable offline."""
    signed = identify(built, 1)
    answer = post(client, signed)
    told = answer.get_json()

    assert answer.status_code == 201
    assert told["id"] == signed.event.id
    assert parse_entry(told["entry"].encode()).statement == signed.text
    require_receipt(built, told)
    require_receipt(built, told["result"])
    assert told["result"]["type"] == "command.accepted.v1"
    assert told["result"]["seq"] == told["seq"] + 1
    assert told["recorded_at"] == "2024-02-02T01:00:00.000000Z"
    assert answer.headers["Location"] == f"{EVENTS}/{signed.event.id}"


def test_a_fact_has_no_result(built: BuiltLedger, client: FlaskClient) -> None:
    """Only a command is answered by an entry of the ledger's own."""
    built.record(identify(built, 1))
    answer = post(client, visit(built, "SY01-0001"))
    assert answer.status_code == 201
    assert "result" not in answer.get_json()


def test_the_same_again_gives_200_and_the_same_receipts(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """Also after more was recorded, the receipt is the one first given, to the byte."""
    signed = identify(built, 1)
    first = post(client, signed)
    built.record(identify(built, 2))
    again = post(client, signed, at="2024-02-03T01:00:00Z")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.get_json() == first.get_json()


def test_another_event_under_a_known_id_is_a_conflict(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """An id names one event for ever."""
    first = identify(built, 1)
    post(client, first)
    other = built.sign(
        "subject.identified.v1",
        "subject/SY01-0002",
        {"subject_id": "SY01-0002", "sex": "male"},
        by=COORDINATOR,
        meaning="authorship",
        id=first.event.id,
    )
    answer = post(client, other)
    assert answer.status_code == 409
    assert answer.get_json()["code"] == "event.id-conflict"
    assert "receipt" not in answer.get_json()


def test_a_refused_command_is_a_409_with_the_rules_and_both_receipts(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """The refusal is in the log; sent again it stays refused, with the same receipts."""
    post(client, identify(built, 1))
    second = identify(built, 1)
    answer, again = post(client, second), post(client, second)
    told = answer.get_json()

    assert answer.status_code == again.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert told["code"] == "command.refused"
    assert [rule["id"] for rule in told["rules"]] == ["GS-02"]
    require_receipt(built, told)
    require_receipt(built, told["result"])
    assert told["result"]["type"] == "command.refused.v1"
    assert again.get_json() == told


@pytest.mark.parametrize("form", ["compact", "sd-jwt", "general", "wrapper"])
def test_every_form_of_a_statement_is_taken(
    form: str, built: BuiltLedger, client: FlaskClient
) -> None:
    """Compact, SD-JWT, general JSON, and general JSON with disclosures beside it."""
    also = [built.parties[INVESTIGATOR].signer("authorship", built.now)]
    data: dict[str, Any] = {"subject_id": "SY01-0001", "sex": "female"}
    if form in ("sd-jwt", "wrapper"):
        data["birth_date"] = {"value": "1968", "precision": "year"}
    signed = built.sign(
        "subject.identified.v1",
        "subject/SY01-0001",
        data,
        by=COORDINATOR,
        meaning="authorship",
        also=also if form in ("general", "wrapper") else (),
    )
    answer = post(client, signed)

    assert answer.status_code == 201, answer.get_json()
    opened = client.get(f"{EVENTS}/{signed.event.id}").get_json()["opened"]
    assert set(opened) == ({"birth_date"} if "birth_date" in data else set())


def test_lines_stand_alone_and_in_order(built: BuiltLedger, client: FlaskClient) -> None:
    """A line that cannot be read has its own problem; its neighbours are recorded in order."""
    first, second = each(built, [1, 2], identify)
    conflict = identify(built, 1)
    answers = post_lines(
        client,
        line_of(first),
        b'{"a":1.5}',
        line_of(second),
        b"7",
        line_of(conflict),
        line_of(first),
    )

    assert [answer["line"] for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert [answer["status"] for answer in answers] == [201, 400, 201, 400, 409, 200]
    assert answers[1]["problem"]["code"] == "strict-json.float"
    assert answers[3]["problem"]["code"] == "body.line"
    assert answers[4]["problem"]["rules"][0]["id"] == "GS-02"
    assert answers[0]["seq"] < answers[2]["seq"] < answers[4]["seq"]
    assert answers[5]["receipt"] == answers[0]["receipt"]
    for answer in (answers[0], answers[2], answers[4]):
        require_receipt(built, answer)
        require_receipt(built, answer["result"])


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_as_many_lines_as_were_sent_are_answered_in_their_order(
    client: FlaskClient, count: int
) -> None:
    """Several threads check them in shares, which need not be even."""
    answers = post_lines(client, *(b"%d" % number for number in range(count - 1)), b"[]")
    assert [answer["line"] for answer in answers] == [*range(1, count + 1)]
    assert {answer["problem"]["code"] for answer in answers} == {"body.line"}
    counted = client.get("/metrics").get_data(as_text=True)
    assert f'ledger_statements_total{{status="400"}} {count}.0' in counted


def test_a_line_may_be_signed_by_a_key_that_an_earlier_line_registers(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """A whole site can be set up in one request."""
    nurse = "/sites/SY01/persons/rn-01"
    built.parties[nurse] = party(nurse, "Nurse Liu")
    lines = []
    data: dict[str, Any] = {
        "jwk": built.parties[nurse].key.public.as_object(),
        "owner": {"kind": "person", "id": nurse, "name": "Nurse Liu"},
    }
    proof = built.parties[nurse].signer(None, built.now)
    registrar = "/sponsor/persons/registrar-01"
    lines.append(built.sign("key.registered.v1", "access", data, by=registrar, also=[proof]))
    grant: dict[str, Any] = {"holder": nurse, "role": "study-nurse", "scope": "site/SY01"}
    lines.append(built.sign("role.granted.v1", "access", grant, by=registrar))
    lines.append(identify(built, 1))
    lines.append(visit(built, "SY01-0001", by=nurse))
    answers = post_lines(client, *map(line_of, lines))
    assert [answer["status"] for answer in answers] == [201, 201, 201, 201]


def test_more_than_a_thousand_lines_are_too_many(client: FlaskClient) -> None:
    """None of them is looked at."""
    answer = client.post(EVENTS, data=b"1\n" * 1_001, content_type=NDJSON)
    assert answer.status_code == 413
    assert answer.get_json()["code"] == "body.too-large"


def test_an_altered_signature_is_nobodys_statement(built: BuiltLedger, client: FlaskClient) -> None:
    """It is refused with 403 and leaves nothing behind, not even in quarantine."""
    text = identify(built, 1).text
    first, body, signature = text.split(".")
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    size = built.ledger.application.store.head().size
    answer = client.post(EVENTS, data=f"{first}.{body}.{flipped}", content_type="application/jose")

    assert answer.status_code == 403
    assert answer.get_json()["code"] == "signature.invalid"
    assert built.ledger.application.store.head().size == size
    assert built.ledger.quarantine.listing() == []


def test_a_fact_under_an_unknown_key_is_kept_in_quarantine_and_listed(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """It may be true: an authorised person can look at it and transcribe it."""
    built.record(identify(built, 1))
    stranger = "/sites/SY01/persons/stranger"
    built.parties[stranger] = party(stranger, "Stranger")
    signed = visit(built, "SY01-0001", by=stranger)
    answer = post(client, signed)
    listing = client.get(f"/v1/trials/{TRIAL}/quarantine").get_json()

    assert answer.status_code == 403
    assert "quarantine under number 1" in answer.get_json()["detail"]
    assert [row["statement"] for row in listing["items"]] == [signed.text]
    assert listing["items"][0]["code"] == "authority.unknown-key"


def test_a_fact_about_an_unknown_subject_is_422_and_kept(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """The site may have sent it before the subject was identified."""
    answer = post(client, visit(built, "SY01-0099", by=EDC))
    assert answer.status_code == 422
    assert answer.get_json()["code"] == "event.unknown-subject"
    assert len(built.ledger.quarantine.listing()) == 1


@pytest.mark.parametrize("time", ["yesterday", "2024-02-01T10:00:00", "2024-02-01t10:00:00Z", ""])
def test_a_malformed_demonstration_time_is_400(
    time: str, built: BuiltLedger, client: FlaskClient
) -> None:
    """A time without its offset is no time."""
    answer = post(client, identify(built, 1), at=time)
    assert answer.status_code == 400
    assert answer.get_json()["code"] == "header.demonstration-time"


def test_a_real_trial_takes_no_time_from_a_header(
    tmp_path: Path, open_doors: Callable[..., Flask]
) -> None:
    """Only a ledger opened as a demonstration does."""
    built = build_ledger(tmp_path, demonstration=False)
    client = open_doors(built.ledger).test_client()
    answer = post(client, identify(built, 1))
    assert answer.status_code == 400
    assert answer.get_json()["where"] == "Demonstration-Time"


def test_a_time_that_lies_ahead_is_refused(built: BuiltLedger, client: FlaskClient) -> None:
    """Events are reported after they happened; five minutes are granted to the clocks."""
    future = built.sign(
        "subject.identified.v1",
        "subject/SY01-0003",
        {"subject_id": "SY01-0003", "sex": "male"},
        by=COORDINATOR,
        meaning="authorship",
        time="2031-01-01T00:00:00Z",
    )
    answer = post(client, future)
    assert answer.status_code == 422
    assert answer.get_json()["code"] == "event.in-the-future"

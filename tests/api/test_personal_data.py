"""Erasure and restriction as readers meet them, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from click.testing import CliRunner

from api.cli.bundling import bundle
from ledger.errors import RejectedInput
from ledger.signing.sealing import encode_sd_jwt
from tests.build_ledger import COORDINATOR, TRIAL, BuiltLedger, Signed, identify
from tests.ledger.build_service import STREAM, SUBJECT
from tests.ledger.concealment.orders import erasure, restriction, said
from tests.ledger.concealment.test_wired import places, spellings

if TYPE_CHECKING:
    from pathlib import Path

    from flask.testing import FlaskClient

    from ledger.signing.strict_json import JsonObject

BASE = f"/v1/trials/{TRIAL}"
WORDS = "Took prednisone until the fifth of May."
CLEAR = "The neighbour of the mayor said so."


@pytest.fixture
def subject(built: BuiltLedger) -> BuiltLedger:
    """Give the ledger with a first subject, about whom something was said."""
    built.record(identify(built, 1))
    built.record(said(built, WORDS))
    return built


def late_result(built: BuiltLedger, why: str) -> Signed:
    """A laboratory result that was entered late, and why, in clear."""
    data: JsonObject = {
        "test_code": "bilirubin",
        "value": {"value": "40", "unit": "umol/L"},
        "record": {"mode": "late", "reason": {"code": "late-entry", "text": why}},
    }
    return built.sign("lab-result.recorded.v1", STREAM, data, by=COORDINATOR, meaning="authorship")


def texts(client: FlaskClient) -> str:
    """All that the views of the first subject show."""
    routes = (f"/subjects/{SUBJECT}", f"/subjects/{SUBJECT}/replay", "/events?limit=500",
              "/report?format=json", "/deviations")  # fmt: skip
    answers = [client.get(BASE + route) for route in routes]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    return "".join(answer.get_data(as_text=True) for answer in answers)


def post(client: FlaskClient, signed: Signed) -> int:
    """Post a statement with its disclosures."""
    if signed.text.startswith("{"):
        kind, body = "application/jose+json", signed.text
    else:
        kind, body = "application/jose", signed.text
    if signed.disclosures:
        kind, body = "application/sd-jwt", encode_sd_jwt(signed.text, signed.disclosures)
    return client.post(f"{BASE}/events", data=body, content_type=kind).status_code


def test_what_was_erased_is_shown_by_its_act_and_by_nothing_else(
    subject: BuiltLedger, client: FlaskClient, tmp_path: Path
) -> None:
    """Before and after: receipts and chain are the same, the words are in no file."""
    told = subject.ledger.application.store.head().size - 1
    event = subject.ledger.application.record(told)
    receipt = client.get(f"{BASE}/events/{event.id}/receipt").get_data()
    assert WORDS in texts(client)
    order = erasure(subject, "identity", "text")
    assert post(client, order) == 201
    shown = texts(client)
    assert WORDS not in shown
    assert order.event.id in shown
    report = client.get(f"{BASE}/report?format=json").get_json()
    (listed,) = (one for one in report["sections"] if one["id"] == "personal-data")
    assert [row["event"] for row in listed["blocks"][0]["rows"]] == [order.event.id]
    read = client.get(f"{BASE}/events/{event.id}").get_json()
    assert read["erased_by"] == [order.event.id]
    assert read["entry_sha256"] == event.sha256
    assert client.get(f"{BASE}/events/{event.id}/receipt").get_data() == receipt
    assert places(tmp_path, spellings(WORDS)) == []


def test_restricted_words_are_served_nowhere_and_the_hash_is(
    subject: BuiltLedger, client: FlaskClient
) -> None:
    """Views show REDACTED; statement, entry and entry bundle are withheld; tiles still prove."""
    late = late_result(subject, CLEAR)
    record = subject.record(late)
    assert CLEAR in texts(client)
    order = restriction(subject, record.id, "/data/record/reason/text")
    assert post(client, order) == 201
    shown = texts(client)
    assert CLEAR not in shown
    assert "REDACTED" in shown
    read = client.get(f"{BASE}/events/{record.id}").get_json()
    assert (read["entry"], read["statement"], read["restricted_by"]) == (
        None, None, order.event.id,
    )  # fmt: skip
    assert read["entry_sha256"] == record.sha256
    size = subject.ledger.application.store.head().size
    bundle = client.get(f"{BASE}/log/tile/entries/000.p/{size}")
    assert bundle.status_code == 451
    assert order.event.id in bundle.get_data(as_text=True)
    for path in ("/bundle", f"/bundle?subject={SUBJECT}"):
        refused = client.get(BASE + path)
        assert refused.status_code == 451
        assert order.event.id in refused.get_data(as_text=True)
    assert client.get(f"{BASE}/log/tile/0/000.p/{size}").status_code == 200


def test_a_copy_of_the_restricted_archive_is_made_by_name_alone(
    subject: BuiltLedger, tmp_path: Path
) -> None:
    """On the ledger's own machine, of the log and of either dossier; without the word, none is."""
    record = subject.record(late_result(subject, CLEAR))
    subject.record(restriction(subject, record.id, "/data/record/reason/text"))
    subject.close()
    out = tmp_path / "copy.zip"
    of_subject = ("--subject", SUBJECT)
    for more in ((), of_subject, (*of_subject, "--masked")):
        command = ["--database", subject.url, "--out", str(out), *more]
        refused = CliRunner().invoke(bundle, command)
        assert isinstance(refused.exception, RejectedInput)
        assert refused.exception.code == "bundle.restricted"
        assert not out.exists()
        assert CliRunner().invoke(bundle, [*command, "--restricted"]).exit_code == 0
        with ZipFile(out) as written:
            texts = [written.read(name) for name in written.namelist()]
        payload = record.entry.statement.split(".")[1].encode()
        assert any(payload in text for text in texts)
        out.unlink()


def test_an_identifier_in_clear_is_kept_aside_sealed(
    subject: BuiltLedger, client: FlaskClient, tmp_path: Path
) -> None:
    """The fact waits in quarantine, whose rows a thief cannot read."""
    words = "Call the patient at 13812345678 or write to wang.wei@example.com"
    refused = late_result(subject, words)
    assert post(client, refused) == 422
    (kept,) = client.get(f"{BASE}/quarantine").get_json()["items"]
    assert kept["code"] == "identifier.in-clear"
    assert kept["statement"] == refused.text
    assert places(tmp_path, {refused.text.encode(), refused.text[-80:].encode()}) == []

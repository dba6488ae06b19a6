"""Reading entries back: byte for byte, with the receipt that was first given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.errors import TrustFailure
from ledger.log.checkpoint import open_checkpoint
from ledger.log.entry import entry_hash
from ledger.log.note import VerifierKey
from tests.build_ledger import TRIAL, BuiltLedger, identify

if TYPE_CHECKING:
    from flask.testing import FlaskClient

BASE = f"/v1/trials/{TRIAL}"


def test_an_event_is_given_as_it_stands_in_the_log(built: BuiltLedger, client: FlaskClient) -> None:
    """The entry's bytes, the statement in it, the event as signed and what was sealed."""
    signed = identify(built, 1)
    record = built.record(signed)
    told = client.get(f"{BASE}/events/{record.id}").get_json()

    assert told["entry"].encode() == record.entry.to_bytes()
    assert told["entry_sha256"] == entry_hash(told["entry"].encode())
    assert told["statement"] == signed.text
    assert "birth_date" not in told["event"]["data"]
    assert told["opened"] == {"birth_date": {"value": "1968-05-02", "precision": "day"}}
    assert told["signatures"][0]["meaning"] == "authorship"


def test_the_receipt_is_the_one_given_with_the_201(built: BuiltLedger, client: FlaskClient) -> None:
    """Later entries change nothing in it."""
    signed = identify(built, 1)
    posted = client.post(
        f"{BASE}/events", data=signed.body, content_type=signed.media_type
    ).get_json()
    built.record(identify(built, 2))
    for members in (posted, posted["result"]):
        read = client.get(f"{BASE}/events/{members['id']}/receipt")
        assert read.content_type == "text/plain; charset=utf-8"
        assert read.text == members["receipt"]


@pytest.mark.parametrize("query", ["", "?latest=true", "?size={size}"])
def test_a_ledger_in_doubt_gives_no_receipt_beyond_the_kept_head(
    query: str, built: BuiltLedger, client: FlaskClient
) -> None:
    """503 with the reason, under whichever checkpoint it is asked for; the entry can be read."""
    kept = built.files.head.read_text()
    record = built.record(identify(built, 1))
    built.files.head.write_text(kept)
    built.ledger.refuse(TrustFailure("head.forked", "This is another history."))
    address = f"{BASE}/events/{record.id}"
    size = built.ledger.application.store.head().size
    told = client.get(f"{address}/receipt{query.format(size=size)}")
    assert (told.status_code, told.get_json()["code"]) == (503, "receipt.unconfirmed")
    assert "This is another history." in told.get_json()["detail"]
    assert client.get(address).status_code == 200


@pytest.mark.parametrize("suffix", ["", "/receipt"])
def test_what_never_changes_is_not_sent_twice(
    suffix: str, built: BuiltLedger, client: FlaskClient
) -> None:
    """The receipt's entity tag is the entry's hash; the event's is that of what is opened now."""
    record = built.record(identify(built, 1))
    address = f"{BASE}/events/{record.id}{suffix}"
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    if suffix:
        assert first.headers["ETag"] == f'"{record.sha256}"'
    assert ("immutable" in first.headers["Cache-Control"]) is bool(suffix)
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "event_id",
    ["x", "018d624f-e660-7400-b1b2-1cb527d7fa3d", "018D624F-E660-7400-B1B2-1CB527D7FA3D", "%00"],
)
def test_an_unknown_id_is_not_found(event_id: str, client: FlaskClient) -> None:
    """Also what is no id at all, and another spelling of one."""
    answer = client.get(f"{BASE}/events/{event_id}")
    assert answer.status_code == 404
    assert answer.get_json()["code"] == "event.not-found"


def test_the_checkpoint_covers_the_whole_log(built: BuiltLedger, client: FlaskClient) -> None:
    """It opens with the log's key and has the log's size."""
    built.record(identify(built, 1))
    note = client.get(f"{BASE}/log/checkpoint").text
    checkpoint = open_checkpoint(note, VerifierKey.parse(built.vkey))
    assert checkpoint.size == built.ledger.application.store.head().size


def test_the_verification_names_the_root_of_trust(built: BuiltLedger, client: FlaskClient) -> None:
    """Verifier key and hash of entry 0, to be compared with what was handed over."""
    told = client.get(f"{BASE}/verification").get_json()
    genesis = built.ledger.application.store.entry(0)
    assert genesis is not None
    assert told["root_of_trust"]["genesis_sha256"] == entry_hash(genesis)
    assert told["root_of_trust"]["vkeys"] == [str(key) for key in built.keys.vkeys]
    assert told["state"] == "signing"


def test_the_quarantine_is_paged(built: BuiltLedger, client: FlaskClient) -> None:
    """Every row comes once, in order."""
    for number in range(5):
        built.ledger.quarantine.keep(
            f"statement {number}", received_at="2024-02-01T00:00:00.000000Z", code="c", reason="r"
        )
    seen, after = [], ""
    while True:
        told = client.get(f"{BASE}/quarantine?limit=2{after}").get_json()
        seen += [row["number"] for row in told["items"]]
        if told["next"] is None:
            break
        after = f"&after={told['next']}"
    assert seen == [1, 2, 3, 4, 5]

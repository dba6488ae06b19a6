"""What the record means, asked over HTTP: at any record time and any occurrence time."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from api.schemas.cursor import encode_cursor
from ledger.signing.rfc3339 import format_recorded_at
from tests.build_ledger import COORDINATOR, INVESTIGATOR, TRIAL, BuiltLedger, each, identify

if TYPE_CHECKING:
    from flask.testing import FlaskClient

BASE = f"/v1/trials/{TRIAL}"


def read(client: FlaskClient, path: str, **query: Any) -> Any:
    """Read a route that must answer."""
    answer = client.get(f"{BASE}{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def pages(client: FlaskClient, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """All pages of a listing."""
    found: list[list[dict[str, Any]]] = []
    after: dict[str, str] = {}
    while True:
        told = read(client, path, **query, **after)
        found.append(told["items"])
        if told["next"] is None:
            return found
        after = {"after": told["next"]}


def test_a_read_sees_what_was_acknowledged_before_it(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """Whoever posts and then reads finds it."""
    for number in (1, 2, 3):
        built.record(identify(built, number))
        assert len(read(client, "/subjects")["items"]) == number


def test_subjects_are_paged_without_loss_or_repetition(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """In order of their ids, also when the last page is full."""
    built.record_all(each(built, range(1, 7), identify))
    found = pages(client, "/subjects", limit=2)
    names = [row["subject"] for page in found for row in page]
    assert names == [f"SY01-{number:04d}" for number in range(1, 7)]


def test_known_at_is_a_position_or_a_record_time(built: BuiltLedger, client: FlaskClient) -> None:
    """Before the subject was recorded it is not known; both ways of asking agree."""
    before = built.ledger.application.store.head().size
    record = built.record(identify(built, 1))
    earlier = format_recorded_at(built.now.replace(year=2023))
    address = f"{BASE}/subjects/SY01-0001"

    assert client.get(address, query_string={"known_at": before}).status_code == 404
    assert client.get(address, query_string={"known_at": earlier}).status_code == 404
    by_position = read(client, "/subjects/SY01-0001", known_at=before + 2)
    by_time = read(client, "/subjects/SY01-0001", known_at=record.entry.recorded_at)
    assert by_position == by_time


def test_a_position_beyond_the_head_is_refused(client: FlaskClient) -> None:
    """What the log does not hold cannot have been known."""
    answer = client.get(f"{BASE}/enrolment?known_at=99999")
    assert answer.status_code == 422
    assert answer.get_json()["code"] == "query.beyond-head"


@pytest.mark.parametrize(
    "path", ["/subjects/SY01-0099", "/subjects/SY01-0099/replay", "/subjects/x"]
)
def test_an_unknown_subject_is_not_found(path: str, client: FlaskClient) -> None:
    """404 with a problem."""
    answer = client.get(f"{BASE}{path}")
    assert answer.status_code == 404
    assert answer.get_json()["code"] == "subject.not-found"


def test_the_replay_tells_a_subjects_events(built: BuiltLedger, client: FlaskClient) -> None:
    """Event by event, with the state they led to."""
    record = built.record(identify(built, 1))
    told = read(client, "/subjects/SY01-0001/replay")
    assert told["header"]["subject"] == "SY01-0001"
    assert record.id in str(told["timeline"])


def test_the_keys_list_everybody_and_the_logs_own(built: BuiltLedger, client: FlaskClient) -> None:
    """Everyone who can check a signature needs no more than this and the root of trust."""
    told = read(client, "/keys")
    kids = {key["kid"] for key in told["keys"]}
    assert {party.key.kid for party in built.parties.values()} <= kids
    assert told["log"]["vkeys"] == [str(key) for key in built.keys.vkeys]
    then = read(client, "/keys", known_at=1)
    assert len(then["keys"]) == 2


def test_enrolment_and_deviations_answer(built: BuiltLedger, client: FlaskClient) -> None:
    """Counts as JSON; deviations as a listing."""
    built.record(identify(built, 1))
    assert read(client, "/enrolment")["head"]["size"] == built.ledger.application.store.head().size
    assert isinstance(read(client, "/deviations", rule="DV-02", subject="SY01-0001")["items"], list)


def test_the_audit_trail_says_who_when_what_and_from_what(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """Field by field, filtered by subject and actor."""
    record = built.record(identify(built, 1))
    rows = read(client, "/events", subject="SY01-0001", actor=COORDINATOR)["items"]
    by_field = {row["field"]: row for row in rows}
    sex = by_field["/data/sex"]
    assert (sex["who"], sex["role"], sex["old"], sex["new"]) == (
        COORDINATOR,
        "study-coordinator",
        None,
        "female",
    )
    assert sex["event"] == record.id
    assert read(client, "/events", subject="SY01-0001", actor=INVESTIGATOR)["items"] == []


def test_the_audit_trail_is_paged_by_entries(built: BuiltLedger, client: FlaskClient) -> None:
    """The rows of one entry stay together; all pages together are the whole trail."""
    whole = read(client, "/events", limit=1000)["items"]
    found = pages(client, "/events", limit=5)
    assert [row for page in found for row in page] == whole
    assert all(len({row["seq"] for row in page}) <= 5 for page in found)


@pytest.mark.parametrize("way", ["Accept", "format"])
def test_the_audit_trail_as_csv_is_whole_and_safe(
    way: str, built: BuiltLedger, client: FlaskClient
) -> None:
    """All rows at once; a name that looks like a formula is disarmed."""
    data: dict[str, Any] = {
        "doc_type": "other",
        "title": "=HYPERLINK(1)",
        "version": "1.0",
        "language": "en",
        "sha256": "0" * 64,
        "body": "@committee",
        "decision": "approved",
        "approved_on": "2024-01-15",
        "effective_from": "2024-01-15T00:00:00+08:00",
    }
    built.state("document.approved.v1", "trial", data, by="/sponsor/persons/root")
    headers = {"Accept": "text/csv"} if way == "Accept" else {}
    answer = client.get(f"{BASE}/events{'?format=csv' if way == 'format' else ''}", headers=headers)
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))

    assert answer.content_type.startswith("text/csv")
    assert len(rows) == len(read(client, "/events", limit=1000)["items"])
    assert {"who", "role", "when", "old", "new", "reason"} <= set(rows[0])
    assert "'=HYPERLINK(1)" in {row["new"] for row in rows}
    assert not [row for row in rows if row["new"].startswith(("=", "@"))]


def test_the_report_is_given_as_a_page_and_as_json(built: BuiltLedger, client: FlaskClient) -> None:
    """Both of the same head; neither claims a verification that was not made."""
    built.record(identify(built, 1))
    page = client.get(f"{BASE}/report")
    assert page.content_type == "text/html; charset=utf-8"
    assert TRIAL in page.text
    assert read(client, "/report", format="json")
    assert client.get(f"{BASE}/report?format=pdf").status_code == 422
    assert client.get(f"{BASE}/report?subject=SY01-0099").status_code == 404


def test_deviations_are_paged_without_loss_or_repetition(
    built: BuiltLedger, client: FlaskClient
) -> None:
    """In order of rule, since and id; a cursor that names none of their places is refused."""
    built.record_all(each(built, range(1, 4), identify))
    ahead = {"as_of": "2099-01-01T00:00:00Z"}
    whole = read(client, "/deviations", **ahead)["items"]
    found = pages(client, "/deviations", limit=1, **ahead)
    assert [row for page in found for row in page] == whole
    other = {"after": encode_cursor("deviations", "DV-01:x"), **ahead}
    assert client.get(f"{BASE}/deviations", query_string=other).status_code == 422

"""What a reader of one site is shown, and what is written down of every reading."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from api.access.control import FAILED_LOG_INS
from api.access.journal import FAILURES, access_log_path
from api.context import KEY
from api.door import Buckets
from ledger.access_log.verification import verify_access_log
from ledger.signing.jwk import parse_jwk
from ledger.vocabulary import Role
from tests.api.access.build_readers import BASE, FOREIGN, Readers
from tests.build_ledger import EDC, INVESTIGATOR, SITE, SPONSOR, TRIAL, identify, party

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject


def items(readers: Readers, address: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """The rows of a page that must be given."""
    answer = readers.client.get(f"{BASE}{address}", headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["items"]
    return found


def test_a_site_sees_its_own_subjects_and_the_trial_sees_all(shared: Readers) -> None:
    """Listings are confined, not refused."""
    own = items(shared, "/subjects", shared.bearer(INVESTIGATOR))
    foreign = items(shared, "/subjects", shared.bearer(f"/sites/{FOREIGN}/persons/pi-02"))
    inspector = shared.enrol(Role.INSPECTOR, "trial")
    everything = items(shared, "/subjects", shared.bearer(inspector))
    narrowed = items(shared, "/subjects", shared.bearer(inspector, f"site:{FOREIGN}"))
    assert [row["subject"] for row in own] == ["SY01-0001"]
    assert [row["subject"] for row in foreign] == ["SY02-0001"]
    assert [row["subject"] for row in everything] == ["SY01-0001", "SY02-0001"]
    assert [row["subject"] for row in narrowed] == ["SY02-0001"]


def test_a_sites_audit_trail_holds_its_own_entries_alone(shared: Readers) -> None:
    """Rows of the trial's own streams belong to no site and are not among them."""
    headers = shared.bearer(INVESTIGATOR)
    rows = items(shared, "/events?limit=1000", headers)
    assert {row["site"] for row in rows} == {SITE}
    lines = shared.client.get(f"{BASE}/events?format=csv", headers=headers).text
    assert FOREIGN not in lines
    assert "SY01-0001" in lines


def test_a_site_pages_through_its_own_rows_only(readers: Readers) -> None:
    """The cursor leads from its last row to the end, not into another site's."""
    for number in (2, 3, 4):
        readers.built.record(identify(readers.built, number))
    headers, seen, after = readers.bearer(INVESTIGATOR), [], ""
    while True:
        told = readers.client.get(f"{BASE}/subjects?limit=2{after}", headers=headers).get_json()
        seen += [row["subject"] for row in told["items"]]
        if told["next"] is None:
            break
        after = f"&after={told['next']}"
    assert seen == [f"SY01-000{number}" for number in (1, 2, 3, 4)]


def test_a_site_sees_of_quarantine_what_concerns_it(readers: Readers) -> None:
    """What cannot be read belongs to nobody in particular and is for the trial's auditors."""
    stranger = party("/sites/SY01/systems/rogue", "Rogue")
    readers.built.parties[stranger.id] = stranger
    for number, site in ((7, SITE), (8, FOREIGN)):
        subject = f"{site}-{number:04d}"
        signed = readers.built.sign(
            "consent.declined.v1", f"subject/{subject}", {}, by=stranger.id, meaning=None
        )
        readers.client.post(f"{BASE}/events", data=signed.body, content_type=signed.media_type)
    auditor = readers.enrol(Role.AUDITOR, "trial")
    everything = items(readers, "/quarantine", readers.bearer(auditor))
    assert len(everything) == 2
    own = items(readers, "/quarantine", readers.bearer(INVESTIGATOR))
    assert [row["number"] for row in own] == [1]


def test_the_trials_own_records_are_for_every_site_and_the_lists_are_not(shared: Readers) -> None:
    """Keys and documents are everybody's; the allocation list's commitment is the whole trial's."""
    headers = shared.bearer(INVESTIGATOR)
    streams: dict[str, str] = {}
    for seq in range(shared.built.ledger.application.store.head().size):
        record = shared.built.ledger.application.record(seq)
        streams.setdefault(record.stream, record.id)
    told = {
        stream: shared.client.get(f"{BASE}/events/{event}", headers=headers).status_code
        for stream, event in streams.items()
    }
    assert told == {
        "trial": 200,
        "access": 200,
        "site/SY01": 200,
        "site/SY02": 403,
        "allocation/main": 403,
        "subject/SY01-0001": 200,
        "treatment/SY01-0001": 200,
        "subject/SY02-0001": 403,
        "treatment/SY02-0001": 403,
    }


def test_a_masked_reader_gets_the_masked_view_and_nothing_else(shared: Readers) -> None:
    """There is one place that picks the projections a reader sees."""
    held = shared.app.extensions[KEY]
    headers = shared.bearer(EDC, "masked")
    trail = items(shared, "/events?limit=2", headers)
    assert "seq" not in trail[0]
    assert "seq" in items(shared, "/events?limit=2", shared.bearer(EDC))[0]
    for address in ("/log/tile/0/000.p/1", f"/events/{shared.own.id}", "/verification"):
        answer = shared.client.get(f"{BASE}{address}", headers=headers)
        assert answer.get_json()["code"] == "reader.masked"
    position = shared.client.get(f"{BASE}/keys?known_at=3", headers=headers)
    assert position.get_json()["code"] == "reader.masked"
    view, held.masked = held.masked, None
    try:
        missing = shared.client.get(f"{BASE}/subjects", headers=headers)
        assert missing.get_json()["code"] == "reader.masked-view-missing"
    finally:
        held.masked = view


def test_a_masked_reader_pages_through_the_trail_by_events(shared: Readers) -> None:
    """The cursor names no position, and leads through each entry once."""
    headers, seen, after = shared.bearer(EDC, "masked"), [], ""
    while True:
        told = shared.client.get(f"{BASE}/events?limit=2{after}", headers=headers).get_json()
        seen += [row["event"] for row in told["items"]]
        if told["next"] is None:
            break
        after = f"&after={told['next']}"
    whole = items(shared, "/events?limit=1000", headers)
    assert seen == [row["event"] for row in whole]
    lines = shared.client.get(f"{BASE}/events?format=csv", headers=headers).text.splitlines()
    assert len(lines) == len(whole) + 1


def test_a_masked_reader_names_a_day_of_record(shared: Readers) -> None:
    """By any instant in it."""
    headers = shared.bearer(EDC, "masked")
    for known_at, status in (("2024-02-02T00:00:00Z", 200), ("2024-01-01T00:00:00Z", 404)):
        address = f"{BASE}/subjects/SY01-0001?known_at={known_at}"
        assert shared.client.get(address, headers=headers).status_code == status


def test_each_read_of_a_subject_is_written_down_before_it_is_shown(readers: Readers) -> None:
    """Who, as what, where, what, of whom, with which outcome; the first is the token itself."""
    headers = readers.bearer(INVESTIGATOR)
    readers.client.get(f"{BASE}/subjects/SY01-0001", headers=headers)
    readers.client.get(f"{BASE}/subjects/{FOREIGN}-0001/replay", headers=headers)
    readers.client.get(f"{BASE}/report", headers=headers)
    readers.client.get(f"{BASE}/events/{readers.own.id}", headers=headers)
    readers.client.get(f"{BASE}/subjects/name%20of%20a%20person", headers=headers)
    readers.client.get(f"{BASE}/keys", headers=headers)
    rows = readers.written()
    assert {(row["source"], row["role"], row["site"], row["masked"]) for row in rows} == {
        (INVESTIGATOR, "principal-investigator", SITE, False)
    }
    assert [(row["operation"], row["subject"], row["outcome"]) for row in rows] == [
        ("token.issue", None, "served"),
        ("subject.read", "SY01-0001", "served"),
        ("subject.replay", f"{FOREIGN}-0001", "access.foreign-site"),
        ("report.read", None, "access.role"),
        ("event.read", "SY01-0001", "served"),
        ("subject.read", None, "access.foreign-site"),
    ]


def test_a_failed_log_in_is_written_down_without_what_strangers_call_themselves(
    readers: Readers,
) -> None:
    """Foreign text never enters the log; a source that proved itself does."""
    assertion = readers.assertion(EDC)
    readers.ask(assertion, scope="role:sponsor")
    readers.ask(assertion)
    stranger = party("/sites/SY01/persons/name-of-a-person", "X")
    readers.built.parties[stranger.id] = stranger
    readers.ask(readers.assertion(stranger.id))
    readers.client.get(f"{BASE}/subjects", headers={"Authorization": "Bearer abc.def.ghi"})
    told = [(row["source"], row["operation"], row["outcome"]) for row in readers.written()]
    assert told == [
        (EDC, "token.issue", "token.role-not-held"),
        ("unknown", "token.issue", "assertion.replayed"),
        ("unknown", "token.issue", "assertion.unknown-key"),
        ("unknown", "subject-list.read", "bearer.invalid"),
    ]


def test_a_flood_of_failed_log_ins_is_counted_and_slowed(readers: Readers) -> None:
    """The log stays readable, the number stays true, and an address that fails on waits."""
    access, standing = readers.app.extensions[KEY].access, time.monotonic()
    # However long the tries take: none of them is forgiven meanwhile.
    access.failures = Buckets(FAILED_LOG_INS, lambda: standing)
    access.journal._now = lambda: standing
    tries = FAILED_LOG_INS.burst + 40
    answers = [readers.ask("x.y.z") for _ in range(tries)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert readers.ask(readers.assertion(EDC)).status_code == 200, "others are let in"
    access.journal.close()
    log = verified(readers)
    assert log < FAILURES + 30
    access.journal._log = None
    rows = [row for row in readers.written() if row["outcome"] != "served"]
    assert sum(row["count"] for row in rows) == tries
    assert any(row["outcome"] == "log-ins.counted" for row in rows)


def verified(readers: Readers) -> int:
    """How many entries a sound access log has."""
    genesis = readers.built.ledger.genesis
    report = verify_access_log(
        access_log_path(readers.built.files),
        statement_key=parse_jwk(genesis.record.data["statement_key"]),
        trial=TRIAL,
        genesis_sha256=genesis.record.sha256,
    )
    assert report.flaws == []
    return report.entries


def test_what_was_written_verifies_under_the_ledgers_own_key(readers: Readers) -> None:
    """The one that entry 0 of the trial's log names."""
    headers = readers.bearer(INVESTIGATOR)
    readers.client.get(f"{BASE}/subjects", headers=headers)
    assert verified(readers) == 3


def broken(path: Path) -> None:
    """A disk that takes nothing more."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON stored_events"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )


def test_what_cannot_be_written_down_is_not_shown(readers: Readers) -> None:
    """503, with nothing of the subject; statements are taken all the same."""
    headers = readers.bearer(INVESTIGATOR)
    broken(access_log_path(readers.built.files))
    for address in ("/subjects/SY01-0001", "/subjects", "/events", "/events?format=csv"):
        answer = readers.client.get(f"{BASE}{address}", headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (
            503,
            "access-log.unavailable",
        )
        assert "SY01" not in answer.text
    assert readers.ask(readers.assertion(EDC)).status_code == 503, "nor is a token issued"
    signed = identify(readers.built, 5)
    posted = readers.client.post(f"{BASE}/events", data=signed.body, content_type=signed.media_type)
    assert posted.status_code == 201


def test_an_access_log_that_was_rolled_back_stops_reading(readers: Readers) -> None:
    """Whoever rolled it back hid what he had read."""
    headers = readers.bearer(INVESTIGATOR)
    journal, path = readers.app.extensions[KEY].access.journal, access_log_path(readers.built.files)
    journal.close()
    old = path.read_bytes()
    journal._log = None
    readers.client.get(f"{BASE}/subjects", headers=headers)
    journal.close()
    path.write_bytes(old)
    journal._log = None
    answer = readers.client.get(f"{BASE}/subjects", headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "access-log.unsound")
    assert "rolled back" in answer.get_json()["detail"]


def test_reading_the_access_log_is_itself_written_down(shared: Readers) -> None:
    """And is for auditor, inspector and sponsor, no one else."""
    source = shared.enrol(Role.AUDITOR, "trial")
    headers = shared.bearer(source)
    items(shared, "/access-log", headers)
    first = items(shared, "/access-log?limit=1", headers)
    told = shared.client.get(f"{BASE}/access-log?limit=1", headers=headers).get_json()
    assert [row["seq"] for row in first] == [1]
    after = items(shared, f"/access-log?limit=1&after={told['next']}", headers)
    assert [row["seq"] for row in after] == [2]
    rows = items(shared, "/access-log?limit=1000", headers)
    assert ("access-log.read", source) in [(row["operation"], row["source"]) for row in rows]
    note = shared.client.get(f"{BASE}/access-log/checkpoint", headers=headers).text
    assert note.startswith("ledger.example/xhnkky-dfsc/access-log/")


def test_a_demonstration_without_a_token_writes_nothing_down(demonstration: Readers) -> None:
    """There is nobody to name; with a token there is."""
    demonstration.client.get(f"{BASE}/subjects")
    assert not access_log_path(demonstration.built.files).exists()
    headers = demonstration.bearer(INVESTIGATOR)
    demonstration.client.get(f"{BASE}/subjects", headers=headers)
    assert [row["operation"] for row in demonstration.written()] == [
        "token.issue",
        "subject-list.read",
    ]


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_the_public_pages_need_no_token_and_take_a_bad_one(address: str, shared: Readers) -> None:
    """A page that is for everybody does not ask who comes."""
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        assert shared.client.get(address, headers=headers).status_code == 200


def test_the_interface_says_what_each_route_serves_and_what_needs_a_token(shared: Readers) -> None:
    """Public routes state that they need none."""
    told = shared.client.get("/openapi.json").get_json()
    paths = told["paths"]
    assert told["security"] == [{"token": []}]
    assert paths["/healthz"]["get"]["security"] == []
    replay = paths["/v1/trials/{trial}/subjects/{subject_id}/replay"]["get"]
    assert replay["x-operation"] == "subject.replay"
    assert "security" not in replay
    assert paths["/v1/trials/{trial}/events"]["post"]["security"] == []
    assert "security" not in paths["/v1/trials/{trial}/events"]["get"]


def test_the_sponsors_root_reads_as_the_sponsor(shared: Readers) -> None:
    """The first key of a trial holds two roles and says which."""
    shared.built.parties.setdefault(SPONSOR, party(SPONSOR, "Sponsor"))
    headers = shared.bearer(SPONSOR, "role:sponsor")
    assert shared.client.get(f"{BASE}/enrolment", headers=headers).status_code == 200


@pytest.mark.parametrize("address", ["/subjects", "/events/{}", "/log/tile/0/000.p/1", "/report"])
def test_no_cache_keeps_what_was_read_under_a_token(address: str, shared: Readers) -> None:
    """Else it would be shown again to somebody else, or unseen."""
    headers = shared.bearer(shared.enrol(Role.INSPECTOR, "trial"))
    answer = shared.client.get(f"{BASE}{address.format(shared.own.id)}", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] in ("no-store", "private, no-cache")
    assert "Authorization" in answer.headers["Vary"]


def test_what_the_reader_has_already_is_written_down_when_asked_for_again(
    readers: Readers,
) -> None:
    """304 is a reading too."""
    headers = readers.bearer(INVESTIGATOR)
    address = f"{BASE}/events/{readers.own.id}"
    tag = readers.client.get(address, headers=headers).headers["ETag"]
    again = readers.client.get(address, headers={**headers, "If-None-Match": tag})
    assert again.status_code == 304
    assert [row["operation"] for row in readers.written()].count("event.read") == 2


@pytest.mark.parametrize(
    ("address", "operation"),
    [
        ("/events?subject={}", "audit-trail.read"),
        ("/deviations?subject={}", "deviations.read"),
        ("/bundle?subject={}", "dossier.export"),
        ("/report?subject={}&format=json", "report.read"),
    ],
)
def test_a_read_about_one_subject_is_written_down_with_the_subject(
    address: str, operation: str, readers: Readers
) -> None:
    """Also where the query names it and not the path."""
    headers = readers.bearer(readers.enrol(Role.MONITOR, "trial"))
    answer = readers.client.get(BASE + address.format(f"{SITE}-0001"), headers=headers)
    answer.close()
    rows = [row for row in readers.written() if row["operation"] != "token.issue"]
    assert [(row["operation"], row["subject"]) for row in rows] == [(operation, f"{SITE}-0001")]


def test_asking_for_the_methods_of_a_route_is_no_reading(readers: Readers) -> None:
    """OPTIONS shows nothing of the subject; HEAD does, if only a length."""
    headers = readers.bearer(INVESTIGATOR)
    address = f"{BASE}/subjects/{SITE}-0001"
    asked = readers.client.options(address, headers=headers)
    assert (asked.status_code, asked.get_data()) == (200, b"")
    assert "subject.read" not in [row["operation"] for row in readers.written()]
    assert readers.client.head(address, headers=headers).status_code == 200
    assert "subject.read" in [row["operation"] for row in readers.written()]


def test_a_masked_sender_gets_no_receipt_from_a_stream_that_tells(readers: Readers) -> None:
    """It would say how long the treatment is: neither posting there nor asking gives one."""
    assessor = readers.enrol(Role.OUTCOME_ASSESSOR, f"site/{SITE}")
    built, stream = readers.built, f"treatment/{SITE}-0001"
    data: JsonObject = {"infusions_given": 1}
    signed = built.sign("treatment.completed.v1", stream, data, by=assessor, meaning="authorship")
    answer = readers.client.post(f"{BASE}/events", data=signed.body, content_type=signed.media_type)
    assert (answer.status_code, answer.get_json()["code"]) == (403, "authority.masked")
    assert "receipt" not in answer.get_json()
    told = built.state(
        "treatment.completed.v1", stream, data, by=INVESTIGATOR, meaning="authorship"
    )
    headers = readers.bearer(assessor)
    for address in (
        f"/events/{told.id}",
        f"/events/{told.id}/receipt",
        f"/events?subject={stream}",
    ):
        found = readers.client.get(BASE + address, headers=headers)
        assert told.id not in found.text.replace(address, "")
        assert "tlog-proof" not in found.text

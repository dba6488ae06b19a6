"""Readers against a real server, with the client a regulator would use."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import urllib3

from api.client import LedgerClient, LedgerReader
from api.identity import Identity
from ledger.errors import TrustFailure, Unavailable
from ledger.vocabulary import Role
from tests.api.access.build_readers import BASE, FOREIGN, Readers, real_ledger
from tests.build_ledger import INVESTIGATOR, SITE, TRIAL, BuiltLedger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.conftest import Running

INSPECTOR = "/sponsor/persons/reading-inspector"
ASSESSOR = "/sponsor/persons/reading-outcome-assessor"


def command(built: BuiltLedger, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on the ledger's database."""
    return subprocess.run(
        [sys.executable, "-m", "api.cli", "access-log", *arguments, "--database", built.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A real ledger behind a real server, in which an inspector and an assessor may read."""
    from tests.api.conftest import start

    built, own, foreign = real_ledger(tmp_path_factory.mktemp("served"))
    readers = Readers(built, None, own, foreign)  # type: ignore[arg-type]  # no doors here
    readers.enrol(Role.INSPECTOR, "trial")
    readers.enrol(Role.OUTCOME_ASSESSOR, "trial")
    built.close()
    running = start(built)
    yield running
    running.stop()


def identity(served: Running, source: str) -> Identity:
    """The identity of somebody registered, as its file would hold it."""
    return Identity(source, served.built.parties[source].key)


def test_an_inspector_reads_with_five_lines(served: Running) -> None:
    """Identity, connection, question, answer; the token is nobody's business."""
    with LedgerReader(served.url, TRIAL, identity(served, INSPECTOR)) as ledger:
        replay = ledger.json("/subjects/SY01-0001/replay")
        report = ledger.get("/report?format=html")
    assert replay["header"]["subject"] == "SY01-0001"
    assert report.startswith(b"<!doctype html>") or b"<html" in report[:200]


def test_the_server_shows_nothing_without_a_token(served: Running) -> None:
    """What a demonstration shows to all, a trial shows to nobody in particular."""
    for address in ("/subjects", "/events", "/report", "/bundle", "/log/tile/entries/000.p/1"):
        answer = urllib3.request("GET", f"{served.url}{BASE}{address}", retries=False)
        assert answer.status == 401, address
    assert urllib3.request("GET", f"{served.url}/metrics", retries=False).status == 401


def test_two_authorization_headers_are_refused_by_the_real_server(served: Running) -> None:
    """However the server joins them, no token comes of two."""
    with LedgerReader(served.url, TRIAL, identity(served, INSPECTOR)) as ledger:
        bearer = ledger._tokens.headers(ledger._pool)["Authorization"]
    headers = urllib3.HTTPHeaderDict()
    headers.add("Authorization", bearer)
    headers.add("Authorization", "Bearer other")
    answer = urllib3.request("GET", f"{served.url}{BASE}/subjects", headers=headers, retries=False)
    assert answer.status in (400, 401)


def test_a_refusal_reaches_the_reader_in_the_ledgers_own_words(served: Running) -> None:
    """With what to do."""
    with (
        LedgerReader(served.url, TRIAL, identity(served, INVESTIGATOR)) as ledger,
        pytest.raises(TrustFailure) as caught,
    ):
        ledger.get(f"/subjects/{FOREIGN}-0001")
    assert caught.value.code == "access.foreign-site"
    assert caught.value.remedy


def test_a_reader_asks_for_less_or_for_what_is_not_held(served: Running) -> None:
    """Narrowing works, widening does not."""
    inspector = identity(served, INSPECTOR)
    with LedgerReader(served.url, TRIAL, inspector, site=SITE) as ledger:
        assert [row["subject"] for row in ledger.json("/subjects")["items"]] == ["SY01-0001"]
    with (
        LedgerReader(served.url, TRIAL, inspector, role="sponsor") as ledger,
        pytest.raises(TrustFailure) as caught,
    ):
        ledger.get("/subjects")
    assert caught.value.code == "token.role-not-held"
    with LedgerReader(served.url, TRIAL, identity(served, ASSESSOR)) as ledger:
        assert "seq" not in ledger.json("/events?limit=1")["items"][0]
        with pytest.raises(TrustFailure) as masked:
            ledger.get("/enrolment")
    assert masked.value.code == "access.role"


def test_a_key_that_is_not_registered_reads_nothing(served: Running) -> None:
    """A fresh identity has to be registered first."""
    stranger = Identity.generate("/sponsor/persons/stranger")
    with (
        LedgerReader(served.url, TRIAL, stranger) as ledger,
        pytest.raises(TrustFailure) as caught,
    ):
        ledger.get("/subjects")
    assert caught.value.code == "assertion.unknown-key"


def test_the_posting_client_reads_under_a_token_when_it_has_an_identity(served: Running) -> None:
    """Posting needs none."""
    vkey, event = served.built.vkey, served.built.made
    assert event
    with LedgerClient(served.url, TRIAL, vkey=vkey) as client, pytest.raises(Unavailable):
        client.get("/subjects")
    reader = identity(served, INVESTIGATOR)
    with LedgerClient(served.url, TRIAL, vkey=vkey, reader=reader) as client:
        assert json.loads(client.get("/subjects"))["items"]


def test_the_command_line_shows_and_verifies_who_read_what(served: Running) -> None:
    """Beside a running server, on its own file."""
    with LedgerReader(served.url, TRIAL, identity(served, INSPECTOR)) as ledger:
        ledger.get("/subjects/SY01-0001")
    shown = command(served.built, "show", "--json", "--subject", "SY01-0001")
    rows = json.loads(shown.stdout)
    assert {row["subject"] for row in rows} == {"SY01-0001"}
    assert rows[-1]["source"] == INSPECTOR
    verified = command(served.built, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "sound" in verified.stdout


def test_the_command_line_names_what_was_changed(served: Running, tmp_path: object) -> None:
    """Last of this module: it damages the log."""
    path = served.built.directory / "ledger.sqlite3.access-log"
    served.stop()
    data = path.read_bytes()
    assert INSPECTOR.encode() not in data, "statements are base64url, as in the main log"
    head = path.with_name(path.name + ".head")
    head.write_bytes(head.read_bytes().replace(b"/access-log/", b"/access-lag/", 1))
    verified = command(served.built, "verify")
    assert verified.returncode == 1
    assert "note" in verified.stdout or "checkpoint" in verified.stdout


def test_the_command_line_says_that_there_is_none_yet(tmp_path: object, served: Running) -> None:
    """A ledger nobody read has no access log."""
    path = served.built.directory / "ledger.sqlite3.access-log"
    path.rename(path.with_name("aside"))
    answer = command(served.built, "show")
    assert answer.returncode == 2
    assert "It begins with the first token" in answer.stderr

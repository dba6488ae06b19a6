"""Time stamps at the doors and on the command line, from a real RFC 3161 authority."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import urllib3
from click.testing import CliRunner

from api.app import create_app
from api.cli.verifying import COULD_NOT_CHECK, DAMAGED, verify
from api.serving import follow
from api.stamping import StampingSettings, start_stamping
from ledger.errors import RejectedInput
from ledger.log.note import split_note
from ledger.publication.timestamping import read_certificates, verify_timestamp
from tests.api.conftest import ROOT
from tests.build_ledger import REGISTRAR, SPONSOR, TRIAL, BuiltLedger, open_ledger
from tests.free_port import free_port
from tests.running_authority import RunningAuthority, new_authority, openssl_stamps
from tests.sqlite_table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result
    from flask import Flask
    from flask.testing import FlaskClient

    from ledger.publication.timestamp_follower import TimestampFollower

pytestmark = pytest.mark.skipif(not openssl_stamps(), reason="no openssl with ts on this machine")

BASE = f"/v1/trials/{TRIAL}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunningAuthority:
    """Keys and certificates of an authority, made once."""
    return new_authority(tmp_path_factory.mktemp("authority") / "one", "Example authority")


@pytest.fixture
def authority(made: RunningAuthority) -> Iterator[RunningAuthority]:
    """The authority, serving."""
    one = RunningAuthority(made.directory, made.name)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def built(tmp_path: Path) -> Iterator[BuiltLedger]:
    """A ledger with entry 0 that publishes."""
    directory = tmp_path / "ledger"
    directory.mkdir()
    one = open_ledger(directory)
    one.ledger.publish()
    yield one
    one.close()


@pytest.fixture
def stamping(built: BuiltLedger, authority: RunningAuthority) -> Iterator[TimestampFollower]:
    """Its time-stamping, under way."""
    one = start_stamping(built.ledger, StampingSettings(authority.url, authority.ca))
    yield one
    one.close()


@pytest.fixture
def client(built: BuiltLedger, stamping: TimestampFollower) -> Iterator[FlaskClient]:
    """A client of the doors."""
    projections = follow(built.ledger)
    yield create_app(built.ledger, projections, stamping=stamping).test_client()
    projections.close()


def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def test_a_stamp_is_listed_and_served_as_it_was_answered(
    client: FlaskClient, stamping: TimestampFollower, authority: RunningAuthority
) -> None:
    """It verifies over the three lines of the checkpoint that the same door serves."""
    until(lambda: stamping.standing.size == 1)
    listed = client.get(f"{BASE}/log/timestamps").get_json()
    assert [one["size"] for one in listed["items"]] == [1]
    assert listed["items"][0]["tsa"] == "CN=Example authority"
    answer = client.get(f"{BASE}/log/timestamps/1")
    assert answer.content_type == "application/timestamp-reply"
    assert "immutable" in answer.headers["Cache-Control"]
    text = split_note(client.get(f"{BASE}/log/checkpoint").text)[0].encode()
    stamp = verify_timestamp(answer.data, text, read_certificates(authority.ca))
    assert stamp.rfc3339 == listed["items"][0]["time"]


@pytest.mark.parametrize("size", ["0", "2", "01", "99999999999999999999", "x", "-1"])
def test_a_size_that_was_not_stamped_is_not_found(client: FlaskClient, size: str) -> None:
    """Whatever is asked for."""
    assert client.get(f"{BASE}/log/timestamps/{size}").status_code == 404


def test_an_outage_shows_and_stops_nothing(built: BuiltLedger, authority: RunningAuthority) -> None:
    """Ready, recording, and the authority named with what is wrong."""
    settings = StampingSettings(authority.url, authority.ca)
    authority.stop()
    stamping, projections = start_stamping(built.ledger, settings), follow(built.ledger)
    client = create_app(built.ledger, projections, stamping=stamping).test_client()
    until(lambda: stamping.standing.error is not None)
    built.register(REGISTRAR, by=SPONSOR)
    ready = client.get("/readyz")
    assert ready.status_code == 200
    found = ready.get_json()["time_stamps"]
    assert (found["authority"], found["size"]) == ("127.0.0.1", 0)
    assert found["error"]["code"] == "timestamps.unreachable"
    assert client.get(f"{BASE}/verification").get_json()["time_stamps"]["error"] is not None
    assert 'ledger_timestamp_up{authority="127.0.0.1"} 0.0' in client.get("/metrics").text
    stamping.close()
    projections.close()


def test_without_an_authority_there_is_nothing_to_say(
    built: BuiltLedger, open_doors: Callable[..., Flask]
) -> None:
    """Null and an empty list."""
    client = open_doors(built.ledger).test_client()
    assert client.get("/readyz").get_json()["time_stamps"] is None
    assert client.get(f"{BASE}/log/timestamps").get_json() == {"items": [], "next": None}


def test_an_authority_without_certificates_is_refused(tmp_path: Path) -> None:
    """Nothing is kept that was not verified."""
    with pytest.raises(RejectedInput):
        StampingSettings.given("http://tsa.example/", None)
    with pytest.raises(RejectedInput):
        StampingSettings.given("http://tsa.example/", tmp_path / "ca", 0.0)
    assert StampingSettings.given(None, tmp_path / "ca") is None


@pytest.fixture
def stamped(built: BuiltLedger, stamping: TimestampFollower) -> BuiltLedger:
    """A closed ledger with one kept time stamp."""
    until(lambda: stamping.standing.size == 1)
    built.register(REGISTRAR, by=SPONSOR)
    built.close()
    return built


def run(built: BuiltLedger, *more: str) -> Result:
    """``trial-ledger verify`` on a ledger."""
    return CliRunner().invoke(verify, ["--database", built.url, *more])


def test_verify_checks_kept_stamps_where_certificates_are_given(
    stamped: BuiltLedger, authority: RunningAuthority
) -> None:
    """Without them it says that they were not checked."""
    with_them = run(stamped, "--tsa-certificates", str(authority.ca))
    assert with_them.exit_code == 0, with_them.output
    assert "time stamps" in with_them.stdout.splitlines()[1]
    without = run(stamped)
    assert without.exit_code == 0
    left = "Not checked: authorities of time stamps, witnesses, projections."
    assert left in without.stdout.splitlines()


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE timestamps SET response = substr(response, 1, 300)", "timestamps.altered"),
        ("UPDATE timestamps SET response = 'text'", "timestamps.altered"),
        ("UPDATE timestamps SET time = '2020-01-01T00:00:00Z'", "timestamps.column"),
        ("UPDATE timestamps SET authority = 'CN=Another'", "timestamps.column"),
        ("UPDATE timestamps SET size = 2", "timestamps.no-checkpoint"),
        ("UPDATE timestamps SET size = 3", "timestamps.other-checkpoint"),
        ("DELETE FROM timestamps", "timestamps.missing"),
    ],
)
def test_each_alteration_is_one_named_finding(
    stamped: BuiltLedger, authority: RunningAuthority, statement: str, code: str
) -> None:
    """Token, columns, and the token moved to a size without and with a checkpoint."""
    Table(stamped.files.published).run(statement)
    outcome = run(stamped, "--tsa-certificates", str(authority.ca))
    assert outcome.exit_code == DAMAGED, outcome.output
    assert [line.partition(" ")[0] for line in outcome.stdout.splitlines()[:1]] == [code]
    assert outcome.stdout.splitlines()[1].startswith("DAMAGED")


def test_a_token_altered_with_its_hash_is_not_trusted(
    stamped: BuiltLedger, authority: RunningAuthority
) -> None:
    """The hash finds accidents, the signature finds everybody else."""
    published = Table(stamped.files.published)
    ((token, time),) = published.ask("SELECT response, time FROM timestamps")
    # Another time, in the token as DER writes it and beside it, within the certificates' life.
    told = datetime.fromisoformat(time)
    later = told + timedelta(hours=1)
    form = "%Y%m%d%H%M%SZ"
    other = token.replace(f"{told:{form}}".encode(), f"{later:{form}}".encode())
    assert other != token
    published.run(
        "UPDATE timestamps SET response = ?, sha256 = ?, time = ?",
        other,
        hashlib.sha256(other).hexdigest(),
        later.isoformat().replace("+00:00", "Z"),
    )
    outcome = run(stamped, "--tsa-certificates", str(authority.ca), "--json")
    assert outcome.exit_code == DAMAGED
    (finding,) = json.loads(outcome.stdout)["timestamps"]
    assert finding.startswith("timestamps.untrusted at size 1")


def test_the_stamps_of_another_ca_are_not_trusted(stamped: BuiltLedger, tmp_path: Path) -> None:
    """The verifier's own certificates decide."""
    other = new_authority(tmp_path / "other", "Example authority")
    outcome = run(stamped, "--tsa-certificates", str(other.ca))
    assert outcome.exit_code == DAMAGED
    assert outcome.stdout.startswith("timestamps.untrusted at size 1")


def test_certificates_that_cannot_be_read_leave_it_unchecked(
    stamped: BuiltLedger, tmp_path: Path
) -> None:
    """Neither sound nor damaged."""
    outcome = run(stamped, "--tsa-certificates", str(tmp_path / "none"))
    assert outcome.exit_code == COULD_NOT_CHECK


def test_without_the_library_verify_says_what_to_install(
    stamped: BuiltLedger, authority: RunningAuthority
) -> None:
    """And checks everything else where no time stamps are asked for."""
    absent = "import sys; sys.modules['rfc3161_client'] = None; from api.cli import main; main()"
    command = [sys.executable, "-c", absent, "verify", "--database", stamped.url]
    plain = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert plain.returncode == 0
    asked = [*command, "--tsa-certificates", str(authority.ca)]
    refused = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == COULD_NOT_CHECK
    assert "trial-ledger[timestamp]" in refused.stderr


def test_the_served_ledger_has_its_checkpoint_stamped(
    built: BuiltLedger, authority: RunningAuthority
) -> None:
    """The real service, the real options."""
    built.ledger.close()
    port = free_port()
    command = [sys.executable, "-m", "api.cli", "serve", "--database", built.url]
    command += ["--port", str(port), "--tsa-url", authority.url]
    command += ["--tsa-certificates", str(authority.ca), "--tsa-interval", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    def served() -> bool:
        url = f"http://127.0.0.1:{port}{BASE}/log/timestamps/1"
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return urllib3.request("GET", url, retries=False, timeout=5).status == 200
        return False

    try:
        until(served)
    finally:
        process.terminate()
        process.wait(timeout=60)
    outcome = run(built, "--tsa-certificates", str(authority.ca))
    assert "time stamps" in outcome.stdout.splitlines()[1], outcome.output

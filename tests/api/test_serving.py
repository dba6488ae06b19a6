"""The real server over real HTTP: concurrency, broken connections, raw requests, restarts."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from click.testing import CliRunner

from api.cli import cli
from api.serving import require_reach, serve
from ledger.errors import RejectedInput, Unavailable
from tests.api.conftest import ROOT
from tests.build_ledger import TRIAL, BuiltLedger, Signed, build_ledger, each, identify
from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.api.conftest import Running

PATH = f"/v1/trials/{TRIAL}/events"
TIME = "2024-02-02T01:00:00Z"


def send(running: Running, signed: Signed, **more: Any) -> urllib3.BaseHTTPResponse:
    """Post a signed event once, on a connection of its own."""
    headers = {"Content-Type": signed.media_type, "Demonstration-Time": TIME}
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        return pool.request("POST", running.events, body=signed.body, headers=headers, **more)


def raw(running: Running, request: bytes, *, read: bool = True) -> bytes:
    """Send bytes as they are; what comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=60) as link:
        link.sendall(request)
        received = b""
        while read and (part := link.recv(65_536)):
            received += part
        return received


def head_of(running: Running, *fields: str) -> bytes:
    """The head of a POST request."""
    lines = [
        f"POST {PATH} HTTP/1.1",
        f"Host: 127.0.0.1:{running.port}",
        "Connection: close",
        "Content-Type: application/jose",
        *fields,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_fifty_at_once_are_each_recorded_once(server: Running) -> None:
    """Every one gets its own position; the positions have no gap."""
    events = each(server.built, range(1, 51), identify)
    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda one: send(server, one), events))
    told = [answer.json() for answer in answers]
    positions = sorted(seq for one in told for seq in (one["seq"], one["result"]["seq"]))

    assert {answer.status for answer in answers} == {201}
    assert positions == list(range(positions[0], positions[0] + 100))


def test_the_same_statement_sent_by_many_at_once_is_recorded_once(server: Running) -> None:
    """One 201 and otherwise 200, all with the same receipt."""
    signed = identify(server.built, 60)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda one: send(server, one), [signed] * 20))

    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
    assert len({answer.data for answer in answers}) == 1


def test_a_connection_that_breaks_before_the_answer_loses_and_doubles_nothing(
    server: Running,
) -> None:
    """The sender cannot know what became of it, sends again, and has one record."""
    signed = identify(server.built, 61)
    request = head_of(
        server, f"Content-Length: {len(signed.body)}", f"Demonstration-Time: {TIME}"
    ).replace(b"application/jose", signed.media_type.encode())
    raw(server, request + signed.body, read=False)
    first, second = send(server, signed), send(server, signed)

    assert first.status in (200, 201)
    assert second.status == 200
    assert first.data == second.data


def test_a_body_that_ends_early_records_nothing(server: Running) -> None:
    """Half a statement is none; afterwards the whole one is new."""
    signed = identify(server.built, 62)
    request = head_of(server, f"Content-Length: {len(signed.body)}")
    raw(server, request + signed.body[:100], read=False)
    assert send(server, signed).status == 201


def test_a_chunked_body_is_taken_like_any_other(server: Running) -> None:
    """Its length is not announced; it is bounded all the same."""
    signed = identify(server.built, 63)
    answer = send(server, signed, chunked=True)
    assert answer.status == 201


def test_an_endless_chunked_body_is_cut_off(server: Running) -> None:
    """413 as soon as the bound is passed, however much more was to come."""
    with urllib3.PoolManager(retries=False, timeout=30) as pool:
        answer = pool.request(
            "POST",
            server.events,
            body=(b"A" * 65_536 for _ in range(8)),
            headers={"Content-Type": "application/jose"},
            chunked=True,
        )
    assert answer.status == 413
    assert answer.json()["code"] == "body.too-large"


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: 1_0",),
        ("Content-Length: 99999999999999999999999",),
        ("Transfer-Encoding: chunked, identity",),
    ],
)
def test_a_length_that_two_readers_could_read_two_ways_is_refused(
    fields: tuple[str, ...], server: Running
) -> None:
    """No second request can be smuggled behind it."""
    answer = raw(server, head_of(server, *fields) + b"AAAAA\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
    statuses = re.findall(rb"HTTP/1\.1 ([0-9]{3})", answer)
    assert len(statuses) <= 1
    assert all(status.startswith(b"4") for status in statuses)


def test_a_foreign_host_does_not_get_through_the_server(server: Running) -> None:
    """The server passes the header on as it is."""
    answer = urllib3.request(
        "GET", f"{server.url}/healthz", headers={"Host": "evil.example"}, retries=False
    )
    assert answer.status == 421


def test_a_batch_is_taken_by_the_server(server: Running) -> None:
    """Three hundred at once, in order, in one request."""
    events = each(server.built, range(1_000, 1_300), identify)
    body = b"".join(json.dumps(one.body.decode()).encode() + b"\n" for one in events)
    answer = urllib3.request(
        "POST",
        server.events,
        body=body,
        headers={"Content-Type": "application/x-ndjson", "Demonstration-Time": TIME},
        retries=False,
        timeout=60,
    )
    told = [json.loads(line) for line in answer.data.splitlines()]
    assert [one["status"] for one in told] == [201] * 300
    assert [one["id"] for one in told] == [one.event.id for one in events]
    assert [one["seq"] for one in told] == sorted(one["seq"] for one in told)


def test_what_was_acknowledged_outlives_a_kill(
    tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """After kill -9 and a new start the same statement gives the same receipt."""
    built = build_ledger(tmp_path)
    built.close()
    running = serving(built)
    events = each(built, range(1, 6), identify)
    before = [send(running, one).data for one in events]
    running.process.kill()
    running.process.wait(timeout=60)
    again = [send(serving(built), one) for one in events[:1]]
    assert [answer.status for answer in again] == [200]
    assert again[0].data == before[0]


def is_open(port: int) -> bool:
    """Whether anybody takes connections there."""
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_a_killed_service_leaves_nobody_behind_that_writes(
    tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """The process that serves ends with the one that was killed."""
    built = build_ledger(tmp_path)
    built.close()
    running = serving(built)
    running.process.kill()
    running.process.wait(timeout=60)
    deadline = time.monotonic() + 60
    while is_open(running.port):
        assert time.monotonic() < deadline, "somebody still listens"
        time.sleep(0.1)


def test_it_stops_when_asked_to(tmp_path: Path, serving: Callable[[BuiltLedger], Running]) -> None:
    """SIGTERM ends it with status 0."""
    built = build_ledger(tmp_path)
    built.close()
    running = serving(built)
    running.stop()
    assert running.process.returncode == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "ledger.example", ""])
def test_a_demonstration_listens_on_loopback_only_and_says_why(host: str, server: Running) -> None:
    """It is open to whoever can connect."""
    with pytest.raises(RejectedInput, match="open without a token"):
        serve(server.built.url, host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_a_real_ledger_may_listen_elsewhere_and_asks_for_tls(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its readers prove who they are; that their tokens stay theirs is for the proxy in front."""
    require_reach(host, demonstration=False)
    assert "put a proxy with TLS in front" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_nothing_is_said(host: str, caplog: pytest.LogCaptureFixture) -> None:
    """For a demonstration and for any other ledger."""
    require_reach(host, demonstration=True)
    require_reach(host, demonstration=False)
    assert caplog.text == ""


@pytest.mark.parametrize("workers", [0, -1, 65])
def test_no_workers_and_too_many_are_refused(workers: int, tmp_path: Path) -> None:
    """One writes by itself; several have a writer beside them."""
    with pytest.raises(RejectedInput, match="cannot be served"):
        serve(f"sqlite:///{tmp_path}/ledger.sqlite3", workers=workers)


def test_it_does_not_start_without_a_ledger_or_on_a_taken_port(
    tmp_path: Path, server: Running
) -> None:
    """Both are said before anything listens."""
    with pytest.raises(RejectedInput, match="There is no database"):
        serve(f"sqlite:///{tmp_path}/none.sqlite3")
    with pytest.raises(Unavailable, match="cannot be listened on"):
        serve(server.built.url, port=server.port)


def test_that_it_serves_is_said_after_all_checks(
    tmp_path: Path, serving: Callable[[BuiltLedger], Running]
) -> None:
    """A refusal is not preceded by it."""
    built = build_ledger(tmp_path)
    built.close()
    port = serving(built).port
    refused = CliRunner().invoke(cli, ["serve", "--database", built.url, "--port", str(port)])
    assert isinstance(refused.exception, Unavailable)
    assert "Serving" not in refused.stderr
    command = [sys.executable, "-m", "api.cli", "serve", "--database", built.url]
    with subprocess.Popen(
        [*command, "--port", str(free_port())], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
        process.communicate(timeout=60)
    assert line.startswith(f"Serving {built.url} on http://127.0.0.1:")

"""Several web workers beside one writer's process: deaths of any of them, and a clean end."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.evidence import verify_ledger
from tests.build_ledger import TRIAL, BuiltLedger, build_ledger
from tests.faults.serving import Sender, Service, sending
from tests.ledger.build_service import require_sound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 60


@pytest.fixture
def built(tmp_path: Path) -> BuiltLedger:
    """A ledger nobody holds open."""
    one = build_ledger(tmp_path)
    one.close()
    return one


@pytest.fixture
def service(built: BuiltLedger) -> Iterator[Service]:
    """It, served by two workers."""
    one = Service(built.url, ("--workers", "2"))
    yield one.start()
    one.stop()


def writers(service: Service) -> list[int]:
    """Those of the service's processes that listen on a Unix socket: the writer's."""
    listening = {
        fields[6]
        for line in Path("/proc/net/unix").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "00010000" and fields[-1].endswith("/writer")
    }
    return [pid for pid in service.processes() if listening & sockets(pid)]


def workers(service: Service) -> list[int]:
    """Those that hold the port, but for the parent of all."""
    own = f"{service.port:04X}"
    listening = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and fields[1].endswith(own)
    }
    return [pid for pid in service.processes()[1:] if listening & sockets(pid)]


def sockets(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


def measures(service: Service) -> dict[str, float]:
    """What /metrics counts."""
    text = urllib3.request("GET", f"{service.address}/metrics").data.decode()
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in rows}


def require_kept(built: BuiltLedger, service: Service, senders: list[Sender]) -> None:
    """Every acknowledged receipt is honoured, nothing is there twice, the log is sound."""
    for sender in senders:
        for event in sender.events:
            assert sender.post(event, attempts=8), event.id
        assert sender.faults == []
    service.stop()
    path = built.directory / "ledger.sqlite3"
    report = verify_ledger(path, head_file=LedgerFiles.beside(path).head)
    assert [str(found) for found in report.findings] == []
    with TrialLedger(built.url) as ledger:
        size = ledger.application.store.head().size
        seen = Counter(record.id for record in ledger.application.records(0, size))
    posted = {event.id for sender in senders for event in sender.events}
    assert {event: seen[event] for event in posted} == dict.fromkeys(posted, 1)


def until(condition: Callable[[], object]) -> None:
    """Wait, within bounds, until something holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def senders_of(built: BuiltLedger, service: Service) -> list[Sender]:
    """Four clients of the service."""
    return [Sender(number, [service.address], built.vkey) for number in range(1, 5)]


def test_the_writer_killed_under_load_loses_and_doubles_nothing(
    built: BuiltLedger, service: Service
) -> None:
    """It comes back by itself, receipts stay what they were, retries give the same."""
    senders = senders_of(built, service)
    with sending(senders):
        for _ in range(2):
            until(lambda: len(senders[0].given) > 5)
            (writer,) = writers(service)
            os.kill(writer, signal.SIGKILL)
            until(lambda old=writer: set(writers(service)) - {old})  # type: ignore[misc]
            time.sleep(0.5)
    require_kept(built, service, senders)


def test_while_the_writer_is_away_senders_are_told_when_to_come_again(
    built: BuiltLedger, service: Service
) -> None:
    """503 with Retry-After for who posts and for who asks whether it is ready; reads go on."""
    sender = senders_of(built, service)[0]
    # The worker that was ready first need not be the one that is met.
    assert sender.post(sender._next(), attempts=8)
    (writer,) = writers(service)
    assert service.process is not None
    service.process.send_signal(signal.SIGSTOP)  # the parent does not see the writer end
    try:
        os.kill(writer, signal.SIGKILL)
        event = sender._next()
        answer = urllib3.request(
            "POST", f"{service.address}/v1/trials/{TRIAL}/events", body=event.body,
            headers={"Content-Type": event.media_type}, retries=False, timeout=60,
        )  # fmt: skip
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["code"] == "writer.away"
        assert service.status(f"/v1/trials/{TRIAL}/log/checkpoint") == 200
    finally:
        service.process.send_signal(signal.SIGCONT)
    until(lambda: service.status("/readyz") == 200)
    assert urllib3.request("GET", f"{service.address}/readyz").json()["allocation"] == "ready"
    assert sender.post(event, attempts=8)


@pytest.mark.long
def test_a_killed_worker_is_replaced_and_nothing_is_lost(
    built: BuiltLedger, service: Service
) -> None:
    """The other one serves on meanwhile."""
    senders = senders_of(built, service)
    with sending(senders):
        until(lambda: len(senders[0].given) > 5)
        until(lambda: len(workers(service)) == 2)
        before = workers(service)
        os.kill(before[0], signal.SIGKILL)
        until(lambda: len(set(workers(service)) - {before[0]}) == 2)
        time.sleep(0.5)
    require_kept(built, service, senders)


@pytest.mark.parametrize("told", ["SIGTERM", "SIGINT", "SIGINT late"])
def test_when_asked_to_end_it_leaves_no_process_and_no_file_behind(
    told: str, service: Service
) -> None:
    """SIGTERM as an operator sends it; Ctrl-C reaches every process, the parent first or last."""
    members = service.processes()
    assert service.process is not None
    if told == "SIGTERM":
        service.process.terminate()
    elif told == "SIGINT":
        os.killpg(service.process.pid, signal.SIGINT)
    else:
        serving = workers(service)
        service.process.send_signal(signal.SIGSTOP)
        os.killpg(service.process.pid, signal.SIGINT)
        until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in serving))
        service.process.send_signal(signal.SIGCONT)
    assert service.process.wait(timeout=SECONDS) == 0
    until(lambda: not [pid for pid in members if Path(f"/proc/{pid}").exists()])


@pytest.mark.long
def test_when_its_parent_is_killed_nobody_serves_on(service: Service) -> None:
    """No orphan keeps the ledger open or answers for it."""
    members = service.processes()
    assert service.process is not None
    service.process.kill()
    service.process.wait(timeout=SECONDS)
    until(lambda: not [pid for pid in members if Path(f"/proc/{pid}").exists()])


@pytest.mark.long
def test_workers_count_together_and_show_the_writers_queue(
    built: BuiltLedger, service: Service
) -> None:
    """Whichever of them is asked."""
    sender = senders_of(built, service)[0]
    for _ in range(6):
        assert sender.post(sender._next())
    for _ in range(4):
        told = measures(service)
        assert told['ledger_statements_total{status="201"}'] == 6
        assert told["ledger_signing"] == 1
        assert told["ledger_writer_waiting"] >= 0


def test_a_writer_that_refuses_to_sign_says_so_through_every_worker(
    built: BuiltLedger, service: Service
) -> None:
    """The head file is gone when it starts again; reads go on."""
    LedgerFiles.beside(built.directory / "ledger.sqlite3").head.unlink()
    (writer,) = writers(service)
    os.kill(writer, signal.SIGKILL)
    told = f"{service.address}/v1/trials/{TRIAL}/verification"
    until(lambda: urllib3.request("GET", told).json()["state"] == "refuses-to-sign")
    until(lambda: (urllib3.request("GET", told).json()["reason"] or {})["code"] != "writer.away")
    assert urllib3.request("GET", told).json()["reason"]["code"] == "head.file-missing"
    assert service.status("/readyz") == 503
    event = senders_of(built, service)[0]._next()
    answer = urllib3.request(
        "POST", f"{service.address}/v1/trials/{TRIAL}/events", body=event.body,
        headers={"Content-Type": event.media_type}, retries=False, timeout=60,
    )  # fmt: skip
    assert (answer.status, answer.json()["code"]) == (503, "ledger.refuses-to-sign")


@pytest.mark.long
def test_what_was_posted_is_read_through_any_worker_at_once(
    built: BuiltLedger, service: Service
) -> None:
    """A read waits for the projections to reach what was recorded before it came."""
    sender = senders_of(built, service)[0]
    for number in range(1, 4):
        while (event := sender._next()).type != "subject.identified.v1":
            assert sender.post(event)
        assert sender.post(event)
        found = urllib3.request("GET", f"{service.address}/v1/trials/{TRIAL}/subjects").json()
        assert len(found["items"]) == number


@pytest.mark.long
def test_two_nodes_on_one_server_each_with_its_writer_make_one_log(
    postgres_built: BuiltLedger,
) -> None:
    """PostgreSQL, two workers and a writer a node, one writer killed under load: no fork.

    They share files and key store, as nodes must share the keys of what is concealed.
    """
    built = postgres_built
    options = ("--workers", "2", "--files", str(built.files.keys.parent))
    nodes = [Service(built.database.url, options) for _ in range(2)]
    try:
        for one in nodes:
            one.start()
        senders = [
            Sender(number, [nodes[number % 2].address], built.vkey) for number in range(1, 5)
        ]
        with sending(senders):
            until(lambda: all(len(sender.given) > 3 for sender in senders))
            (writer,) = writers(nodes[0])
            os.kill(writer, signal.SIGKILL)
            until(lambda: set(writers(nodes[0])) - {writer})
            time.sleep(0.5)
        for sender in senders:
            for event in sender.events:
                assert sender.post(event, attempts=8), event.id
            assert sender.faults == []
    finally:
        for one in nodes:
            one.stop()
    require_sound(built)

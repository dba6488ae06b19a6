"""PostgreSQL under load while lines are cut, nodes are killed, the disk fills and a clock jumps."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from api.app import create_app
from api.serving import follow
from ledger.concealment.settings import KEY_STORE_VARIABLE, KeyPlaces
from ledger.errors import LedgerError
from ledger.service import TrialLedger
from ledger.storage.database import Database
from tests.build_ledger import build_ledger
from tests.cutting_proxy import cutting_proxy
from tests.faults.cluster import PatientSender, files_for_node, node
from tests.faults.honoured import require_all_there
from tests.faults.kept import TALLY, receipts_of
from tests.faults.serving import sending
from tests.ledger.build_service import answer, bag, require_sound, with_subject
from tests.postgres_server import DURABLE, new_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ledger.recording.outcomes import Receipted
    from tests.build_ledger import BuiltLedger, Signed
    from tests.cutting_proxy import CuttingProxy
    from tests.faults.serving import Service
    from tests.postgres_server import PostgresServer, StartedServer

SOAK = bool(os.environ.get("LEDGER_SOAK"))
CUTS = 300 if SOAK else 10
KILLS = 100 if SOAK else 5
DISK, ROOM = "128m", 1_500_000
SECONDS = 60.0


@pytest.fixture
def one_key_store(postgres_built: BuiltLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """All nodes of the ledger use its key store, as they must; here they are on one machine."""
    address = KeyPlaces().store_address(postgres_built.database.place)
    monkeypatch.setenv(KEY_STORE_VARIABLE, address)


@contextmanager
def served(urls: Sequence[str], built: BuiltLedger, directory: Path) -> Iterator[list[Service]]:
    """A service node for each URL, each with files of its own; the first takes the ledger's."""
    built.close()
    source = built.database.place.parent
    places = [source]
    places += [files_for_node(source, directory / f"node-{n}") for n in range(1, len(urls))]
    nodes = [node(url, place) for url, place in zip(urls, places, strict=True)]
    try:
        for one in nodes:
            one.start()
        yield nodes
    finally:
        for one in nodes:
            one.stop()


def finish(built: BuiltLedger, senders: Sequence[PatientSender], nodes: Sequence[Service]) -> None:
    """Send again what had no answer, and some of what had; then verify it all."""
    for sender in senders:
        again = random.sample(sender.events, min(40, len(sender.events)))
        for event in (*sender.unanswered(), *again):
            assert sender.post(event, attempts=8), event.id
    for one in nodes:
        assert one.is_ready()
    require_all_there(built.database, built.vkey, senders)
    stalls = [one.answered - one.began for sender in senders for one in sender.posted]
    TALLY["longest stall of a client on PostgreSQL, ms"] = max(
        TALLY["longest stall of a client on PostgreSQL, ms"], int(max(stalls) * 1000)
    )


def cut_often(proxy: CuttingProxy, cuts: int) -> None:
    """Have one COMMIT after another cut, before it arrives or after it was done."""
    deadline = time.monotonic() + SECONDS * (1 + cuts / 10)
    while proxy.cuts < cuts:
        assert time.monotonic() < deadline, "too few commits met the proxy"
        if not proxy.cut:
            proxy.cut = random.choice(("before", "after"))
        time.sleep(random.uniform(0.01, 0.15))
    proxy.cut = ""
    TALLY["connections cut in mid-commit"] += proxy.cuts


@pytest.mark.long
@pytest.mark.usefixtures("one_key_store")
def test_connections_cut_in_mid_commit_lose_and_double_nothing(
    postgres: PostgresServer, postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """One node behind a line that is cut at COMMIT again and again, one beside it."""
    host, port = postgres.settings.get("host", "127.0.0.1"), postgres.settings.get("port", "5432")
    if host.startswith("/"):
        pytest.skip("The server listens on no TCP port.")
    url = postgres_built.url
    with cutting_proxy(host, int(port)) as proxy:
        behind = url.replace(f":{port}/", f":{proxy.port}/")
        assert behind != url
        with served([behind, url], postgres_built, tmp_path) as nodes:
            one, other = (service.address for service in nodes)
            ways = [[one], [one, other], [other]]
            senders = [PatientSender(n, way, postgres_built.vkey) for n, way in enumerate(ways, 1)]
            with sending([*senders]):
                cut_often(proxy, CUTS)
            finish(postgres_built, senders, nodes)


@pytest.mark.long
@pytest.mark.usefixtures("one_key_store")
def test_a_node_killed_again_and_again_leaves_the_other_going_on(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """Kill -9 of one node's processes; whoever knows both nodes hardly notices."""
    url = postgres_built.url
    with served([url, url], postgres_built, tmp_path) as (first, second):
        ways = [[first.address], [first.address, second.address], [second.address]]
        senders = [PatientSender(n, way, postgres_built.vkey) for n, way in enumerate(ways, 1)]
        with sending([*senders]):
            for _ in range(KILLS):
                time.sleep(random.uniform(0.05, 0.9))
                first.kill(one_first=random.random() < 0.3)
                TALLY["node killed on PostgreSQL"] += 1
                require_going_on(senders[2])
                first.start()
        finish(postgres_built, senders, [first, second])


def require_going_on(sender: PatientSender) -> None:
    """Wait until it was answered twice more, so at least once for what it sent from now on."""
    before, deadline = len(sender.posted), time.monotonic() + SECONDS
    while len(sender.posted) < before + 2:
        assert time.monotonic() < deadline, "the other node did not go on"
        time.sleep(0.01)


def recorded(built: BuiltLedger) -> list[datetime]:
    """When each entry was recorded, in order of the log."""
    head = built.ledger.application.store.head().size
    return [record.recorded_at for record in built.ledger.application.records(0, head)]


@pytest.mark.usefixtures("one_key_store")
def test_a_node_whose_clock_jumps_back_an_hour_never_lowers_a_time(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """Its entries stand at the other node's last time until its clock has caught up."""
    built = postgres_built
    files = files_for_node(built.database.place.parent, tmp_path / "other")
    clock = StandingClock(built.tick() - timedelta(hours=1))
    other = Database.parse(built.url, files=files)
    with TrialLedger(other, clock=clock) as slow:
        for number in range(0, 20, 2):
            answer(built, bag(built, number))
            signed = bag(built, number + 1)
            given = slow.submit(slow.receive(signed.text, signed.disclosures), clock.now())
            assert given.outcome.result_seq is None
        projections = follow(slow)
        try:
            page = create_app(slow, projections).test_client().get("/metrics").text
        finally:
            projections.close()
    times = recorded(built)
    assert times == sorted(times)
    behind = next(line for line in page.splitlines() if line.startswith("ledger_clock_behind"))
    assert float(behind.split()[1]) > 3600
    require_sound(built)
    TALLY["clock of a node an hour back"] += 1


class StandingClock:
    """A clock that stands still."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        """The one instant it knows."""
        return self._instant


@pytest.fixture
def small_server() -> Iterator[StartedServer]:
    """A server whose data lie on a small file system of their own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("A small file system for PostgreSQL can be mounted by root alone.")
    server = new_server()
    if server is None:
        pytest.skip("NO POSTGRESQL server binaries are installed: no disk was filled.")
    place = str(server.directory)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place]
    if subprocess.run(mount, capture_output=True, check=False, timeout=30).returncode != 0:
        server.remove()
        pytest.skip("A small file system may not be mounted here.")
    try:
        server.initialise("--wal-segsize=1")
        server.start(**DURABLE, max_wal_size="8MB", min_wal_size="2MB")
        yield server
    finally:
        server.kill()
        subprocess.run(["umount", "-l", place], check=True, timeout=30)
        server.remove()


def post_until_full(built: BuiltLedger) -> tuple[list[Signed], dict[str, Receipted], int]:
    """Post groups until the server can take no more; what was sent, and what was answered."""
    sent: list[Signed] = []
    given: dict[str, Receipted] = {}
    for group in range(400):
        signed = [bag(built, group * 50 + number) for number in range(50)]
        sent += signed
        answers = built.record_all(signed)
        for one, found in zip(signed, answers, strict=True):
            if not isinstance(found, LedgerError):
                given[one.event.id] = found
        if isinstance(answers[-1], LedgerError):
            assert answers[-1].code == "storage.unavailable"
            return sent, given, group
    raise AssertionError("the disk was never full")


def answer_in_the_end(built: BuiltLedger, one: Signed) -> Receipted:
    """The answer, asked for again while the server recovers: it may die just after it answered."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return answer(built, one)
        except LedgerError as error:
            if error.code != "storage.unavailable" or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.mark.long
def test_a_full_disk_of_the_server_stops_recording_and_loses_nothing(
    small_server: StartedServer, tmp_path: Path
) -> None:
    """The server gives errors, or dies for want of room for its log; with room it all goes on."""
    url = f"postgresql://postgres@127.0.0.1:{small_server.port}/postgres"
    database = Database.parse(url, files=tmp_path / "files")
    built = with_subject(build_ledger(tmp_path, database=database))
    filler = small_server.directory / "filler"
    room = os.statvfs(small_server.directory)
    filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - ROOM)))
    sent, given, groups = post_until_full(built)
    assert groups > 0
    assert len(given) < len(sent)
    filler.unlink()
    if not small_server.answers():
        TALLY["disk full on PostgreSQL: server died"] += 1
        small_server.kill()
        small_server.start()
    for one in sent:
        found = answer_in_the_end(built, one)
        first = given.get(one.event.id, found)
        assert receipts_of(first) == receipts_of(found)
    TALLY["disk full on PostgreSQL"] += 1
    TALLY["acknowledged"] += len(given)
    require_sound(built)
    built.close()

"""What is PostgreSQL's alone: locks, lost connections, unknown outcomes, servers that go away."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from eventsourcing.persistence import (
    ConnectionPoolClosedError,
    OperationalError,
    ProgrammingError,
)

from ledger.errors import Unavailable
from ledger.log.chain import ChainHead
from ledger.service import TrialLedger
from ledger.storage import postgres as recorder
from ledger.storage import postgres_pool
from ledger.storage.database import Database
from ledger.storage.postgres import PostgresLedgerRecorder
from ledger.storage.postgres_pool import PostgresPool
from tests.build_ledger import build_ledger
from tests.cutting_proxy import Cut, cutting_proxy
from tests.ledger.build_service import (
    answer,
    bag,
    code_of,
    look,
    require_receipt,
    require_sound,
    with_subject,
)
from tests.postgres_server import start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.build_ledger import BuiltLedger
    from tests.cutting_proxy import CuttingProxy
    from tests.postgres_server import PostgresServer, StartedServer

RETRIES_OF_THE_LIBRARY = 20.0
"""Seconds after which the library's recorder lets a lock time-out of 2 s show."""


@pytest.fixture
def behind_proxy(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> Iterator[tuple[BuiltLedger, CuttingProxy]]:
    """A ledger whose connections go through a proxy that can cut them at COMMIT."""
    host, port = postgres.settings.get("host", "127.0.0.1"), postgres.settings.get("port", "5432")
    if host.startswith("/"):
        pytest.skip("The server listens on no TCP port.")
    with cutting_proxy(host, int(port)) as proxy:
        original = postgres_built.url
        postgres_built.url = original.replace(f":{port}/", f":{proxy.port}/")
        assert postgres_built.url != original
        postgres_built.reopen()
        yield postgres_built, proxy
        postgres_built.close()
        postgres_built.url = original
        postgres_built.reopen()


@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_connection_lost_at_commit_ends_in_one_entry_and_one_receipt(
    behind_proxy: tuple[BuiltLedger, CuttingProxy], cut: Cut, count: int
) -> None:
    """Failed, or failed but persisted: the library would report its own event as a conflict."""
    built, proxy = behind_proxy
    signed = [bag(built, number) for number in range(count)]
    size = built.ledger.application.store.head().size
    proxy.cut = cut
    first = built.record_all(signed)
    assert proxy.cuts == 1
    for given in first:
        if cut == "after":
            assert not isinstance(given, Exception)  # found out, and answered
        else:
            assert isinstance(given, Unavailable)
    second = built.record_all(signed)
    for number, (one, given) in enumerate(zip(signed, second, strict=True)):
        assert not isinstance(given, Exception)
        assert given.outcome.seq == size + number
        require_receipt(built, given, one)
    assert built.ledger.application.store.head().size == size + count
    require_sound(built)


def test_dead_connections_are_replaced_before_anybody_notices(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> None:
    """A server that was restarted, or an administrator, ended all sessions."""
    answer(postgres_built, bag(postgres_built, 1))
    name = postgres_built.database.place.name
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )
    assert postgres_built.ledger.application.store.head().size > 1
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )
    assert code_of(postgres_built, bag(postgres_built, 2)) == ""
    require_sound(postgres_built)


def test_a_head_that_somebody_holds_is_told_soon_and_not_waited_for(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> None:
    """The library waits for ever, or retries ten times without a word."""
    signed = bag(postgres_built, 1)
    with postgres.connect(postgres_built.database.place.name) as holder, holder.transaction():
        holder.execute("SELECT 1 FROM ledger.ledger_head FOR UPDATE")
        began = time.monotonic()
        assert code_of(postgres_built, signed) == "storage.unavailable"
        assert time.monotonic() - began < RETRIES_OF_THE_LIBRARY
        assert postgres_built.ledger.receipt(3).index == 3  # reading goes on
    require_receipt(postgres_built, answer(postgres_built, signed), signed)


def test_no_lock_on_the_table_is_taken(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> None:
    """The library's EXCLUSIVE lock would wait for this one, and keeps VACUUM away."""
    with postgres.connect(postgres_built.database.place.name) as holder, holder.transaction():
        holder.execute("LOCK TABLE ledger.stored_events IN SHARE UPDATE EXCLUSIVE MODE")
        assert code_of(postgres_built, bag(postgres_built, 1)) == ""


def test_a_slow_reader_stops_no_writer_and_sees_one_moment(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> None:
    """A report reads for minutes; positions it has passed are never filled in behind it."""
    with postgres.connect(postgres_built.database.place.name) as reader, reader.transaction():
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        counted = "SELECT count(*), max(seq) FROM ledger.stored_events"
        before = reader.execute(counted).fetchone()
        assert code_of(postgres_built, bag(postgres_built, 1)) == ""
        assert reader.execute(counted).fetchone() == before


def test_readers_never_see_a_gap_while_two_writers_extend_the_log(
    postgres_built: BuiltLedger,
) -> None:
    """A tailing reader that meets position n has met all before it (ids 1, 3, later 2)."""
    built = postgres_built
    store = built.ledger.application.store
    met: list[int] = []
    stop = threading.Event()
    faults: list[str] = []

    def tail() -> None:
        position = 0
        while not stop.is_set() or position < store.head().size:
            page = [seq for seq, _ in store.entries(position, position + 500)]
            if page != list(range(position, position + len(page))):
                faults.append(f"{position}: {page}")
                return
            met.extend(page)
            position += len(page)

    reader = threading.Thread(target=tail)
    reader.start()
    with TrialLedger(built.database, built.files) as other:
        for start in range(0, 60, 3):
            signed = [bag(built, start + n) for n in range(3)]
            futures = [
                writer.submit(built.receive(one), built.now)
                for writer, one in zip(
                    (built.ledger.writer, other.writer, built.ledger.writer), signed, strict=True
                )
                if writer is not None
            ]
            assert all(future.result(30) for future in futures)
    stop.set()
    reader.join(30)
    assert faults == []
    assert met == list(range(store.head().size))
    require_sound(built)


def test_tables_are_never_made_in_passing(postgres_database: Database) -> None:
    """Each worker that starts would try, and need the rights for it."""
    factory = recorder.PostgresLedgerFactory(postgres_database.settings)
    try:
        made = factory.application_recorder()
        with pytest.raises(ProgrammingError):
            made.create_table()
        with pytest.raises(ProgrammingError):
            made.head()
    finally:
        factory.close()


def test_nobody_can_subscribe(postgres_built: BuiltLedger) -> None:
    """A lost NOTIFY would freeze a projection; ours poll. Positions are notification ids."""
    made = postgres_built.ledger.application.recorder
    assert isinstance(made, PostgresLedgerRecorder)
    with pytest.raises(NotImplementedError):
        made.subscribe()
    assert made.max_notification_id() == made.head().size - 1
    page = made.select_notifications(3, 4, topics=["key.registered.v1", "role.granted.v1"])
    assert [one.id for one in page][:1] == [3]
    assert [(one.id, one.state) for one in made.select_notifications(2, 3)] == made.entries(2, 5)


def test_several_hosts_in_the_url_lead_to_the_one_that_takes_writes(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> None:
    """The first does not answer; libpq goes on to the next (target_session_attrs)."""
    host, port = postgres.settings["host"], postgres.settings.get("port", "5432")
    if host.startswith("/"):
        pytest.skip("The server listens on no TCP port.")
    built = postgres_built
    built.url = built.url.replace(f"@{host}:{port}/", f"@{host}:1,{host}:{port}/")
    built.reopen()
    assert code_of(built, bag(built, 1)) == ""
    assert f"{host}:1,{host}:{port}" in str(built.database)


def test_a_server_that_was_replaced_is_not_used(postgres_built: BuiltLedger) -> None:
    """A promotion begins a new timeline; who has met it takes nothing from an older one."""
    pool = PostgresPool(postgres_built.database.settings)
    with pool.connection() as connection:
        assert not connection.closed
    pool.forget()
    pool._timeline.newest += 1
    with pytest.raises(psycopg.OperationalError, match="had taken its place"), pool.connection():
        pass
    pool.close()


def test_a_closed_ledger_says_so(postgres_built: BuiltLedger) -> None:
    """Its connections are gone, and none is made again."""
    store = postgres_built.ledger.application.store
    postgres_built.ledger.close()
    with pytest.raises(ConnectionPoolClosedError):
        store.head()
    postgres_built.reopen()


@pytest.fixture
def own_server() -> Iterator[StartedServer]:
    """A server of this test's own, to be stopped and misconfigured."""
    server = start_server()
    if server is None:
        pytest.skip("NO POSTGRESQL server binaries are installed to be started and stopped.")
    yield server
    server.remove()


@pytest.fixture
def on_own_server(own_server: StartedServer, tmp_path: Path) -> Iterator[BuiltLedger]:
    """A ledger on the test's own server."""
    port = own_server.settings["port"]
    database = Database.parse(
        f"postgresql://postgres@127.0.0.1:{port}/postgres", files=tmp_path / "files"
    )
    built = with_subject(build_ledger(tmp_path, database=database))
    yield built
    built.close()


def test_a_server_that_comes_back_is_used_again(
    own_server: StartedServer, on_own_server: BuiltLedger
) -> None:
    """While it is away senders are told so at once; afterwards the same node goes on."""
    built = on_own_server
    require_receipt(built, answer(built, signed := bag(built, 1)), signed)
    own_server.stop()
    waiting = bag(built, 2)
    assert code_of(built, waiting) == "storage.unavailable"
    with pytest.raises(OperationalError):
        built.ledger.application.store.head()
    own_server.start()
    require_receipt(built, answer(built, waiting), waiting)
    require_sound(built)


def test_what_no_standby_confirmed_is_not_acknowledged(
    own_server: StartedServer, on_own_server: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit stands on the primary alone, where a promotion would lose it.

    Neither the time that is over nor a wait that an administrator cancels counts as an answer,
    and reading the entry back does not either.
    """
    built = on_own_server
    monkeypatch.setattr(postgres_pool, "COMMIT_SECONDS", 1.0)
    admin = Admin(own_server)
    admin.synchronous_with("nobody")
    late, cancelled = bag(built, 1), bag(built, 2)
    assert code_of(built, late) == "storage.unavailable"
    with Canceller(admin):
        assert code_of(built, cancelled) == "storage.unavailable"
    for signed in (late, cancelled):
        assert code_of(built, signed) == "storage.unavailable"  # though it can be read
    with pytest.raises(OperationalError):
        built.ledger.receipt(built.ledger.application.store.position_of(late.event.id) or 0)
    monkeypatch.undo()
    admin.synchronous_with("")
    for signed in (late, cancelled):
        require_receipt(built, answer(built, signed), signed)
    require_sound(built)


def test_a_ledger_does_not_open_on_commits_that_no_standby_has(
    own_server: StartedServer, on_own_server: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a crash the primary shows them; a receipt for one could be lost with it."""
    built = on_own_server
    monkeypatch.setattr(postgres_pool, "COMMIT_SECONDS", 1.0)
    admin = Admin(own_server)
    admin.synchronous_with("nobody")
    with pytest.raises(Unavailable) as refused:
        TrialLedger(built.database, built.files)
    assert refused.value.code == "storage.unsettled"
    admin.synchronous_with("")
    TrialLedger(built.database, built.files).close()


class Admin:
    """An administrator of a server of the test's own."""

    def __init__(self, server: StartedServer) -> None:
        self.server = server

    def execute(self, statement: str) -> None:
        """Run one statement."""
        from tests.postgres_server import PostgresServer

        PostgresServer(self.server.settings).execute(statement)

    def synchronous_with(self, name: str) -> None:
        """Make commits wait for a standby of that name; for none, when it is empty.

        The server reads its settings again some time later: returns when commits do so.
        """
        self.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        self.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + 60
        while self._waits() != bool(name):
            assert time.monotonic() < until, "the server does not read its settings again"

    def _waits(self) -> bool:
        """Whether a commit waits for a standby now; one that does is given up."""
        asked = "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = %s"
        with self.server.connect() as watching, self.server.connect() as committing:
            pid = committing.info.backend_pid
            committing.pgconn.send_query(b"SELECT pg_logical_emit_message(true, 'test', '')")
            while True:
                committing.pgconn.consume_input()
                if not committing.pgconn.is_busy():
                    committing.close()
                    return False
                if watching.execute(asked, (pid,)).fetchone() == (True,):
                    watching.execute("SELECT pg_terminate_backend(%s)", (pid,))
                    committing.close()
                    return True
                time.sleep(0.02)


class Canceller:
    """Cancels whoever waits for a standby, for as long as the block lasts."""

    def __init__(self, admin: Admin) -> None:
        self.admin = admin
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self.stop.wait(0.05):
            self.admin.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            )

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def test_the_head_row_alone_gives_the_positions(postgres_built: BuiltLedger) -> None:
    """No sequence exists that a conflict could burn values of."""
    kinds = look(
        postgres_built,
        "SELECT relkind::text FROM pg_class WHERE relnamespace = 'ledger'::regnamespace",
    )
    assert ("S",) not in kinds
    head = postgres_built.ledger.application.store.head()
    assert isinstance(head, ChainHead)
    assert look(postgres_built, "SELECT count(*) FROM stored_events") == [(head.size,)]

"""Several processes on one file: nothing doubled, nothing missing, nobody sees a lock."""

from __future__ import annotations

import multiprocessing
import time
from contextlib import closing
from typing import TYPE_CHECKING

from ledger.application import LedgerApplication
from ledger.service import TrialLedger
from ledger.storage.database import Database
from ledger.storage.head_file import HeadFile
from tests.build_ledger import EDC, REGISTRAR
from tests.ledger.build_service import (
    answer,
    bag,
    code_of,
    create_in_own_process,
    database,
    in_own_process,
    plain,
    require_receipt,
    require_sound,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger

EACH = 60
SPAWN = multiprocessing.get_context("spawn")


def test_two_processes_extend_one_log(each_built: BuiltLedger) -> None:
    """Both post at once, one by one; every sender is answered with a position of his own."""
    built = each_built
    first = built.ledger.application.store.head().size
    barrier, answers = SPAWN.Barrier(2), SPAWN.Queue()
    processes = [
        SPAWN.Process(
            target=in_own_process,
            args=(built.database, range(start, start + EACH), barrier, answers),
        )
        for start in (1000, 2000)
    ]
    for process in processes:
        process.start()
    outcomes = dict(pair for _ in processes for pair in answers.get(timeout=180))
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert sorted(outcomes.values(), key=str) == sorted(range(first, first + 2 * EACH), key=str)
    require_sound(built)
    for event, seq in outcomes.items():
        assert built.ledger.application.store.position_of(event) == seq
    kept = HeadFile(built.files.head).read(built.keys.vkey)
    assert kept is not None
    assert kept.size == first + 2 * EACH
    # The process that stood by goes on behind what the others recorded.
    require_receipt(built, answer(built, signed := bag(built, 1)), signed)
    require_sound(built)


def test_processes_that_start_together_on_a_new_file_create_it_once(tmp_path: Path) -> None:
    """CREATE TABLE, page size and WAL race; each process ends up with the whole schema."""
    whole = LedgerApplication(f"sqlite:///{tmp_path / 'whole.sqlite3'}")
    whole.close()
    with closing(plain(tmp_path / "whole.sqlite3")) as connection:
        expected = set(connection.execute("SELECT type, name FROM sqlite_master"))
    databases = [Database.parse(f"sqlite:///{tmp_path / f'{n}.sqlite3'}") for n in range(8)]
    barrier, answers = SPAWN.Barrier(3), SPAWN.Queue()
    processes = [
        SPAWN.Process(target=create_in_own_process, args=(databases, barrier, answers))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    assert [answers.get(timeout=180) for _ in processes] == ["", "", ""]
    for process in processes:
        process.join(20)
    for number in range(8):
        with closing(plain(tmp_path / f"{number}.sqlite3")) as connection:
            assert set(connection.execute("SELECT type, name FROM sqlite_master")) == expected
            assert connection.execute("SELECT COUNT(*) FROM ledger_head").fetchone() == (1,)
            assert connection.execute("PRAGMA page_size").fetchone() == (16384,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_writer_waits_for_another_connections_transaction(built: BuiltLedger) -> None:
    """A lock held for a moment by somebody else is waited for, not reported."""
    holder = plain(database(built))
    holder.execute("BEGIN IMMEDIATE")
    signed = bag(built, 1)
    future = built.ledger._writer().submit(built.receive(signed), built.now)
    time.sleep(0.3)
    assert not future.done()
    holder.execute("ROLLBACK")
    holder.close()
    require_receipt(built, future.result(timeout=20), signed)


def test_reading_goes_on_while_another_connection_writes(built: BuiltLedger) -> None:
    """Readers of a WAL database are never blocked by a writer."""
    with closing(plain(database(built))) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert built.ledger.receipt(3).index == 3
        assert built.ledger.application.stream("access")
        holder.execute("ROLLBACK")


def test_what_another_process_decided_binds_the_next_decision(each_built: BuiltLedger) -> None:
    """Two open ledgers on one log stand for two processes; a revoked key is revoked in both."""
    built = each_built
    with TrialLedger(built.database, built.files) as other:
        assert code_of(built, bag(built, 1)) == ""
        data: JsonObject = {
            "kid": built.parties[EDC].key.kid,
            "reason": {"code": "lost", "text": "The server was replaced."},
        }
        revoked = built.sign("key.revoked.v1", "access", data, by=REGISTRAR)
        other.submit(other.receive(revoked.text, ()), built.tick())
        assert code_of(built, bag(built, 2)) == "authority.revoked-key"
    require_sound(built)

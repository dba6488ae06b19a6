"""The settings under which "recorded" means "on disk"."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from ledger.storage.sqlite import SQLiteLedgerRecorder
from tests.ledger.build_service import answer, bag, database, plain

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger

FULL = 2


def test_every_connection_of_the_pool_syncs_fully(built: BuiltLedger) -> None:
    """``synchronous`` is a setting of the connection, so all at once are looked at."""
    recorder = built.ledger.application.recorder
    assert isinstance(recorder, SQLiteLedgerRecorder)
    pool = recorder.datastore.pool
    held = [pool.get_connection(is_writer=False) for _ in range(12)]
    found = []
    for connection in held:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous")
            found.append(cursor.fetchone()[0])
        pool.put_connection(connection)
    assert found == [FULL] * len(held)


def test_the_file_is_in_wal_mode_with_large_pages(built: BuiltLedger) -> None:
    """Both are properties of the file, seen from outside."""
    answer(built, bag(built, 1))
    with closing(plain(database(built))) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA page_size").fetchone() == (16384,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_a_sender_was_answered_is_in_the_file_before_the_ledger_closes(
    built: BuiltLedger,
) -> None:
    """Another connection reads the entry and its checkpoint as soon as the receipt is there."""
    given = answer(built, bag(built, 1))
    with closing(plain(database(built))) as connection:
        size = connection.execute("SELECT MAX(size) FROM checkpoints").fetchone()[0]
        row = connection.execute(
            "SELECT topic FROM stored_events WHERE seq = ?", (given.outcome.seq,)
        ).fetchone()
    assert (size, row) == (given.outcome.seq + 1, ("lot.received.v1",))

"""Each way in which the event-sourcing library is known to bite, and why it cannot bite here.

Tried here on both databases; what belongs to PostgreSQL alone (locks, retries, a connection lost
at COMMIT, rights, tables made in passing) is tried in ``test_postgres``. What no test tries cannot
occur, for these reasons:

- *Database functions drop the table lock, so that readers skip entries.* Our recorder has neither;
  order comes from the head row, swapped first in each transaction, and
  ``test_settings_from_outside_choose_nothing`` shows that no option is read from outside.
- *Encryption without associated data; a cipher topic that selects another library.* The mapper is
  ours and has neither cipher nor compressor; the same test shows that none can be set.
- *Subscriptions without a time-out, queues that fill up, waiting on a filtered projection.* Nothing
  subscribes: projections poll the log by position.
- *"List the first ten of 100,000" replays everything; a missing transcoding shows late.* Lists are
  projections, and no transcoder ever sees a payload: the state of a row is the entry's bytes.
- *Retrying ``save()`` on a drained aggregate records nothing.* Records are saved, not aggregates;
  there is nothing to drain (``test_writer`` retries after a failed commit).
- *Two ledgers in one process share an application after fork, or keep only its recorder.*
  Processes are spawned and each opens its own (``test_two_processes``).
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from eventsourcing.persistence import IntegrityError, PersistenceError, ProgrammingError
from eventsourcing.sqlite import SQLiteCursor

from ledger.application import LedgerApplication
from ledger.errors import IntegrityFailure
from ledger.log.chain import ChainHead
from ledger.storage.commit import Commit, HeadMoved
from ledger.storage.database import Engine
from tests.build_ledger import COORDINATOR, identify
from tests.ledger.build_service import (
    STREAM,
    answer,
    bag,
    bilirubin,
    code_of,
    correction,
    database,
    look,
    require_sound,
    without_triggers,
)

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject
    from tests.build_ledger import BuiltLedger

ROOT = Path(__file__).parents[3]


def test_topics_are_event_type_names_never_import_paths(each_built: BuiltLedger) -> None:
    """A stored topic names a row of the closed vocabulary (hazard: class path as archive)."""
    built = each_built
    topics = {row[0] for row in look(built, "SELECT topic FROM stored_events")}
    assert "trial.opened.v1" in topics
    assert all(":" not in topic and topic.endswith(".v1") for topic in topics)


def test_a_tampered_topic_imports_nothing_and_is_named(
    built: BuiltLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write the topic column would otherwise pick a module to import."""
    trace = tmp_path / "imported"
    (tmp_path / "bait.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Event: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    built.close()
    without_triggers(database(built), "UPDATE stored_events SET topic = 'bait:Event' WHERE seq = 3")
    built.ledger.application = LedgerApplication(built.url)
    with pytest.raises(IntegrityFailure) as failure:
        built.ledger.application.stream("access")
    assert (failure.value.code, failure.value.where) == ("record.row-differs", "3")
    assert "bait" not in sys.modules
    assert not trace.exists()


def test_payload_members_that_look_like_a_transcoding_stay_plain_data(
    each_built: BuiltLedger,
) -> None:
    """``_type_``/``_data_`` would be decoded as a type, or poison every replay."""
    built = each_built
    trap: JsonObject = {"_type_": "decimal_str", "_data_": "1.5"}
    poison: JsonObject = {"_type_": "nope", "_data_": 1}
    target = built.record(bilirubin(built, "34.2"))
    signed = correction(
        built, target, ("/data/method", trap, poison), ("/time", trap, poison), by=COORDINATOR
    )
    assert answer(built, signed).outcome.refused
    built.reopen()
    (record,) = [r for r in built.ledger.application.stream(STREAM) if r.id == signed.event.id]
    assert record.data["changes"] == signed.event.data["changes"]
    assert json.loads(record.statement.payload)["data"]["changes"][0]["old"] == trap


def test_stored_state_is_the_entry_itself(each_built: BuiltLedger) -> None:
    """No transcoder, cipher or compressor stands between entry and row."""
    built = each_built
    answer(built, bag(built, 1))
    for seq, state in built.ledger.application.store.entries(0, 100):
        assert json.loads(state)["seq"] == seq


def test_conflicts_burn_no_positions(each_built: BuiltLedger) -> None:
    """A sequence would leave gaps, and "gap = tampering" would be a false alarm."""
    built = each_built
    store = built.ledger.application.store
    size = store.head().size
    for _ in range(3):
        stale = Commit(ChainHead(size - 1, "0" * 64, ""), ChainHead(size, "1" * 64, ""), "", (), ())
        with pytest.raises(HeadMoved):
            store.insert_events(store.select_events(STREAM)[:1], commit=stale, event_ids=[b"1"])
    assert answer(built, bag(built, 1)).outcome.seq == size
    require_sound(built)


def test_a_failed_insert_takes_the_head_back_too(each_built: BuiltLedger) -> None:
    """Head, entries and checkpoint are one transaction."""
    built = each_built
    store = built.ledger.application.store
    head = store.head()
    after = ChainHead(head.size + 1, "1" * 64, head.recorded_at)
    with pytest.raises(IntegrityError):
        store.insert_events(
            store.select_events(STREAM)[:1],
            commit=Commit(head, after, "note", (), ()),
            event_ids=[b"1"],
        )
    assert store.head() == head
    require_sound(built)


def test_entries_cannot_be_recorded_beside_the_chain(each_built: BuiltLedger) -> None:
    """The library's own way in, without a commit, is closed."""
    built = each_built
    store = built.ledger.application.store
    with pytest.raises(ProgrammingError):
        store.insert_events(store.select_events(STREAM)[:1])
    with pytest.raises(ProgrammingError):
        built.ledger.application.save(built.ledger.application.record(3))


def test_no_snapshot_is_ever_taken(each_built: BuiltLedger) -> None:
    """A snapshot is written after the commit; failing, it would report a saved entry as lost."""
    built = each_built
    application = built.ledger.application
    assert not application.snapshotting_intervals
    assert application.snapshots is None
    catalogue = {
        Engine.SQLITE: "SELECT name FROM sqlite_master",
        Engine.POSTGRESQL: "SELECT relname FROM pg_class",
    }
    tables = {row[0] for row in look(built, catalogue[built.database.engine])}
    assert not any("snapshot" in table for table in tables)


def test_settings_from_outside_choose_nothing(
    each_built: BuiltLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library reads classes, ciphers and file names from the environment; we do not."""
    built = each_built
    trace = tmp_path / "imported"
    (tmp_path / "lure.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Any: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in (
        "PERSISTENCE_MODULE",
        "INFRASTRUCTURE_FACTORY",
        "FACTORY_TOPIC",
        "MAPPER_TOPIC",
        "TRANSCODER_TOPIC",
        "CIPHER_TOPIC",
        "COMPRESSOR_TOPIC",
        "APPLICATION_RECORDER_TOPIC",
        "AGGREGATE_RECORDER_TOPIC",
    ):
        for prefix in ("", "TRIAL_LEDGER_", "TRIAL-LEDGER_", "LEDGERAPPLICATION_"):
            monkeypatch.setenv(prefix + name, "lure:Any")
    monkeypatch.setenv("CIPHER_KEY", "x" * 24)
    monkeypatch.setenv("IS_SNAPSHOTTING_ENABLED", "y")
    monkeypatch.setenv("SQLITE_DBNAME", str(tmp_path / "elsewhere.sqlite3"))
    monkeypatch.setenv("SQLITE_LOCK_TIMEOUT", "0")
    monkeypatch.setenv("CREATE_TABLE", "no")
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", "y")
    monkeypatch.setenv("POSTGRES_SCHEMA", "elsewhere")
    monkeypatch.setenv("POSTGRES_DBNAME", "elsewhere")
    monkeypatch.setenv("POSTGRES_HOST", "elsewhere.invalid")
    built.reopen()
    answer(built, bag(built, 1))
    require_sound(built)
    assert not trace.exists()
    assert not (tmp_path / "elsewhere.sqlite3").exists()
    assert not built.ledger.application.snapshotting_intervals


def test_nothing_depends_on_asserts(built: BuiltLedger, tmp_path: Path) -> None:
    """``python -O`` drops the library's 47 asserts; refusals and errors stay what they are."""
    script = (
        "import sys; from pathlib import Path; from tests.ledger.build_service import behave;"
        "print(behave(Path(sys.argv[1])))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))}
    for name in ("checked", "optimised"):
        (tmp_path / name).mkdir()
    said = [
        subprocess.run(
            [sys.executable, *flags, "-c", script, str(tmp_path / name)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for flags, name in (((), "checked"), (("-O",), "optimised"))
    ]
    assert said[0] == said[1]
    assert "authority.unknown-key" in said[0]


def test_reading_through_the_cache_shows_what_was_added_since(each_built: BuiltLedger) -> None:
    """The repository's cache is fast-forwarded; a stream read before grows."""
    built = each_built
    application = built.ledger.application
    before = application.stream(STREAM)
    built.record(bilirubin(built, "34.2"))
    after = application.stream(STREAM)
    assert list(after[: len(before)]) == list(before)
    assert len(after) == len(before) + 1


def test_errors_of_a_closed_database_are_told_as_unavailable(each_built: BuiltLedger) -> None:
    """Pools of the library raise after closing; a sender is told to come again."""
    built = each_built
    signed = identify(built, 2)
    submission = built.receive(signed)
    built.ledger.close()
    assert built.ledger.writer is not None
    with pytest.raises(Exception, match="shutting down"):
        built.ledger.submit(submission, built.now)
    built.reopen()
    assert code_of(built, signed) == ""


def test_a_file_that_is_no_database_is_refused_by_the_librarys_error(tmp_path: Path) -> None:
    """Whoever turns failures into answers need know one family (hazard: errors of the driver)."""
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(b"no database" * 1_000)
    with pytest.raises(PersistenceError, match="not a database"):
        LedgerApplication(f"sqlite:///{file}")


def test_a_read_that_fails_raises_the_librarys_error(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever turns failures into answers need not know the driver's errors."""
    execute = SQLiteCursor.execute

    def fail(cursor: SQLiteCursor, statement: str, *params: Any) -> None:
        if statement.startswith("SELECT"):
            raise sqlite3.OperationalError("disk I/O error")
        execute(cursor, statement, *params)

    monkeypatch.setattr(SQLiteCursor, "execute", fail)
    with pytest.raises(PersistenceError, match="disk I/O"):
        built.ledger.application.store.last_checkpoint()

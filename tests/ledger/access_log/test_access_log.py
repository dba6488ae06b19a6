"""The access log: durable, chained, signed, and every change to it named."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.access_log.log import AccessLog
from ledger.access_log.record import Access, read, stated
from ledger.access_log.verification import AccessLogReport, verify_access_log
from ledger.clock import SystemClock
from ledger.errors import IntegrityFailure, LedgerError, TrustFailure, Unavailable
from ledger.log.checkpoint import open_checkpoint
from ledger.log.note import VerifierKey
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.schema import SQLITE_SCHEMA

if TYPE_CHECKING:
    from ledger.signing.strict_json import JsonObject

ROOT = Path(__file__).parents[3]
TRIAL = "XHNKKY-DFSC"
GENESIS = "ab" * 32
SEED = b"tests of the access log"
KEYS = LedgerKeys.from_seed("ledger.example/test", SEED)
READ = Access(
    source="/sites/SY01/persons/pi-01",
    role="principal-investigator",
    site="SY01",
    operation="subject.read",
    subject="SY01-0001",
    outcome="served",
)


def begin(
    path: Path, keys: LedgerKeys = KEYS, trial: str = TRIAL, instance: str = "first"
) -> AccessLog:
    """An access log at a path."""
    return AccessLog(
        path,
        keys,
        trial=trial,
        genesis_sha256=GENESIS,
        clock=SystemClock(),
        instance=instance,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the access log lies."""
    return tmp_path / "ledger.sqlite3.access-log"


def verified(path: Path) -> AccessLogReport:
    """The report of a verification under the right keys."""
    return verify_access_log(
        path, statement_key=KEYS.statement_key.public, trial=TRIAL, genesis_sha256=GENESIS
    )


def filled(path: Path, count: int = 5) -> None:
    """A closed access log with some entries."""
    log = begin(path)
    for number in range(count):
        log.record(replace(READ, subject=f"SY01-{number:04d}"))
    log.close()


def test_what_was_recorded_is_read_back_in_order(path: Path) -> None:
    """Positions begin behind entry 0, which says whose log it is."""
    log = begin(path)
    positions = [log.record(READ), log.record(replace(READ, outcome="access.foreign-site"))]
    rows = log.rows()
    assert positions == [1, 2]
    assert [(row.seq, row.access.outcome) for row in rows] == [
        (1, "served"),
        (2, "access.foreign-site"),
    ]
    assert rows[0].access == READ
    assert [row.seq for row in log.rows(after=1, limit=5)] == [2]
    log.close()


def test_a_sound_log_verifies_and_states_the_key_of_its_checkpoints(path: Path) -> None:
    """Whoever has the main log's entry 0 needs no further key."""
    filled(path)
    report = verified(path)
    assert report.flaws == []
    assert report.entries == 6
    log = begin(path)
    assert report.vkey == log.vkey
    assert open_checkpoint(log.checkpoint(), VerifierKey.parse(log.vkey)).size == 6
    log.close()


def test_three_hundred_at_once_are_each_written_once(path: Path) -> None:
    """They share commits; none is lost, and full tiles are what the entries give."""
    log = begin(path)
    with ThreadPoolExecutor(16) as pool:
        positions = list(pool.map(lambda _: log.record(READ), range(300)))
    log.close()
    assert sorted(positions) == list(range(1, 301))
    with closing(sqlite3.connect(path)) as database, database:
        (commits,) = database.execute("SELECT COUNT(*) FROM checkpoints").fetchone()
        (tiles,) = database.execute("SELECT COUNT(*) FROM tree_tiles").fetchone()
    assert commits < 301
    assert tiles == 1
    assert verified(path).flaws == []


def test_two_processes_worth_of_writers_share_one_file(path: Path) -> None:
    """Whoever finds the head moved reads it anew and signs again."""
    one, two = begin(path), begin(path)
    positions = [log.record(READ) for log in (one, two, two, one)]
    one.close()
    two.close()
    assert positions == [1, 2, 3, 4]
    assert verified(path).flaws == []


def test_it_goes_on_where_it_stopped(path: Path) -> None:
    """Closing and opening changes nothing."""
    filled(path, 2)
    log = begin(path)
    assert log.record(READ) == 3
    log.close()
    assert verified(path).flaws == []


def test_each_file_is_a_log_of_its_own_name_and_key(path: Path) -> None:
    """Two nodes must not look like two histories of one log; a file keeps its name."""
    one, two = begin(path), begin(path.with_name("node-2.access-log"), instance="second")
    again = begin(path, instance="third")
    assert one.vkey == again.vkey
    assert one.vkey.partition("+")[0] == "ledger.example/test/access-log/first"
    assert two.vkey.partition("+")[0] == "ledger.example/test/access-log/second"
    assert one.vkey.rpartition("+")[2] != two.vkey.rpartition("+")[2]
    for log in (one, two, again):
        log.close()


def test_nobody_else_may_read_the_file(path: Path) -> None:
    """It says who read what."""
    filled(path, 1)
    assert path.stat().st_mode & 0o077 == 0


def tampered(path: Path, *statements: str) -> AccessLogReport:
    """The report after an insider with the file changed it, protections put back afterwards."""
    with closing(sqlite3.connect(path)) as database, database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        for statement in SQLITE_SCHEMA:
            database.execute(statement)
    return verified(path)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE stored_events SET state = replace(state, 'SY01', 'SY02') WHERE seq = 3", "entry."),
        ("UPDATE stored_events SET topic = 'access-log.opened.v1' WHERE seq = 3", "entry.columns"),
        ("DELETE FROM stored_events WHERE seq = 3", "chain."),
        ("DELETE FROM stored_events WHERE seq = 5", "head.row"),
        ("DELETE FROM checkpoints WHERE size = 4", "checkpoint.link"),
        ("DELETE FROM checkpoints WHERE size = 6", "checkpoint.newest"),
        ("UPDATE checkpoints SET note = replace(note, 'access', 'excess') WHERE size = 4", "note."),
        ("UPDATE ledger_head SET recorded_at = ''", "head.row"),
    ],
)
def test_every_change_is_named(statement: str, code: str, path: Path) -> None:
    """Whatever is altered, removed or cut off shows."""
    filled(path)
    report = tampered(path, statement)
    assert any(flaw.code.startswith(code) for flaw in report.flaws), report.flaws


def test_an_altered_tile_is_named(path: Path) -> None:
    """The stored tree must be the one the entries give."""
    filled(path, 256)
    report = tampered(path, "UPDATE tree_tiles SET root = zeroblob(32)")
    assert [flaw.code for flaw in report.flaws] == ["tile"]


def test_dropped_protection_is_named(path: Path) -> None:
    """The file itself refuses changes; where it no longer does, somebody saw to that."""
    filled(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TRIGGER stored_events_no_update")
    assert [flaw.code for flaw in verified(path).flaws] == ["storage.structure"]


def test_the_file_refuses_changes_by_itself(path: Path) -> None:
    """As the main log's database does."""
    filled(path)
    with (
        closing(sqlite3.connect(path)) as database,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        database.execute("DELETE FROM stored_events WHERE seq = 5")


def rolled_back(path: Path) -> None:
    """Put an older copy of the whole file in its place."""
    filled(path, 2)
    old = path.read_bytes()
    log = begin(path)
    log.record(READ)
    log.close()
    path.write_bytes(old)


def test_a_rolled_back_file_is_not_continued_and_is_named(path: Path) -> None:
    """The last head lies beside it."""
    rolled_back(path)
    assert "head.rolled-back" in [flaw.code for flaw in verified(path).flaws]
    with pytest.raises(TrustFailure) as caught:
        begin(path)
    assert caught.value.code == "head.rolled-back"


def test_a_missing_head_file_is_not_passed_over(path: Path) -> None:
    """Whoever rolls a file back would remove it too."""
    filled(path)
    path.with_name(path.name + ".head").unlink()
    with pytest.raises(TrustFailure, match="head file"):
        begin(path)
    assert [flaw.code for flaw in verified(path).flaws] == ["head.file"]


@pytest.mark.parametrize(("seed", "trial"), [(b"other", TRIAL), (SEED, "OTHER-1")])
def test_another_ledgers_access_log_is_not_continued(seed: bytes, trial: str, path: Path) -> None:
    """Neither another key's nor another trial's."""
    filled(path)
    with pytest.raises(LedgerError) as caught:
        begin(path, LedgerKeys.from_seed("ledger.example/test", seed), trial)
    assert caught.value.code == "access-log.other-ledger"


def test_a_log_signed_by_another_key_does_not_verify(path: Path) -> None:
    """The statement key is the one entry 0 of the main log names."""
    filled(path)
    other = LedgerKeys.from_seed("ledger.example/test", b"other").statement_key.public
    report = verify_access_log(path, statement_key=other, trial=TRIAL, genesis_sha256=GENESIS)
    assert "signature.other-key" in [flaw.code for flaw in report.flaws]


def test_nothing_is_acknowledged_that_could_not_be_written(path: Path) -> None:
    """Then whoever asks must not be shown anything."""
    log = begin(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON stored_events"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(Unavailable) as caught:
        log.record(READ)
    assert caught.value.code == "access-log.unavailable"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TRIGGER full")
    assert log.record(READ) == 1
    log.close()
    assert verified(path).flaws == []


def test_an_entry_holds_exactly_the_members_of_an_access() -> None:
    """Neither more, which could be personal data, nor less."""
    assert read(stated(READ)) == READ
    whole = stated(READ)
    several: list[JsonObject] = [{**whole, "name": "x"}, {"source": "/x"}, {**whole, "count": "1"}]
    for broken in several:
        with pytest.raises(IntegrityFailure):
            read(broken)


KILLED = """
import sys
from pathlib import Path
from tests.ledger.access_log.test_access_log import READ, begin
log = begin(Path(sys.argv[1]))
while True:
    print(log.record(READ), flush=True)
"""


def test_what_was_acknowledged_outlives_a_kill(path: Path) -> None:
    """The file is sound, holds all that was acknowledged, and is continued."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        acknowledged = [int(process.stdout.readline()) for _ in range(20)]
    finally:
        process.kill()
        acknowledged += [int(line) for line in process.communicate(timeout=60)[0].split()]
    report = verified(path)
    assert report.flaws == []
    assert report.entries > max(acknowledged)
    log = begin(path)
    assert log.record(READ) == report.entries
    log.close()

"""`backup` and `restore` of a ledger in PostgreSQL: the same form, check and last-head rule."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.errors import IntegrityFailure, RejectedInput
from ledger.publication.bundling import Beside, write_bundle
from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.backup import Backup, read_backup, write_backup
from ledger.storage.database import Database
from ledger.storage.evidence import verify_ledger
from ledger.storage.open_evidence import open_evidence
from ledger.storage.postgres_copying import holds_entries
from ledger.storage.restoring import Restored, restore
from ledger.storage.supplies import BundleSupply
from ledger.verification.bundle import BundleEvidence
from ledger.verification.run import verify
from tests.build_ledger import START
from tests.ledger.build_service import answer, bag, look, receipt_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.build_ledger import BuiltLedger
    from tests.postgres_server import PostgresServer

SOFTWARE = "trial-ledger test"
ROOT = Path(__file__).parents[3]
KEPT_APART = (".kek", ".allocation.kek", ".concealed")


def back_up(built: BuiltLedger, out: Path, *, secrets: bool = False) -> Backup:
    """A backup of a ledger that is open."""
    return write_backup(
        built.database, built.files, out, now=START, software=SOFTWARE, secrets=secrets
    )


def require_sound(database: Database) -> None:
    """No finding, with the head file and the schema."""
    with open_evidence(database, head_file=LedgerFiles.of(database).head) as source:
        report = verify(source)
        assert [str(found) for found in (*report.findings, *source.storage())] == []
    assert report.obstacle is None


def bring_apart(built: BuiltLedger, database: Database) -> None:
    """What is backed up apart from the records, under the new database's name."""
    for suffix in KEPT_APART:
        shutil.copy(
            built.database.place.with_name(f"{built.database.place.name}{suffix}"),
            database.place.with_name(f"{database.place.name}{suffix}"),
        )


@pytest.fixture
def empty(postgres: PostgresServer, tmp_path: Path) -> Iterator[Database]:
    """An empty PostgreSQL database."""
    name = postgres.create()
    yield Database.parse(postgres.url(name), files=tmp_path / "restored")
    postgres.drop(name)


def put_back(backup: Backup, database: Database, **further: object) -> Restored:
    """A restore to a database, beside what files it has already."""
    return restore(backup, database, LedgerFiles.of(database), **further)  # type: ignore[arg-type]


def test_a_backup_under_load_is_an_sqlite_ledger_of_one_instant(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """Verified like any other, no key in it, and read again whole."""
    stop = threading.Event()
    bags = [bag(postgres_built, number) for number in range(200)]

    def write() -> None:
        for signed in bags:
            if not stop.is_set():
                answer(postgres_built, signed)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backup = back_up(postgres_built, tmp_path / "backup")
    finally:
        stop.set()
        writer.join(30)
    report = verify_ledger(backup.database, head_file=backup.file("head"))
    assert (report.findings, report.size) == ((), backup.size)
    assert read_backup(backup.directory).manifest == backup.manifest
    assert {"allocation", "keys"} <= set(backup.left_out)
    assert {path.stat().st_mode & 0o077 for path in backup.directory.iterdir()} == {0}


def test_a_restored_ledger_goes_on_where_the_backup_ends(
    postgres_built: BuiltLedger, tmp_path: Path, empty: Database
) -> None:
    """Nothing was signed since: the same rows, the same receipts, and the next entry."""
    signed = bag(postgres_built, 1)
    first = receipt_of(answer(postgres_built, signed)).text()
    backup = back_up(postgres_built, tmp_path / "backup", secrets=True)
    done = put_back(backup, empty)
    assert (done.refusal, done.report.size) == (None, backup.size)
    bring_apart(postgres_built, empty)
    require_sound(empty)
    asked = "SELECT seq, state FROM stored_events ORDER BY seq"
    before = look(postgres_built, asked)
    with closing(TrialLedger(empty)) as ledger:
        assert ledger.refusal is None
        again = ledger.submit(ledger.receive(signed.text, signed.disclosures), postgres_built.now)
        assert receipt_of(again).text() == first
        new = bag(postgres_built, 2)
        ledger.submit(ledger.receive(new.text, new.disclosures), postgres_built.tick())
        held = ledger.application.store.entries(0, backup.size)
    assert [(seq, bytes(data)) for seq, data in before] == held
    assert not list(empty.place.parent.glob("*.restoring*"))


def test_a_head_kept_outside_makes_an_older_backup_refuse_until_a_bundle_brings_the_rest(
    postgres: PostgresServer, postgres_built: BuiltLedger, tmp_path: Path, empty: Database
) -> None:
    """The last-head rule, and the way back, are the same on both engines."""
    backup = back_up(postgres_built, tmp_path / "backup", secrets=True)
    last = [answer(postgres_built, bag(postgres_built, number)) for number in range(5)][-1]
    bundle = tmp_path / "bundle.zip"
    with bundle.open("wb") as file, open_evidence(postgres_built.database) as source:
        write_bundle(file, source, Beside(SOFTWARE, {}))
    empty.prepare()
    shutil.copy(postgres_built.files.head, LedgerFiles.of(empty).head)
    bring_apart(postgres_built, empty)
    done = put_back(backup, empty)
    assert done.refusal is not None
    assert done.refusal.code == "head.rolled-back"
    assert done.missing == (backup.size, last.size - 1)
    with closing(TrialLedger(empty)) as ledger:
        assert ledger.refusal is not None
        assert ledger.refusal.code == "head.rolled-back"

    name = postgres.create()
    whole = Database.parse(postgres.url(name), files=tmp_path / "whole")
    try:
        whole.prepare()
        shutil.copy(postgres_built.files.head, LedgerFiles.of(whole).head)
        bring_apart(postgres_built, whole)
        with BundleEvidence(bundle) as brought:
            done = put_back(backup, whole, supplies=[BundleSupply(brought)])
        assert (done.refusal, done.regained) == (None, last.size - backup.size)
        require_sound(whole)
    finally:
        postgres.drop(name)


def test_a_database_that_holds_entries_is_not_restored_over(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """Neither its rows nor its files change."""
    backup = back_up(postgres_built, tmp_path / "backup")
    answer(postgres_built, bag(postgres_built, 1))
    head = postgres_built.files.head.read_bytes()
    with pytest.raises(RejectedInput) as refused:
        put_back(backup, postgres_built.database)
    assert refused.value.code == "restore.exists"
    assert postgres_built.files.head.read_bytes() == head
    require_sound(postgres_built.database)


def test_a_damaged_ledger_is_not_backed_up_as_a_sound_one(
    postgres: PostgresServer, postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """The first finding is named, and no directory is left."""
    name = postgres_built.database.place.name
    for statement in (
        "ALTER TABLE ledger.stored_events DISABLE TRIGGER ALL",
        "UPDATE ledger.stored_events SET topic = 'a.b.v1' WHERE seq = 3",
        "ALTER TABLE ledger.stored_events ENABLE TRIGGER ALL",
    ):
        postgres.execute(statement, name)
    with pytest.raises(IntegrityFailure) as refused:
        back_up(postgres_built, tmp_path / "backup")
    assert refused.value.code == "backup.damaged"
    assert not list(tmp_path.glob("backup*"))


def test_the_commands_take_a_postgresql_url(
    postgres_built: BuiltLedger, tmp_path: Path, empty: Database
) -> None:
    """As an operator runs them, files in directories of their own."""

    def run(*words: object) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", *map(str, words)],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = run("backup", "--database", postgres_built.url, "--files", postgres_built.directory,
               "--to", tmp_path / "backup")  # fmt: skip
    told = json.loads(run("restore", "--database", empty.url, "--files", empty.place.parent,
                          "--from", tmp_path / "backup", "--json"))  # fmt: skip
    assert ": sound, " in made
    assert (told["refusal"], told["missing"]) == (None, None)
    require_sound(empty)


def test_what_the_database_made_of_the_rows_is_what_is_verified(
    postgres: PostgresServer, postgres_built: BuiltLedger, tmp_path: Path, empty: Database
) -> None:
    """A row altered on its way in is named; neither rows nor files are left behind."""
    backup = back_up(postgres_built, tmp_path / "backup", secrets=True)
    assert not holds_entries(empty)
    name = empty.place.name
    for statement in (
        (
            "CREATE FUNCTION ledger.alter_one() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN NEW.state = NEW.state || '\\x20'::bytea; RETURN NEW; END$$"
        ),
        (
            "CREATE TRIGGER alter_one BEFORE INSERT ON ledger.stored_events FOR EACH ROW"
            " WHEN (NEW.seq = 3) EXECUTE FUNCTION ledger.alter_one()"
        ),
    ):
        postgres.execute(statement, name)
    with pytest.raises(IntegrityFailure) as refused:
        put_back(backup, empty)
    assert refused.value.code == "backup.damaged"
    assert "seq 3" in refused.value.message
    assert not holds_entries(empty)
    assert [path.name for path in empty.place.parent.iterdir()] == []


def test_a_database_without_its_protection_is_not_restored_to(
    postgres: PostgresServer, postgres_built: BuiltLedger, tmp_path: Path, empty: Database
) -> None:
    """A trigger that is missing in the empty database is named."""
    backup = back_up(postgres_built, tmp_path / "backup")
    assert not holds_entries(empty)
    postgres.execute("DROP TRIGGER checkpoints_no_delete ON ledger.checkpoints", empty.place.name)
    with pytest.raises(IntegrityFailure) as refused:
        put_back(backup, empty)
    assert "checkpoints_no_delete" in refused.value.message
    assert not holds_entries(empty)

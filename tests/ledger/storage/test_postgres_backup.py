"""Backup and restore of a ledger in PostgreSQL with the server's own tools, as the pages say."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.service import TrialLedger
from ledger.storage.database import Database
from ledger.storage.open_evidence import open_evidence
from ledger.storage.rights import grant_service, standing
from ledger.verification.run import verify
from tests.build_ledger import build_ledger
from tests.ledger.build_service import answer, bag, with_subject
from tests.postgres_server import DURABLE, installed, start_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.build_ledger import BuiltLedger
    from tests.postgres_server import PostgresServer, StartedServer


def tool(name: str, *words: str | Path, url: str) -> None:
    """Run one of the server's client programs on a database."""
    binaries = installed()
    if binaries is None or not (binaries / name).is_file():
        pytest.skip(f"NO {name} is installed: the recipe was not tried.")
    done = subprocess.run(
        [binaries / name, *words, f"--dbname={url}"], capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, "PGCONNECT_TIMEOUT": "60"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def copy_files(source: Database, target: Path) -> None:
    """The ledger's files, as they are, for a database of another name or place."""
    target.mkdir(mode=0o700)
    for path in source.place.parent.iterdir():
        if path.name.startswith(source.place.name):
            shutil.copy2(path, target / path.name)


def dump(database: Database, directory: Path) -> Path:
    """The recipe: the head file first, then the dump, then all other files."""
    head = database.place.with_name(f"{database.place.name}.head")
    early = directory / "head"
    shutil.copy2(head, early)
    tool("pg_dump", "--format=custom", f"--file={directory / 'ledger.dump'}", url=database.url)
    copy_files(database, directory / "files")
    shutil.copy2(early, directory / "files" / head.name)
    return directory / "ledger.dump"


@pytest.fixture
def elsewhere(
    postgres: PostgresServer, postgres_built: BuiltLedger, tmp_path: Path
) -> Iterator[Database]:
    """An empty database; the files of the dump lie under its name."""
    name = postgres.create()
    database = Database.parse(postgres.url(name), files=tmp_path / "restored")
    yield database
    postgres.drop(name)


def place_files(built: BuiltLedger, directory: Path, database: Database) -> None:
    """Put the dumped files where the new database's belong."""
    database.place.parent.mkdir(mode=0o700)
    old = built.database.place.name
    for path in (directory / "files").iterdir():
        new = path.name.replace(old, database.place.name)
        shutil.copy2(path, database.place.parent / new)


def require_verified(database: Database) -> int:
    """No finding, also with the head file and the schema; how many entries there are."""
    head = database.place.with_name(f"{database.place.name}.head")
    with open_evidence(database, head_file=head) as source:
        report = verify(source)
        assert [str(found) for found in (*report.findings, *source.storage())] == []
    assert report.obstacle is None
    return report.size


def test_a_dump_made_while_serving_is_restored_verified_and_served(
    postgres: PostgresServer, postgres_built: BuiltLedger, elsewhere: Database, tmp_path: Path
) -> None:
    """Triggers, rights and every byte come back; the service goes on where the dump ends."""
    built = postgres_built
    kept = [(one, answer(built, one)) for one in (bag(built, n) for n in range(5))]
    dumped = dump(built.database, tmp_path)
    built.close()
    tool("pg_restore", "--no-owner", "--exit-on-error", dumped, url=elsewhere.url)
    place_files(built, tmp_path, elsewhere)
    size = require_verified(elsewhere)
    with postgres.role() as role:
        grant_service(elsewhere, role)
        served = Database.parse(
            postgres.url(elsewhere.place.name, user=role), files=elsewhere.place.parent
        )
        assert (standing(served).excess, standing(served).lacking) == ((), ())
        with closing(TrialLedger(served)) as ledger:
            assert ledger.refusal is None
            for one, given in kept:
                again = ledger.submit(ledger.receive(one.text, one.disclosures), built.now)
                assert again.repeated
                assert again.outcome == given.outcome
        postgres.drop(elsewhere.place.name)
    assert size == kept[-1][1].outcome.seq + 1


def test_a_dump_older_than_the_head_file_that_outlived_refuses_to_sign(
    postgres_built: BuiltLedger, elsewhere: Database, tmp_path: Path
) -> None:
    """The last-head rule: what was acknowledged since is missing, and both heads are named."""
    built = postgres_built
    dumped = dump(built.database, tmp_path)
    old = built.ledger.application.store.head().size
    for number in range(3):
        answer(built, bag(built, number))
    new = built.ledger.application.store.head().size
    built.close()
    tool("pg_restore", "--no-owner", "--exit-on-error", dumped, url=elsewhere.url)
    place_files(built, tmp_path, elsewhere)
    head = elsewhere.place.with_name(f"{elsewhere.place.name}.head")
    shutil.copy2(built.files.head, head)
    with closing(TrialLedger(elsewhere)) as ledger:
        assert ledger.refusal is not None
        assert ledger.refusal.code == "head.rolled-back"
        assert f"size {old}" in ledger.refusal.message
        assert f"size {new}" in ledger.refusal.message
        assert ledger.application.store.head().size == old


@pytest.fixture
def archived() -> Iterator[StartedServer]:
    """A server that archives its write-ahead log beside itself."""
    server = start_server(
        **DURABLE, archive_mode="on", archive_command="mkdir -p ../archive && cp %p ../archive/%f"
    )
    if server is None:
        pytest.skip("NO POSTGRESQL server binaries are installed: no base backup was tried.")
    yield server
    server.remove()


@pytest.mark.long
def test_a_base_backup_and_the_archived_log_bring_back_all_that_was_acknowledged(
    archived: StartedServer, tmp_path: Path
) -> None:
    """Recovered to the archive's end it signs; to the backup's end it refuses, and says why."""
    address = "postgresql://postgres@127.0.0.1:{port}/postgres"
    files = tmp_path / "files"
    database = Database.parse(address.format(port=archived.port), files=files)
    built = with_subject(build_ledger(tmp_path, database=database))
    short, whole = archived.base_backup(), archived.base_backup()
    try:
        given = [(one, answer(built, one)) for one in (bag(built, n) for n in range(20))]
        built.close()
        archived.stop()  # which archives the last of its log
        short.start(**DURABLE)
        behind = Database.parse(address.format(port=short.port), files=files)
        with closing(TrialLedger(behind)) as ledger:
            assert ledger.refusal is not None
            assert ledger.refusal.code == "head.rolled-back"
        (whole.directory / "data" / "recovery.signal").touch()
        archive = archived.directory / "archive"
        whole.start(**DURABLE, restore_command=f"cp {archive}/%f %p")
        until_writable(whole)
        restored = Database.parse(address.format(port=whole.port), files=files)
        assert require_verified(restored) == given[-1][1].outcome.seq + 1
        with closing(TrialLedger(restored)) as ledger:
            assert ledger.refusal is None
            for one, first in given:
                again = ledger.submit(ledger.receive(one.text, one.disclosures), built.now)
                assert (again.repeated, again.outcome) == (True, first.outcome)
    finally:
        short.remove()
        whole.remove()


def until_writable(server: StartedServer) -> None:
    """Wait for a recovery's end."""
    deadline = time.monotonic() + 60
    with server.connect() as connection:
        while connection.execute("SELECT pg_is_in_recovery()").fetchone() != (False,):
            assert time.monotonic() < deadline, "the recovery does not end"
            time.sleep(0.05)

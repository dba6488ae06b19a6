"""A restore that is killed midway: never half a ledger, and the next one is clear."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.errors import LedgerError
from ledger.publication.bundling import Beside, write_bundle
from ledger.service import LedgerFiles
from ledger.storage.backup import Backup, write_backup
from ledger.storage.database import Database, Engine
from ledger.storage.open_evidence import open_evidence
from ledger.storage.postgres_copying import holds_entries
from ledger.storage.restoring import Restored, restore
from ledger.storage.supplies import BundleSupply
from ledger.verification.bundle import BundleEvidence
from ledger.verification.run import verify
from tests.build_ledger import START
from tests.ledger.build_service import answer, bag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.build_ledger import BuiltLedger

KILLED = Path(__file__).with_name("restore_until_killed.py")
ROOT = Path(__file__).parents[3]
SOFTWARE = "trial-ledger test"


@pytest.fixture(params=["sqlite", "postgresql"])
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A place for a ledger on each engine in turn."""
    if request.param == "sqlite":
        (tmp_path / "new").mkdir()
        yield Database.of(f"sqlite:///{tmp_path / 'new' / 'ledger.sqlite3'}")
        return
    server = request.getfixturevalue("postgres")
    name = server.create()
    yield Database.parse(server.url(name), files=tmp_path / "new")
    server.drop(name)


@pytest.fixture
def copies(built: BuiltLedger, tmp_path: Path) -> tuple[Backup, Path]:
    """A backup, and a bundle with what came after it."""
    database = built.database
    backup = write_backup(database, built.files, tmp_path / "backup", now=START, software=SOFTWARE)
    for number in range(60):
        answer(built, bag(built, number))
    bundle = tmp_path / "bundle.zip"
    with bundle.open("wb") as file, open_evidence(database) as source:
        write_bundle(file, source, Beside(SOFTWARE, {}))
    return backup, bundle


def kill_at(where: str, copies: tuple[Backup, Path], new: Database) -> None:
    """Restore in a process of its own, and have it killed there."""
    words = [where, copies[0].directory, copies[1], new.url, new.place.parent]
    done = subprocess.run(
        [sys.executable, KILLED, *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def put_back(copies: tuple[Backup, Path], new: Database) -> Restored:
    """The same restore again, in this process."""
    with BundleEvidence(copies[1]) as evidence:
        return restore(copies[0], new, LedgerFiles.of(new), supplies=[BundleSupply(evidence)])


def staged(new: Database) -> Path:
    """What a restore that was broken off leaves."""
    return new.place.with_name(f"{new.place.name}.restoring")


def is_ledger(new: Database) -> bool:
    """Whether something is there that could be served."""
    return new.path.exists() if new.engine is Engine.SQLITE else holds_entries(new)


def require_whole(new: Database) -> None:
    """All that was signed, and nothing wrong with it."""
    with open_evidence(new, head_file=LedgerFiles.of(new).head) as source:
        report = verify(source)
        assert [str(found) for found in (*report.findings, *source.storage())] == []


@pytest.mark.parametrize("where", ["regaining", "verifying", "placing"])
def test_a_restore_that_was_killed_leaves_no_ledger_and_can_be_made_again(
    copies: tuple[Backup, Path], new: Database, where: str
) -> None:
    """What it left is named; once that is removed the same restore is made whole."""
    if where == "placing" and new.engine is Engine.POSTGRESQL:
        pytest.skip("PostgreSQL puts the rows in place by one commit")
    kill_at(where, copies, new)
    assert not is_ledger(new)
    with pytest.raises(LedgerError) as refused:
        put_back(copies, new)
    assert refused.value.code == "restore.broken-off"
    staged(new).unlink()
    done = put_back(copies, new)
    assert (done.refusal, done.missing) == (None, None)
    require_whole(new)


def test_a_restore_killed_while_it_clears_up_has_left_a_whole_ledger(
    copies: tuple[Backup, Path], new: Database
) -> None:
    """It is verified and in place; a second restore overwrites nothing."""
    kill_at("cleaning", copies, new)
    require_whole(new)
    staged(new).unlink()
    with pytest.raises(LedgerError) as refused:
        put_back(copies, new)
    assert refused.value.code == "restore.exists"
    require_whole(new)

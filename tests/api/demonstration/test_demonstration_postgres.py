"""The demonstration on PostgreSQL, and every command on the ledger it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from api.demonstration.directory import prepare
from ledger.storage.database import Database
from ledger.storage.migrations import version_of
from tests.ledger.build_service import SUBJECT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres_server import PostgresServer

PATIENCE = 400


def command(
    database: Database, *words: str, status: int = 0, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command as an operator would, its settings in the environment."""
    environment = {
        **os.environ,
        "LEDGER_DATABASE_URL": database.url,
        "LEDGER_FILES": str(database.place.parent),
    }
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=cwd,
    )
    assert done.returncode == status, done.stderr + done.stdout
    return done


@pytest.mark.long
def test_the_demonstration_runs_on_postgresql(postgres: PostgresServer, tmp_path: Path) -> None:
    """Through the real service; every command reads what it left, and the next one replaces it."""
    name, directory = postgres.create(), tmp_path / "demo"
    url = postgres.url(name, password="not-for-the-log")
    database = Database.parse(url, files=directory)
    arguments = ("demo", "--database", url, "--dir", str(directory))
    first = command(database, *arguments)
    assert "not-for-the-log" not in first.stdout + first.stderr
    trust = ["--key", (directory / "log.vkey").read_text().strip()]
    trust += ["--genesis", (directory / "genesis.sha256").read_text().strip()]
    report = json.loads(command(database, "verify", "--json", *trust).stdout)
    assert (report["status"], report["findings"], report["storage"]) == ("sound", [], [])
    assert report["projections"] == report["schema"] == []
    assert command(database, "keys", "log").stdout.strip() == trust[1]
    assert SUBJECT in command(database, "replay", SUBJECT, "--json").stdout
    command(database, "projections", "rebuild")
    command(database, "projections", "check")
    bundle = tmp_path / "bundle.zip"
    command(database, "bundle", "--out", str(bundle))
    command(database, "verify", str(bundle), *trust)
    command(database, "report", "--out", str(tmp_path / "report.html"), "--unverified")
    for path in (*directory.glob("*.txt"), *directory.glob("*.log"), tmp_path / "report.html"):
        assert "not-for-the-log" not in path.read_text(errors="replace"), path

    prepare(directory, database)  # the next one has room
    assert version_of(database) == 0
    postgres.drop(name)


def test_a_trial_is_opened_and_migrated_on_postgresql(
    postgres: PostgresServer, postgres_database: Database, tmp_path: Path
) -> None:
    """``init`` migrates by itself and only warns; ``migrate`` grants; ``serve`` refuses."""
    with postgres.role() as role:
        migrated = command(postgres_database, "database", "migrate", "--service-role", role)
        assert "applied 1" in migrated.stdout
        opened = command(postgres_database, "init")
        assert "is a superuser" in opened.stderr
        folder = postgres_database.place.parent
        assert folder.stat().st_mode & 0o777 == 0o700
        again = json.loads(command(postgres_database, "database", "migrate", "--json").stdout)
        assert again["applied"] == []
        refused = command(postgres_database, "serve", "--port", "0", status=2)
        assert "serving.port" not in refused.stderr
        refused = command(postgres_database, "serve", "--port", "18080", status=2)
        assert "is a superuser" in refused.stderr
        other = command(postgres_database, "demo", "--database", postgres_database.url, "--dir",
                        str(tmp_path / "demo"), status=2)  # fmt: skip
        assert "no demonstration" in other.stderr
        postgres.drop(postgres_database.place.name)


def test_a_server_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    """Whatever the command, exit status 2 and one sentence."""
    away = Database.parse(
        "postgresql://somebody:secret@127.0.0.1:1/ledger", files=tmp_path / "files"
    )
    for words in (("verify",), ("keys", "log"), ("serve",), ("database", "migrate"), ("init",)):
        said = command(away, *words, status=2)
        assert "127.0.0.1" in said.stderr
        assert "secret" not in said.stderr + said.stdout
        assert "Traceback" not in said.stderr

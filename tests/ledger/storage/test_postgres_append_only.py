"""What PostgreSQL itself refuses, to its superuser and to the service's role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ledger.errors import RejectedInput, TrustFailure
from ledger.service import TrialLedger
from ledger.storage.database import Database
from ledger.storage.rights import (
    excess_rights,
    grant_service,
    require_service_rights,
    standing,
)
from tests.ledger.build_service import answer, bag, look, require_receipt, require_sound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.build_ledger import BuiltLedger
    from tests.postgres_server import PostgresServer

ROW = "'trial', 999, 'x.y.v1', '\\x00'"
REFUSED = [
    "UPDATE ledger.stored_events SET state = '\\x00' WHERE seq = 3",
    "UPDATE ledger.stored_events SET seq = 999 WHERE FALSE",
    "DELETE FROM ledger.stored_events WHERE seq = 3",
    "TRUNCATE ledger.stored_events",
    f"INSERT INTO ledger.stored_events VALUES (3, {ROW}, '\\x01')",
    (
        f"INSERT INTO ledger.stored_events VALUES (3, {ROW}, '\\x01')"
        " ON CONFLICT (seq) DO UPDATE SET state = ''"
    ),
    (
        "MERGE INTO ledger.stored_events AS e USING (SELECT 3 AS seq) AS n ON e.seq = n.seq"
        " WHEN MATCHED THEN UPDATE SET state = ''"
    ),
    f"INSERT INTO ledger.stored_events VALUES (99999, {ROW}, '\\x01')",
    f"INSERT INTO ledger.stored_events VALUES (-1, {ROW}, '\\x01')",
    (
        "INSERT INTO ledger.stored_events SELECT max(seq) + 1, 'trial', 999, 'x.y.v1', '\\x00',"
        " '\\x01' FROM ledger.stored_events"
    ),
    "UPDATE ledger.checkpoints SET note = '' WHERE size = 1",
    "DELETE FROM ledger.checkpoints",
    "TRUNCATE ledger.checkpoints",
    "INSERT INTO ledger.checkpoints VALUES (1, '', 0)",
    "UPDATE ledger.tree_tiles SET root = ''",
    "DELETE FROM ledger.tree_tiles",
    "TRUNCATE ledger.tree_tiles",
    "UPDATE ledger.openings SET disclosure = ''",
    "TRUNCATE ledger.openings",
    "INSERT INTO ledger.openings SELECT seq, number, '' FROM ledger.openings",
    "UPDATE ledger.ledger_head SET size = 1",
    "UPDATE ledger.ledger_head SET hash = ''",
    "UPDATE ledger.ledger_head SET id = 2, size = 999999",
    "DELETE FROM ledger.ledger_head",
    "TRUNCATE ledger.ledger_head",
    "INSERT INTO ledger.ledger_head VALUES (2, 0, '', '')",
]
NOT_GRANTED = [
    "ALTER TABLE ledger.stored_events DISABLE TRIGGER ALL",
    "DROP TRIGGER stored_events_no_update ON ledger.stored_events",
    "DROP TABLE ledger.openings",
    "DELETE FROM ledger.openings",
    "DELETE FROM ledger.quarantine",
    "CREATE TABLE ledger.mine (a int)",
    "CREATE FUNCTION ledger.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "UPDATE ledger.ledger_head SET id = 1",
    "INSERT INTO ledger.schema_version VALUES (99)",
    "SET session_replication_role = replica",
    "COPY ledger.stored_events TO PROGRAM 'cat'",
]


def known(connection: psycopg.Connection[Any], statements: Sequence[str]) -> list[str]:
    """Those that the server understands: MERGE came with version 15."""
    merges = connection.info.server_version >= 150_000
    return [one for one in statements if merges or not one.startswith("MERGE")]


def image(built: BuiltLedger) -> list[object]:
    """All rows that may never change."""
    tables = ("stored_events", "checkpoints", "tree_tiles", "openings", "ledger_head")
    return [look(built, f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


@pytest.mark.parametrize("replica", [False, True])
def test_nothing_recorded_is_changed_replaced_or_removed_by_the_superuser(
    postgres: PostgresServer, postgres_built: BuiltLedger, *, replica: bool
) -> None:
    """Each way SQL has of changing a row, also where other triggers sleep."""
    before = image(postgres_built)
    with postgres.connect(postgres_built.database.place.name) as connection:
        if replica:
            connection.execute("SET session_replication_role = replica")
        for statement in known(connection, REFUSED):
            text: Any = statement
            with pytest.raises(psycopg.IntegrityError):
                connection.execute(text)
            assert image(postgres_built) == before, statement


@pytest.fixture
def service(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> Iterator[tuple[BuiltLedger, Database]]:
    """A ledger, and its database under a role that was granted the service's rights."""
    name = postgres_built.database.place.name
    with postgres.role() as role:
        grant_service(postgres_built.database, role)
        files = postgres_built.database.place.parent
        yield postgres_built, Database.parse(postgres.url(name, user=role), files=files)
        postgres_built.close()


def test_the_service_s_role_does_all_the_service_does(
    service: tuple[BuiltLedger, Database],
) -> None:
    """Opening, recording few and many, keeping aside, projections; nothing is created."""
    built, database = service
    found = standing(database)
    assert (found.excess, found.lacking) == ((), ())
    built.ledger.close()
    built.ledger = TrialLedger(database, built.files)
    require_receipt(built, answer(built, signed := bag(built, 1)), signed)
    assert all(
        not isinstance(one, Exception)
        for one in built.record_all([bag(built, n) for n in range(50)])
    )
    kept = built.ledger.quarantine.keep("a", received_at="", code="event.x", reason="")
    assert kept == 1
    require_sound(built)


def test_the_service_s_role_can_do_nothing_else(service: tuple[BuiltLedger, Database]) -> None:
    """Refused for want of the right, before any trigger is asked."""
    built, database = service
    before = image(built)
    with psycopg.connect(database.url) as connection:
        statements = known(connection, (*REFUSED, *NOT_GRANTED))
    for statement in statements:
        text: Any = statement
        with (
            psycopg.connect(database.url, autocommit=True) as connection,
            pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.IntegrityError)),
        ):
            connection.execute(text)
        assert image(built) == before, statement


@pytest.mark.parametrize(
    ("grant", "named"),
    [
        ("ALTER ROLE {role} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {role} BYPASSRLS", "bypasses row security"),
        ("ALTER ROLE {role} CREATEROLE", "may create roles"),
        ("ALTER ROLE {role} CREATEDB", "may create databases"),
        ("ALTER ROLE {role} REPLICATION", "may replicate"),
        ("GRANT UPDATE ON ledger.stored_events TO {role}", "may UPDATE stored_events"),
        ("GRANT UPDATE (topic) ON ledger.stored_events TO {role}", "may UPDATE stored_events"),
        ("GRANT DELETE ON ledger.checkpoints TO {role}", "may DELETE checkpoints"),
        ("GRANT TRUNCATE ON ledger.tree_tiles TO {role}", "may TRUNCATE tree_tiles"),
        ("GRANT TRIGGER ON ledger.openings TO {role}", "may TRIGGER openings"),
        ("GRANT UPDATE ON ledger.ledger_head TO {role}", "may UPDATE ledger_head"),
        ("GRANT INSERT ON ledger.ledger_head TO {role}", "may INSERT ledger_head"),
        ("GRANT INSERT ON ledger.schema_version TO PUBLIC", "may INSERT schema_version"),
        ("GRANT DELETE ON ledger.stored_events TO PUBLIC", "may DELETE stored_events"),
        ("GRANT CREATE ON SCHEMA ledger TO {role}", "may create in the schema ledger"),
        ("ALTER SCHEMA ledger OWNER TO {role}", "owns the schema ledger"),
        ("ALTER TABLE ledger.openings OWNER TO {role}", "owns openings"),
        ("GRANT pg_write_server_files TO {role}", "is a member of pg_write_server_files"),
        ("GRANT pg_execute_server_program TO {role}", "is a member of pg_execute_server_program"),
        ("GRANT postgres TO {role}", "is a superuser as a member of postgres"),
    ],
)
def test_a_role_that_may_do_more_is_refused_by_name(
    postgres: PostgresServer, service: tuple[BuiltLedger, Database], grant: str, named: str
) -> None:
    """One right too many makes the triggers a courtesy; the refusal says which."""
    built, database = service
    role = database.settings["user"]
    if "postgres TO" in grant and postgres.settings.get("user") != "postgres":
        pytest.skip("The server's superuser has another name.")
    postgres.execute(grant.format(role=role), built.database.place.name)
    with pytest.raises(TrustFailure) as refused:
        require_service_rights(database)
    assert refused.value.code == "database.excess-rights"
    assert named in refused.value.message
    postgres.execute(f"ALTER ROLE {role} NOSUPERUSER")
    postgres.execute("ALTER SCHEMA ledger OWNER TO CURRENT_USER", built.database.place.name)


def test_a_role_that_lacks_a_right_is_told_which(
    postgres: PostgresServer, service: tuple[BuiltLedger, Database]
) -> None:
    """Before a sender finds out."""
    built, database = service
    role = database.settings["user"]
    postgres.execute(f"REVOKE INSERT ON ledger.openings FROM {role}", built.database.place.name)
    postgres.execute(
        f"REVOKE UPDATE (hash) ON ledger.ledger_head FROM {role}", built.database.place.name
    )
    with pytest.raises(TrustFailure) as refused:
        require_service_rights(database)
    assert refused.value.code == "database.lacking-rights"
    assert standing(database).lacking == ("INSERT on openings", "UPDATE on ledger_head.hash")


def test_granting_takes_back_what_was_too_much(
    postgres: PostgresServer, service: tuple[BuiltLedger, Database]
) -> None:
    """Run again, it leaves what is needed."""
    built, database = service
    role = database.settings["user"]
    name = built.database.place.name
    postgres.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA ledger TO {role}", name)
    assert len(excess_rights(database)) > 10
    grant_service(built.database, role)
    found = standing(database)
    assert (found.role, found.excess, found.lacking) == (role, (), ())


@pytest.mark.parametrize("value", ["off", "local"])
def test_a_server_that_may_lose_commits_is_refused_by_the_name_of_its_setting(
    postgres: PostgresServer, service: tuple[BuiltLedger, Database], value: str
) -> None:
    """Also where only this role or this database is set so; local matters only with standbys."""
    _, database = service
    role = database.settings["user"]
    before = standing(database).lossy
    postgres.execute(f"ALTER ROLE {role} SET synchronous_commit = {value}")
    with postgres.connect() as connection:
        answers = [connection.execute(f"SHOW {name}").fetchone() for name in
                   ("fsync", "full_page_writes", "synchronous_standby_names")]  # fmt: skip
    fsync, pages, standbys = (str(row[0]) for row in answers if row is not None)
    expected = value == "off" or bool(standbys)
    found = standing(database).lossy
    assert any(one.startswith(f"synchronous_commit is {value}") for one in found) == expected
    assert any(one.startswith("fsync is off") for one in found) == (fsync == "off")
    assert any(one.startswith("full_page_writes is off") for one in found) == (pages == "off")
    if found:
        with pytest.raises(TrustFailure) as refused:
            require_service_rights(database)
        assert refused.value.code == "database.not-durable"
        assert all(one in refused.value.message for one in found)
    postgres.execute(f"ALTER ROLE {role} RESET synchronous_commit")
    assert standing(database).lossy == before


def test_a_role_that_is_not_there_is_told(built: BuiltLedger, postgres_built: BuiltLedger) -> None:
    """And SQLite has none at all."""
    for database in (built.database, postgres_built.database):
        with pytest.raises(RejectedInput) as refused:
            grant_service(database, "nobody_at_all; DROP")
        assert refused.value.code == "database.role"
    require_service_rights(built.database)

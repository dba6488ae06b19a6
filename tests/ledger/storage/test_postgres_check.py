"""What is said of a PostgreSQL database whose rows, schema or rights were tampered with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ledger.errors import Unavailable
from ledger.log.note import VerifierKey
from ledger.storage.database import Database
from ledger.storage.open_evidence import open_evidence
from ledger.storage.postgres_schema import TRIGGERS
from ledger.storage.snapshot_evidence import LARGEST_VALUE
from ledger.verification.report import RootOfTrust, Status, VerificationReport
from ledger.verification.run import verify
from tests.build_ledger import each, identify
from tests.ledger.build_service import bag

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger
    from tests.postgres_server import PostgresServer


REFUSE = "FUNCTION ledger.refuse() RETURNS trigger"
AFTER = "AFTER INSERT ON ledger.stored_events"


def verified(built: BuiltLedger) -> VerificationReport:
    """What the kernel says of the database and the head file, against the root of trust."""
    trust = RootOfTrust(VerifierKey.parse(built.vkey), built.ledger.genesis.record.sha256)
    with open_evidence(built.database, head_file=built.files.head) as source:
        return verify(source, trust=trust)


def found(built: BuiltLedger) -> list[tuple[str, str]]:
    """Codes and artefacts of what is wrong with the schema."""
    with open_evidence(built.database) as source:
        return [(finding.code, finding.artefact) for finding in source.storage()]


def altered(
    postgres: PostgresServer, built: BuiltLedger, *statements: str
) -> list[tuple[str, str]]:
    """What is found after some statements of an administrator."""
    for statement in statements:
        postgres.execute(statement, built.database.place.name)
    return found(built)


def past_triggers(postgres: PostgresServer, built: BuiltLedger, statement: str) -> None:
    """Change rows as a superuser who takes the triggers away and puts them back."""
    tables = {table for table, _ in TRIGGERS}
    with postgres.connect(built.database.place.name) as connection, connection.transaction():
        for table in tables:
            text: Any = f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER"
            connection.execute(text)
        text = statement
        assert connection.execute(text).rowcount
        for table, name in TRIGGERS:
            text = f"ALTER TABLE ledger.{table} ENABLE ALWAYS TRIGGER {name}"
            connection.execute(text)


def test_a_ledger_in_use_is_sound_whole_and_protected(postgres_built: BuiltLedger) -> None:
    """Entries past a full tile, openings and the head file included."""
    postgres_built.record_all(each(postgres_built, range(2, 40), identify))
    postgres_built.record_all([bag(postgres_built, number) for number in range(300)])
    report = verified(postgres_built)
    assert (report.status, report.findings) == (Status.SOUND, ())
    assert not report.internally_consistent_only
    assert report.size == postgres_built.ledger.application.store.head().size
    assert found(postgres_built) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.stored_events SET state = state || '\\x20' WHERE seq = 5",
        "UPDATE ledger.stored_events SET topic = 'a.b.v1' WHERE seq = 5",
        "UPDATE ledger.stored_events SET originator_id = 'site/SY09' WHERE seq = 5",
        "UPDATE ledger.stored_events SET originator_version = 77 WHERE seq = 5",
        "UPDATE ledger.stored_events SET event_id = '\\x00' WHERE seq = 5",
        "DELETE FROM ledger.stored_events WHERE seq = 5",
        "DELETE FROM ledger.stored_events WHERE seq = (SELECT max(seq) FROM ledger.stored_events)",
        "UPDATE ledger.checkpoints SET note = note || ' ' WHERE size = 9",
        "UPDATE ledger.checkpoints SET previous = 0 WHERE size = 9",
        "DELETE FROM ledger.checkpoints WHERE size = 9",
        "INSERT INTO ledger.checkpoints VALUES (10000, 'x', 0)",
        "INSERT INTO ledger.tree_tiles VALUES (0, 5, '', '')",
        "INSERT INTO ledger.openings VALUES (3, 0, 'x')",
        "INSERT INTO ledger.openings VALUES (99999, 0, 'x')",
        "UPDATE ledger.openings SET disclosure = 'x'",
        "UPDATE ledger.ledger_head SET size = size - 1",
        "UPDATE ledger.ledger_head SET hash = ''",
        "UPDATE ledger.ledger_head SET recorded_at = ''",
        "DELETE FROM ledger.ledger_head",
    ],
)
def test_each_value_that_was_changed_is_found(
    postgres: PostgresServer, postgres_built: BuiltLedger, statement: str
) -> None:
    """Whoever got round the triggers is caught by the verifier."""
    past_triggers(postgres, postgres_built, statement)
    report = verified(postgres_built)
    assert report.status is Status.DAMAGED
    assert report.findings
    assert found(postgres_built) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE ledger.stored_events ALTER COLUMN state TYPE text USING encode(state, 'hex')",
        "ALTER TABLE ledger.stored_events ALTER COLUMN seq TYPE text",
        "ALTER TABLE ledger.checkpoints ALTER COLUMN size TYPE numeric",
        "ALTER TABLE ledger.checkpoints RENAME COLUMN note TO notes",
        "ALTER TABLE ledger.ledger_head ALTER COLUMN size TYPE text",
        "ALTER TABLE ledger.openings RENAME TO closings",
    ],
)
def test_columns_of_another_shape_are_found_and_end_no_verification(
    postgres: PostgresServer, postgres_built: BuiltLedger, statement: str
) -> None:
    """The kernel judges what it is given; the check of the schema names the column."""
    name = postgres_built.database.place.name
    postgres.execute("DROP TRIGGER ledger_head_forward_only ON ledger.ledger_head", name)
    said = altered(postgres, postgres_built, statement)
    assert len(said) > 1
    assert verified(postgres_built).status is Status.DAMAGED


@pytest.mark.parametrize(("length", "read"), [(LARGEST_VALUE, True), (LARGEST_VALUE + 1, False)])
def test_a_value_is_measured_as_long_as_it_is_when_read(
    postgres: PostgresServer, postgres_built: BuiltLedger, length: int, *, read: bool
) -> None:
    """Compressed it is a few kilobytes long, and would be blown up in the verifier's memory."""
    blown_up = f"convert_to(repeat('a', {length}), 'UTF8')"
    past_triggers(
        postgres,
        postgres_built,
        f"UPDATE ledger.stored_events SET state = {blown_up} WHERE seq = 5",
    )
    with open_evidence(postgres_built.database) as source:
        [row] = source.rows(4, 1)
        [(_, data)] = source.entries(4, 1)
    assert (row.seq, row.data) == (5, b"a" * length if read else None)
    assert data == row.data
    assert verified(postgres_built).status is Status.DAMAGED


def test_each_dropped_or_silenced_trigger_is_named(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> None:
    """All of them, whatever they protect."""
    (first, one), *others = sorted(TRIGGERS)
    said = altered(
        postgres,
        postgres_built,
        f"ALTER TABLE ledger.{first} ENABLE TRIGGER {one}",
        *(f"DROP TRIGGER {name} ON ledger.{table}" for table, name in others),
    )
    assert ("storage.protection-altered", f"trigger {one}") in said
    for _, name in others:
        assert ("storage.protection-missing", f"trigger {name}") in said
    assert len(said) == len(TRIGGERS)


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        (
            f"CREATE OR REPLACE {REFUSE} LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            ("storage.protection-altered", "function refuse"),
        ),
        (
            f"CREATE TRIGGER helper {AFTER} EXECUTE FUNCTION ledger.refuse()",
            ("storage.foreign-trigger", "trigger helper on stored_events"),
        ),
        (
            "CREATE RULE lost AS ON INSERT TO ledger.openings DO INSTEAD NOTHING",
            ("storage.foreign-trigger", "rule lost on openings"),
        ),
        (
            "ALTER TABLE ledger.stored_events ENABLE ROW LEVEL SECURITY",
            ("storage.protection-altered", "table stored_events"),
        ),
        (
            "ALTER TABLE ledger.checkpoints SET UNLOGGED",
            ("storage.protection-altered", "table checkpoints"),
        ),
        (
            "CREATE TABLE ledger.more () INHERITS (ledger.stored_events)",
            ("storage.protection-altered", "table stored_events"),
        ),
        (
            "ALTER TABLE ledger.stored_events DROP CONSTRAINT stored_events_event_id_key",
            ("storage.protection-missing", "key stored_events (event_id)"),
        ),
        (
            "DROP INDEX ledger.registered_types",
            ("storage.protection-missing", "index registered_types"),
        ),
        (
            "ALTER TABLE ledger.openings ALTER COLUMN disclosure DROP NOT NULL",
            ("storage.protection-altered", "column openings.disclosure"),
        ),
        (
            "GRANT UPDATE ON ledger.stored_events TO PUBLIC",
            ("storage.rights", "table stored_events"),
        ),
        (
            "GRANT UPDATE (topic) ON ledger.stored_events TO PUBLIC",
            ("storage.rights", "table stored_events"),
        ),
    ],
)
def test_each_protection_taken_away_is_named(
    postgres: PostgresServer,
    postgres_built: BuiltLedger,
    statement: str,
    finding: tuple[str, str],
) -> None:
    """Nothing is wrong with the entries yet; it is damage all the same."""
    assert finding in altered(postgres, postgres_built, statement)
    assert verified(postgres_built).status is Status.SOUND


def test_a_role_that_may_only_read_can_verify(
    postgres: PostgresServer, postgres_built: BuiltLedger
) -> None:
    """An auditor needs no more than SELECT."""
    name = postgres_built.database.place.name
    with postgres.role() as role:
        postgres.execute(f"GRANT USAGE ON SCHEMA ledger TO {role}", name)
        postgres.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO {role}", name)
        database = Database.parse(
            postgres.url(name, user=role), files=postgres_built.database.place.parent
        )
        with open_evidence(database) as source:
            assert verify(source).status is Status.SOUND
            assert source.storage() == []


def test_a_database_without_a_ledger_or_a_server_cannot_be_checked(
    postgres_database: Database,
) -> None:
    """That is no damage."""
    with pytest.raises(Unavailable) as none:
        open_evidence(postgres_database)
    assert none.value.code == "evidence.no-ledger"
    away = Database.parse("postgresql://somebody:secret@127.0.0.1:1/ledger", files=Path("x"))
    with pytest.raises(Unavailable) as unread:
        open_evidence(away)
    assert unread.value.code == "evidence.unreadable"
    assert "secret" not in str(unread.value)

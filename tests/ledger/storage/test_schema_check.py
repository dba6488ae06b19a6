"""What is said of a database file whose structure or protection was tampered with."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.storage.evidence import DatabaseEvidence
from tests.ledger.build_service import database, plain

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger


def found(path: Path) -> list[tuple[str, str]]:
    """Codes and artefacts of what is wrong with a file."""
    with DatabaseEvidence(path) as source:
        return [(finding.code, finding.artefact) for finding in source.storage()]


def altered(path: Path, *statements: str) -> list[tuple[str, str]]:
    """What is found after some statements of an administrator."""
    with closing(plain(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return found(path)


def test_a_ledger_in_use_is_whole_and_protected(built: BuiltLedger) -> None:
    """The quarantine beside the log included."""
    assert found(database(built)) == []


def test_each_dropped_trigger_is_named(built: BuiltLedger) -> None:
    """All of them, whatever they protect."""
    path = database(built)
    with closing(plain(path)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        names = sorted(name for (name,) in rows.fetchall())
    assert len(names) > 10
    said = altered(path, *(f"DROP TRIGGER {name}" for name in names))
    assert said == [("storage.protection-missing", f"trigger {name}") for name in names]


def test_a_trigger_that_does_nothing_under_the_old_name_is_named(built: BuiltLedger) -> None:
    """The name alone protects nothing."""
    said = altered(
        database(built),
        "DROP TRIGGER checkpoints_no_delete",
        "CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints BEGIN SELECT 1; END",
    )
    assert said == [("storage.protection-altered", "trigger checkpoints_no_delete")]


@pytest.mark.parametrize("name", ["helper", "sqlitexstat"])
def test_a_trigger_of_somebody_else_is_named(built: BuiltLedger, name: str) -> None:
    """It could change what is written beside the log; no name hides it."""
    said = altered(
        database(built),
        f"CREATE TRIGGER {name} AFTER INSERT ON stored_events BEGIN DELETE FROM openings; END",
    )
    assert said == [("storage.foreign-trigger", f"trigger {name}")]


def test_a_table_made_again_without_constraints_is_named(built: BuiltLedger) -> None:
    """With its triggers and the indexes that held its keys unique."""
    said = altered(
        database(built),
        "CREATE TABLE copy AS SELECT * FROM checkpoints",
        "DROP TABLE checkpoints",
        "ALTER TABLE copy RENAME TO checkpoints",
    )
    assert ("storage.protection-altered", "table checkpoints") in said
    assert ("storage.protection-missing", "trigger checkpoints_no_update") in said


def test_a_dropped_index_is_named(built: BuiltLedger) -> None:
    """Guards look allocations up through it."""
    said = altered(database(built), "DROP INDEX registered_types")
    assert said == [("storage.protection-missing", "index registered_types")]


def test_a_damaged_page_is_named_by_the_database_itself(built: BuiltLedger) -> None:
    """SQLite's own check reads indexes too, which no entry shows."""
    path = database(built)
    built.close()
    with closing(plain(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'registered_types'"
        ).fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * 16_384] ^= 0xFF
    path.write_bytes(data)
    said = found(path)
    assert said
    assert {code for code, _ in said} == {"storage.file"}


def test_a_finding_is_one_line(built: BuiltLedger) -> None:
    """What, where and what to do."""
    altered(database(built), "DROP TRIGGER stored_events_no_update")
    with DatabaseEvidence(database(built)) as source:
        (finding,) = source.storage()
    line = str(finding)
    assert line.startswith("storage.protection-missing at log (trigger stored_events_no_update)")
    assert "Protection missing" in line
    assert len(line.splitlines()) == 1

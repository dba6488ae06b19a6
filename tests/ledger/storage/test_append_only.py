"""What the database itself refuses, on a connection that knows nothing of the ledger."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.ledger.build_service import database, plain

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger

ROW = "'trial', 999, 'x.y.v1', x'00'"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE stored_events SET state = x'00' WHERE seq = 3",
        "UPDATE stored_events SET seq = 999 WHERE seq = 3",
        "UPDATE OR REPLACE stored_events SET seq = 4 WHERE seq = 3",
        "DELETE FROM stored_events WHERE seq = 3",
        "DELETE FROM stored_events",
        f"INSERT OR REPLACE INTO stored_events VALUES (3, {ROW}, x'01')",
        f"REPLACE INTO stored_events VALUES (3, {ROW}, x'01')",
        f"INSERT INTO stored_events VALUES (3, {ROW}, x'01') ON CONFLICT DO UPDATE SET state = ''",
        f"INSERT INTO stored_events VALUES (99999, {ROW}, x'01')",
        f"INSERT INTO stored_events VALUES (-1, {ROW}, x'01')",
        (
            f"INSERT OR REPLACE INTO stored_events SELECT MAX(seq) + 1, {ROW},"
            " (SELECT event_id FROM stored_events WHERE seq = 3) FROM stored_events"
        ),
        (
            "INSERT OR REPLACE INTO stored_events SELECT MAX(seq) + 1, 'trial', 0, 'x.y.v1', x'00',"
            " x'01' FROM stored_events"
        ),
        "UPDATE checkpoints SET note = '' WHERE size = 1",
        "UPDATE checkpoints SET previous = 0",
        "DELETE FROM checkpoints",
        "INSERT OR REPLACE INTO checkpoints VALUES (1, '', 0)",
        "UPDATE ledger_head SET size = 1",
        "UPDATE ledger_head SET hash = ''",
        "UPDATE ledger_head SET id = 2, size = 999999",
        "DELETE FROM ledger_head",
        "INSERT OR REPLACE INTO ledger_head VALUES (1, 0, '', '')",
        "INSERT INTO ledger_head VALUES (2, 0, '', '')",
        "UPDATE openings SET disclosure = ''",
        "INSERT OR REPLACE INTO openings SELECT seq, number, '' FROM openings",
    ],
)
def test_nothing_recorded_is_changed_replaced_or_removed(
    built: BuiltLedger, statement: str
) -> None:
    """Each way SQL has of changing a row, on a fresh connection (ecosystem note on REPLACE)."""
    with closing(plain(database(built))) as connection:
        before = list(connection.iterdump())
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
        assert list(connection.iterdump()) == before


def test_full_tiles_are_as_fixed_as_entries(built: BuiltLedger) -> None:
    """The tile rows have the same triggers; one row is enough to try them on."""
    with closing(plain(database(built))) as connection:
        connection.execute("INSERT INTO tree_tiles VALUES (0, 7, x'00', x'00')")
        for statement in (
            "UPDATE tree_tiles SET root = x'01'",
            "DELETE FROM tree_tiles",
            "INSERT OR REPLACE INTO tree_tiles VALUES (0, 7, x'01', x'01')",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


def test_triggers_hold_with_recursive_triggers_off_and_foreign_keys_off(
    built: BuiltLedger,
) -> None:
    """Delete triggers fire on REPLACE only with a setting of each connection; we need none."""
    with closing(plain(database(built))) as connection:
        connection.execute("PRAGMA recursive_triggers = OFF")
        connection.execute("PRAGMA foreign_keys = OFF")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(f"INSERT OR REPLACE INTO stored_events VALUES (0, {ROW}, x'01')")


def test_an_opening_can_be_erased(built: BuiltLedger) -> None:
    """Erasure of identity and text openings is a right of the subject; entries stay whole."""
    with closing(plain(database(built))) as connection:
        assert connection.execute("DELETE FROM openings").rowcount > 0

"""The tables of an SQLite file, open to whoever has every right over it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Table:
    """The tables of one SQLite file."""

    path: Path

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, values).fetchall()

    def run(self, statement: str, *values: object) -> None:
        """One alteration past the triggers, which stand again afterwards.

        Raises AssertionError when nothing was changed by it.
        """
        kept = self.ask("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("PRAGMA ignore_check_constraints = ON")
            for name, _ in kept:
                connection.execute(f"DROP TRIGGER {name}")
            changed = connection.execute(statement, values).rowcount
            for _, sql in kept:
                connection.execute(sql)
        if changed == 0:
            raise AssertionError(f"Nothing changed by: {statement}")

    def schema(self, *statements: str) -> None:
        """Alterations of the schema itself, triggers left as they are."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

"""Whether a database file is whole, and still refuses what a ledger's schema refuses.

The entries can be whole in a file whose triggers were dropped: nothing is wrong yet, but whoever
dropped them could have changed anything since. So a missing protection is damage by itself.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.storage.schema import SQLITE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LISTED: Final = 100
_LONGEST_PROBLEM: Final = 300

_LOOK: Final = (
    "Find out who altered the schema and what was changed since; compare with receipts others "
    "hold. The service makes what is missing again when it starts, so keep a copy first."
)
_DROP: Final = (
    "Find out who made it and what it changed; compare with receipts others hold, then drop it."
)
_REVOKE: Final = (
    "Find out who granted it and what was changed since, then revoke it; trial-ledger database "
    "migrate --service-role ROLE gives the service's role what it needs and no more."
)
_KEEP: Final = "Keep this copy as evidence and restore the newest backup that verifies."

_WHAT: Final = {
    "storage.file": ("The database file is not whole.", _KEEP),
    "storage.protection-missing": ("Protection missing: the schema lacks a part.", _LOOK),
    "storage.protection-altered": ("Protection altered: a part of the schema is another.", _LOOK),
    "storage.foreign-trigger": (
        "A trigger or rule stands in the schema that no ledger made.",
        _DROP,
    ),
    "storage.rights": ("A role was granted a right on the tables that nobody needs.", _REVOKE),
}


@dataclass(frozen=True, slots=True)
class StorageFinding:
    """One thing wrong with a database file as such.

    ``artefact`` is the trigger, index or table, such as ``trigger checkpoints_no_delete``, or the
    file; ``found`` is what SQLite says about the file, else empty.
    """

    code: str
    artefact: str
    found: str = ""

    def __str__(self) -> str:
        """One line in the manner of the verifier's findings."""
        what, remedy = _WHAT[self.code]
        found = f" Found: {self.found}." if self.found else ""
        return f"{self.code} at log ({self.artefact}): {what}{found} {remedy}"


def check_storage(connection: sqlite3.Connection) -> list[StorageFinding]:
    """What SQLite finds wrong with the file, then what the schema no longer holds."""
    return [*_problems(connection), *_schema_findings(connection)]


def _problems(connection: sqlite3.Connection) -> Iterator[StorageFinding]:
    """What ``PRAGMA integrity_check`` says, which reads every page and every index."""
    try:
        rows = connection.execute(f"PRAGMA integrity_check({_MOST_LISTED})").fetchall()
        said = [str(row[0]) for row in rows]
    except sqlite3.Error as error:
        said = [str(error)]
    for text in said:
        if text != "ok":
            yield StorageFinding("storage.file", "database file", _shown(text).strip(" *."))


def _schema_findings(connection: sqlite3.Connection) -> Iterator[StorageFinding]:
    try:
        present = _schema(connection)
    except sqlite3.Error as error:
        yield StorageFinding("storage.file", "schema", str(error))
        return
    for (kind, name), sql in _expected().items():
        found = present.get((kind, name))
        if (kind, name) not in present:
            yield StorageFinding("storage.protection-missing", f"{kind} {name}")
        elif found != sql:
            yield StorageFinding("storage.protection-altered", f"{kind} {name}")
    for kind, name in sorted(present.keys() - _expected().keys()):
        if kind == "trigger":
            yield StorageFinding("storage.foreign-trigger", f"trigger {_shown(name)}")


def _expected() -> dict[tuple[str, str], object]:
    """The schema of a ledger as this version of SQLite writes it down."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SQLITE_SCHEMA:
            connection.execute(statement)
        return _schema(connection)


def _schema(connection: sqlite3.Connection) -> dict[tuple[str, str], object]:
    """All parts of a schema by kind and name, with the statement that makes each.

    The indexes that SQLite makes for UNIQUE are among them, without a statement.
    """
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    return {(str(kind), str(name)): _in_one_line(sql) for kind, name, sql in rows}


def _in_one_line(sql: object) -> object:
    return " ".join(sql.split()) if isinstance(sql, str) else sql


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_PROBLEM]

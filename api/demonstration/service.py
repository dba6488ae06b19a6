"""The real service as a process of its own, on a free loopback port, while it is needed."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ledger.errors import Unavailable
from ledger.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST: Final = "127.0.0.1"
_PATIENCE: Final = 60.0
_GRACE: Final = 30.0


@contextmanager
def running_service(
    database: Database | str, *, log: Path, port: int | None = None
) -> Iterator[str]:
    """Start ``trial-ledger serve`` for a database and give its address; stop it at the end.

    The URL goes by the environment: command lines are seen by every user of the machine.
    Raises Unavailable when it does not become ready; what it printed is in ``log``.
    """
    chosen = port or free_port()
    named = Database.of(database)
    command = [sys.executable, "-m", "api.cli", "serve", "--host", HOST, "--port", str(chosen)]
    environment = {
        **os.environ,
        "LEDGER_DATABASE_URL": named.url,
        "LEDGER_FILES": str(named.place.parent),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            _wait_until_ready(process, chosen, log)
            yield f"http://{HOST}:{chosen}"
        finally:
            _stop(process)


def free_port() -> int:
    """A loopback port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _ready(port):
            return
        time.sleep(0.1)
    raise Unavailable(
        "demonstration.service-not-ready",
        f"The service did not become ready on port {port}.",
        remedy=f"See what it printed: {log}.",
    )


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

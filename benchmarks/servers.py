"""Services under load: ours and the naive one, both by granian, each in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from benchmarks.naive import DATABASE, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.founding import Founded

THREADS: Final = 16
_PATIENCE: Final = 60


@contextmanager
def ours(founded: Founded, *, workers: int = 1) -> Iterator[int]:
    """Our service over a ledger; gives its port."""
    port = free_port()
    command = [
        "-m", "api.cli", "serve", "--database", founded.url,
        "--port", str(port), "--workers", str(workers),
    ]  # fmt: skip
    with _running(command, port, "/healthz", {}):
        yield port


@contextmanager
def naive(database: Path, keys: Mapping[str, str], *, workers: int = 1) -> Iterator[int]:
    """The naive service over a new database, knowing these keys (kid to x); gives its port."""
    port = free_port()
    held = database.with_suffix(".keys")
    held.write_text(json.dumps(dict(keys)), encoding="ascii")
    command = [
        "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(workers), "--blocking-threads", str(THREADS), "--no-log",
        "--factory", "benchmarks.naive:application",
    ]  # fmt: skip
    with _running(command, port, "/", {DATABASE: str(database), KEYS: str(held)}):
        yield port


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def _running(
    command: list[str], port: int, path: str, settings: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}{path}")
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The service ended with status {process.returncode}.")
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - loopback
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("The service did not begin to answer.")

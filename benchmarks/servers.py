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

from benchmarks.naive import DATABASE, KEYS, create

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.founding import Founded

THREADS: Final = 1
"""Threads of each worker of the naive service: more only wait for each other's transactions."""

_PATIENCE: Final = 60


@contextmanager
def ours(founded: Founded, *, workers: int = 1, until: str = "/healthz") -> Iterator[int]:
    """Our service over a ledger, once it answers a path with success; gives its port."""
    port = free_port()
    command = [
        "-m", "api.cli", "serve", *founded.arguments,
        "--port", str(port), "--workers", str(workers),
    ]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}{until}", {}):
        yield port


@contextmanager
def naive(
    database: str | Path, keys: Mapping[str, str], held: Path, *, workers: int = 1
) -> Iterator[int]:
    """The naive service over a new database, knowing these keys (kid to x); gives its port."""
    port = free_port()
    create(database)
    held.write_text(json.dumps(dict(keys)), encoding="ascii")
    command = [
        "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(workers), "--blocking-threads", str(THREADS), "--no-log",
        "--factory", "benchmarks.naive:application",
    ]  # fmt: skip
    settings = {DATABASE: str(database), KEYS: str(held)}
    with _running(command, f"http://127.0.0.1:{port}/", settings, answers=404):
        yield port


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def _running(
    command: list[str], url: str, settings: Mapping[str, str], *, answers: int = 200
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, url, answers)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, answers: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The service ended with status {process.returncode}.")
        if _status(url) == answers:
            return
        time.sleep(0.02)
    raise RuntimeError("The service did not begin to answer.")


def _status(url: str) -> int:
    """What a GET is answered with, 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0

"""A client that costs little: prepared requests over kept connections, one thread a client.

It runs in a process of its own and does nothing but send, read and note the time each answer
took, so that it takes as little as possible of the processors it shares with the service.
"""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_PATIENCE: Final = 120


@dataclass(frozen=True, slots=True)
class Request:
    """A body with its media type, and how many statements it holds."""

    media_type: str
    body: bytes
    statements: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of clients saw: statements answered, seconds, each answer's time, statuses."""

    statements: int
    seconds: float
    latencies: tuple[float, ...]
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        """Statements a second."""
        return self.statements / self.seconds

    def percentile(self, share: float) -> float:
        """The time within which that share of the requests was answered, in milliseconds."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def drive(port: int, path: str, scripts: Sequence[Sequence[Request]], *, seconds: float) -> Outcome:
    """Let one client for each script send its requests in order, until the time is over.

    A client that has sent everything before the time is over ends then. Raises RuntimeError when
    one fails or is answered with anything but success.
    """
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, port, path, scripts, seconds))
    process.start()
    theirs.close()
    try:
        if not mine.poll(seconds + _PATIENCE):
            raise RuntimeError("The clients did not come back.")
        answer = mine.recv()
    finally:
        process.join(10)
        if process.is_alive():
            process.kill()
    if isinstance(answer, str):
        raise RuntimeError(answer)
    found: Outcome = answer
    return found


def _run(
    pipe: Connection,
    port: int,
    path: str,
    scripts: Sequence[Sequence[Request]],
    seconds: float,
) -> None:
    prepared = [
        [(_request(port, path, request), request.statements) for request in script]
        for script in scripts
    ]
    clients = [_Client(port, script) for script in prepared]
    start = threading.Barrier(len(clients) + 1)
    threads = [threading.Thread(target=one.play, args=(start, seconds)) for one in clients]
    for thread in threads:
        thread.start()
    start.wait(30)
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    faults = [one.fault for one in clients if one.fault]
    if faults:
        pipe.send(f"{len(faults)} clients failed, the first with: {faults[0]}")
        return
    statuses: dict[int, int] = {}
    for one in clients:
        for status in one.statuses:
            statuses[status] = statuses.get(status, 0) + 1
    pipe.send(
        Outcome(
            sum(one.statements for one in clients),
            took,
            tuple(latency for one in clients for latency in one.latencies),
            statuses,
        )
    )


def _request(port: int, path: str, request: Request) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Content-Type: {request.media_type}\r\nContent-Length: {len(request.body)}\r\n\r\n"
    )
    return head.encode("ascii") + request.body


class _Client:
    def __init__(self, port: int, script: Sequence[tuple[bytes, int]]) -> None:
        self.latencies: list[float] = []
        self.statuses: list[int] = []
        self.statements = 0
        self.fault = ""
        self._port = port
        self._script = script

    def play(self, start: threading.Barrier, seconds: float) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=60) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                start.wait(30)
                self._send_all(connection, time.perf_counter() + seconds)
        except (OSError, RuntimeError, threading.BrokenBarrierError) as error:
            self.fault = f"{type(error).__name__}: {error}"
            start.abort()

    def _send_all(self, connection: socket.socket, end: float) -> None:
        now = time.perf_counter()
        for request, statements in self._script:
            connection.sendall(request)
            status, body = _read(connection)
            then, now = now, time.perf_counter()
            if status not in (200, 201):
                raise RuntimeError(f"Answered with {status}: {body[:400]!r}")
            self.latencies.append(now - then)
            self.statuses.append(status)
            self.statements += statements
            if now > end:
                return


def _read(connection: socket.socket) -> tuple[int, bytes]:
    data = connection.recv(65_536)
    while (end := data.find(_END)) < 0:
        data += _more(connection)
    head = data[:end].lower()
    at = head.index(_LENGTH) + len(_LENGTH)
    stop = head.find(b"\r\n", at)
    length = int(head[at : stop if stop > 0 else None])
    parts, missing = [data[end + 4 :]], length - (len(data) - end - 4)
    while missing > 0:
        parts.append(_more(connection))
        missing -= len(parts[-1])
    return int(data[9:12]), b"".join(parts)


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(262_144)
    if not data:
        raise RuntimeError("The service closed the connection.")
    return data

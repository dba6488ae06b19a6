"""Ports that stay free until a server has taken them, and while it is started again."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Final

_FIRST, _STRETCH, _STRETCHES = 12_000, 4_000, 5
"""Below those that the system gives to whoever asks for any; a stretch for each pytest worker."""

_GIVEN: Final = set[int]()


def free_port() -> int:
    """A port nobody listens on, given once.

    It is bound a moment later by another process, and again after that one was killed: so it is
    none of those that the system gives out meanwhile, nor one of another process of pytest-xdist.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST + worker % _STRETCHES * _STRETCH
    while True:
        port = first + secrets.randbelow(_STRETCH)
        if port in _GIVEN:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _GIVEN.add(port)
        return port

"""A proxy before a database server that cuts the line at COMMIT: before it arrives, or after."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMIT = b"COMMIT\0"
Cut = Literal["", "before", "after"]


@dataclass(slots=True)
class CuttingProxy:
    """Hands bytes on in both directions; ``cut`` says what happens to the next COMMIT.

    ``before``: it never arrives. ``after``: it is done, but nobody hears of it. ``cuts`` counts.
    """

    target: tuple[str, int]
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    cut: Cut = ""
    cuts: int = 0
    open: list[socket.socket] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where to connect instead."""
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.target)
            self.open += [client, server]
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, selectors.DefaultSelector() as selector, suppress(OSError):
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    source = client if key.data is server else server
                    data = source.recv(65_536)
                    if not data or (self._cuts(data, source is client) and self._end(data, server)):
                        return
                    key.data.sendall(data)

    def _cuts(self, data: bytes, from_client: bool) -> bool:  # noqa: FBT001
        return from_client and bool(self.cut) and data.endswith(_COMMIT)

    def _end(self, data: bytes, server: socket.socket) -> bool:
        how, self.cut = self.cut, ""
        self.cuts += 1
        if how == "after":
            server.sendall(data)
            server.recv(65_536)  # the answer that never reaches the client
        return True


@contextmanager
def cutting_proxy(host: str, port: int) -> Iterator[CuttingProxy]:
    """A running proxy before a server."""
    proxy = CuttingProxy((host, port))
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        with suppress(OSError):
            proxy.listener.shutdown(socket.SHUT_RDWR)
        proxy.listener.close()
        for one in proxy.open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        thread.join(5)

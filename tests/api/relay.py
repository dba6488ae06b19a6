"""A relay before a server that spoils answers on their way back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import urllib3

if TYPE_CHECKING:
    from tests.api.conftest import Running

Fault = Callable[[BaseHTTPRequestHandler, int, bytes], bool]


@contextmanager
def between(server: Running, fault: Fault) -> Iterator[str]:
    """A relay before the server; ``fault`` may spoil an answer and says whether it did."""

    class Relay(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = ("Content-Type", "Demonstration-Time")
            headers = {name: self.headers[name] for name in kept if name in self.headers}
            found = urllib3.request(
                "POST", server.url + self.path, body=body, headers=headers, retries=False
            )
            if not fault(self, found.status, found.data):
                answer(self, found.status, found.data)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    relay = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    thread = threading.Thread(target=relay.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{relay.server_port}"
    relay.shutdown()
    relay.server_close()
    thread.join()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    """Write an answer."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)

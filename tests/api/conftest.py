"""A ledger with its people, behind the test client and behind a real server."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import urllib3

from api.app import DoorSettings, create_app
from api.context import KEY
from api.serving import follow
from tests.build_ledger import TRIAL, BuiltLedger, build_ledger
from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask
    from flask.testing import FlaskClient

    from ledger.service import TrialLedger
    from projections.reading import Projections

ROOT = Path(__file__).parents[2]
SERVE = "import sys; from api.serving import serve; serve(sys.argv[1], port=int(sys.argv[2]))"


@dataclass(slots=True)
class Running:
    """A server process over a built ledger, whose own handle on the ledger is closed."""

    built: BuiltLedger
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The service's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> str:
        """The address events are posted to."""
        return f"{self.url}/v1/trials/{TRIAL}/events"

    def stop(self) -> None:
        """End the server as an operator would."""
        self.process.terminate()
        self.process.wait(timeout=60)


def start(built: BuiltLedger, port: int | None = None) -> Running:
    """Serve a built ledger with granian in a process of its own."""
    chosen = port or free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVE, built.url, str(chosen)], cwd=ROOT)
    running = Running(built, chosen, process)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            found = urllib3.request("GET", f"{running.url}/readyz", retries=False, timeout=2)
            if found.status == 200:
                return running
        time.sleep(0.05)
    running.stop()
    raise AssertionError("the server did not become ready")


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    """A read waits for its projections as long as a machine may stand still."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.context.FOLLOW_SECONDS", 60.0)
        yield


@pytest.fixture
def built(tmp_path: Path) -> Iterator[BuiltLedger]:
    """A demonstration ledger, open, ready for subjects."""
    one = build_ledger(tmp_path)
    yield one
    one.close()


@pytest.fixture
def open_doors() -> Iterator[Callable[..., Flask]]:
    """Put doors before open ledgers; their projections stop with the test."""
    opened: list[Projections] = []
    apps: list[Flask] = []

    def begin(ledger: TrialLedger, settings: DoorSettings | None = None) -> Flask:
        opened.append(follow(ledger))
        apps.append(create_app(ledger, opened[-1], settings))
        return apps[-1]

    yield begin
    for app in apps:
        app.extensions[KEY].close()
    for projections in opened:
        projections.close()


@pytest.fixture
def app(built: BuiltLedger, open_doors: Callable[..., Flask]) -> Flask:
    """The application over the built ledger."""
    return open_doors(built.ledger)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application, without a network."""
    return app.test_client()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One real server for the tests of a module."""
    one = build_ledger(tmp_path_factory.mktemp("served"))
    one.close()
    running = start(one)
    yield running
    running.stop()


@pytest.fixture
def serving() -> Iterator[Callable[[BuiltLedger], Running]]:
    """Start servers that end with the test."""
    started: list[Running] = []

    def begin(one: BuiltLedger) -> Running:
        started.append(start(one))
        return started[-1]

    yield begin
    for running in started:
        running.stop()

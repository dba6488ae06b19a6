"""The real service in processes of its own, to be killed, and clients that keep their receipts."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import urllib3

from api.client import LedgerClient
from api.identity import Identity, SignedEvent
from ledger.errors import Unavailable
from tests.build_ledger import COORDINATOR, EDC, SITE, TRIAL, party
from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.client import Answer
    from ledger.signing.strict_json import JsonObject

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60
TIME = "2024-02-02T01:00:00Z"


@dataclass(slots=True)
class Service:
    """One service node; ``kill`` ends every process of it, or one of them first."""

    url: str
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    _said: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Service:
        """Start it as an operator would and wait until it says that it is ready."""
        self._said.seek(0)
        self._said.truncate()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", "--database", self.url, "--port",
             str(self.port), *self.options],
            cwd=ROOT, start_new_session=True, stdout=self._said, stderr=self._said,
        )  # fmt: skip
        if self.is_ready():
            return self
        self.kill()
        self._said.seek(0)
        said = self._said.read().decode(errors="replace")
        raise AssertionError(f"the service did not become ready: {said[-2000:]}")

    def is_ready(self) -> bool:
        """Whether it says so in time; a machine under load may keep an answer back."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                return False
            if self.status("/readyz") == 200:
                return True
            time.sleep(0.03)
        return False

    def status(self, path: str) -> int:
        """The status of a page; 0 when nobody answers."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return urllib3.request(
                "GET", f"{self.address}{path}", retries=False, timeout=5
            ).status  # fmt: skip
        return 0

    def processes(self) -> list[int]:
        """All processes of its session, the first being the one that was started."""
        if self.process is None:
            return []
        own = str(self.process.pid)
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, IndexError):
                if entry.name.isdigit():
                    session = (entry / "stat").read_text().rpartition(")")[2].split()[3]
                    found += [int(entry.name)] if session == own else []
        return sorted(found)

    def kill(self, *, one_first: bool = False) -> None:
        """SIGKILL to all at once; with ``one_first`` one of them dies a little earlier."""
        if self.process is None:
            return
        members = self.processes()
        if one_first and len(members) > 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(members), signal.SIGKILL)
            time.sleep(random.uniform(0.0, 0.3))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(timeout=60)
        self.process = None

    def stop(self) -> None:
        """End it as an operator would."""
        if self.process is not None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=20)
            self.kill()
        self._said.close()


@dataclass(slots=True)
class Sender:
    """A client that posts one event after another and keeps what it is given for each.

    Its events go round the addresses it knows; one that got no answer is sent again or left for
    later, as senders do.
    """

    number: int
    addresses: list[str]
    vkey: str
    given: dict[str, tuple[str, ...]] = field(default_factory=dict)
    events: list[SignedEvent] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    longest: float = 0.0
    _made: int = 0

    def run(self, stop: threading.Event) -> None:
        """Post until told to stop."""
        dice = random.Random(self.number)
        while not stop.is_set():
            event = self._next()
            self.events.append(event)
            began = time.monotonic()
            while not self.post(event) and not stop.is_set() and dice.random() < 0.97:
                time.sleep(0.05)
            self.longest = max(self.longest, time.monotonic() - began)

    def post(self, event: SignedEvent, *, attempts: int = 1) -> bool:
        """Post once; True when there was an answer, which must be the same each time."""
        for address in self.addresses:
            with LedgerClient(address, TRIAL, vkey=self.vkey, attempts=attempts) as client:
                try:
                    answer = client.offer(event)
                except Unavailable:
                    continue
            self._keep(event, answer)
            return True
        return False

    def unanswered(self) -> list[SignedEvent]:
        """Events whose sender does not know what became of them."""
        return [event for event in self.events if event.id not in self.given]

    def _keep(self, event: SignedEvent, answer: Answer) -> None:
        places = [one for one in (answer.given, answer.result) if one is not None]
        if not places:
            self.faults.append(f"{answer.status} {answer.problem}")
            return
        receipts = tuple(one.receipt for one in places)
        if self.given.setdefault(event.id, receipts) != receipts:
            self.faults.append(f"{event.id} was given another receipt")

    def _next(self) -> SignedEvent:
        self._made += 1
        if self._made % 4 == 0 and self._made // 4 < 1000:
            subject = f"{SITE}-{self.number * 1000 + self._made // 4:04d}"
            identified: JsonObject = {
                "subject_id": subject,
                "sex": "female",
                "birth_date": {"value": "1968-05-02", "precision": "day"},
            }
            return _identity(COORDINATOR).sign(
                "subject.identified.v1", f"subject/{subject}", identified, trial=TRIAL, time=TIME,
                meaning="authorship",
            )  # fmt: skip
        data: JsonObject = {
            "lot": "L-2024-01",
            "site": SITE,
            "donor_code": "D-012",
            "passage": 5,
            "manufactured": "2024-01-01",
            "expiry": "2024-09-01T00:00:00Z",
            "bags": [{"bag_id": f"B-{self.number}-{self._made}"}],
        }
        return _identity(EDC).sign(
            "lot.received.v1", "lot/L-2024-01", data, trial=TRIAL, time=TIME
        )  # fmt: skip


def _identity(owner: str) -> Identity:
    return Identity(owner, party(owner, owner).key)


@contextlib.contextmanager
def sending(senders: list[Sender]) -> Iterator[None]:
    """The senders at work, each in a thread."""
    stop = threading.Event()
    threads = [threading.Thread(target=sender.run, args=(stop,)) for sender in senders]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(120)

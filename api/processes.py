"""The processes beside several web workers: one writes, one follows the log for the projections.

The process that serves starts both and starts them again when they die: at once the first time,
then after ever longer pauses. While the writer is away the workers answer 503 with
``Retry-After``; nothing that was acknowledged is lost, for that is durable before it is answered.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from api.stamping import start_stamping
from ledger.errors import LedgerError, Unavailable
from ledger.publication.publishing import read_policy
from ledger.recording.wire import Failed, Standing, failed, told
from ledger.recording.writer import Writer
from ledger.recording.writing import Refusing, WritingService
from ledger.service import LedgerFiles, TrialLedger
from projections.reading import Projections, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.context import SpawnProcess

    from api.stamping import StampingSettings
    from ledger.publication.timestamp_follower import TimestampFollower
    from ledger.storage.database import Database

START_SECONDS: Final = 120.0
"""How long the writer's process may take to open the ledger and ask its witnesses."""

STOP_SECONDS: Final = 75.0
"""How long a process may take to finish what waits, once it is asked to end; then it is killed."""

LONGEST_PAUSE: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""After so long a life a death counts as the first again."""

ORPHAN_SECONDS: Final = 0.5
"""How often a process looks whether the one that started it still lives."""

PROJECTOR_NICENESS: Final = 10
_log = logging.getLogger("api.processes")


@dataclass(frozen=True, slots=True)
class Socket:
    """Where the writer's process listens, and the key by which both ends know each other."""

    address: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """What the writer's process opens: the ledger, and whom it publishes to."""

    database: Database
    head_file: Path | None
    witness_policy: Path | None
    stamping: StampingSettings | None


class Processes:
    """Keeps the writer's process and the projector's running until it is closed."""

    def __init__(self, written: Written) -> None:
        """Start both; on return the writer takes submissions, or refuses for good and says why.

        Raises what opening the ledger raises, and Unavailable ``serving.writer``.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="trial-ledger-"))  # of mode 0700
        self.socket = Socket(str(self.directory / "writer"), secrets.token_bytes(32))
        self._stopping = threading.Event()
        self._wake, self._woken = _pipe()
        self._kept = (
            _Kept("writer", lambda ready: _process(_write, written, self.socket, ready)),
            _Kept("projector", lambda ready: _process(_project, written.database, ready)),
        )
        try:
            for one in self._kept:
                one.start()
            for one in self._kept:
                one.await_ready()
        except BaseException:
            self.close()
            raise
        self._watcher = threading.Thread(target=self._watch, name="processes", daemon=True)
        self._watcher.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Have both finish what waits and end; what does not end in time is killed."""
        self._stopping.set()
        self._wake.send_bytes(b"")
        if (watcher := getattr(self, "_watcher", None)) is not None:
            watcher.join()
        for one in self._kept:
            one.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            living = {one.sentinel: one for one in self._kept if one.sentinel is not None}
            due = [one.due for one in self._kept if one.sentinel is None]
            pause = max(0.0, min(due) - time.monotonic()) if due else None
            for ready in wait([self._woken, *living], pause):
                if isinstance(ready, int):
                    living[ready].died()
            for one in () if self._stopping.is_set() else self._kept:
                if one.sentinel is None and one.due <= time.monotonic():
                    one.start()


@dataclass(slots=True)
class _Kept:
    """One process that is started again whenever it dies."""

    name: str
    make: Callable[[Connection], SpawnProcess]
    due: float = 0.0
    _process: SpawnProcess | None = None
    _ready: Connection | None = None
    _deaths: int = 0
    _started: float = 0.0

    @property
    def sentinel(self) -> int | None:
        """What becomes ready when it dies; None while it does not live."""
        return None if self._process is None else self._process.sentinel

    def start(self) -> None:
        mine, theirs = _pipe(reading_first=True)
        self._process, self._ready = self.make(theirs), mine
        self._process.start()
        self._started = time.monotonic()
        theirs.close()

    def await_ready(self) -> None:
        """Wait for it to say that it works; raises what it says instead, or Unavailable."""
        if self._ready is not None and self._ready.poll(START_SECONDS):
            with contextlib.suppress(EOFError):
                said: Failed | None = self._ready.recv()
                if said is None:
                    return
                raise said.error()
        raise Unavailable(
            "serving.writer",
            f"The {self.name}'s process did not start.",
            remedy="See what it wrote on standard error.",
        )

    def died(self) -> None:
        """Note a death, and when the next start is due."""
        process = self._process
        if process is None:
            return
        process.join()
        steady = time.monotonic() - self._started > STEADY_SECONDS
        self._deaths = 1 if steady else self._deaths + 1
        pause = 0.0 if self._deaths == 1 else min(2.0 ** (self._deaths - 2), LONGEST_PAUSE)
        self.due = time.monotonic() + pause
        _log.error(
            "The %s's process ended with %s; it is started again in %.0f s.",
            self.name, process.exitcode, pause,
        )  # fmt: skip
        self._process = None

    def stop(self) -> None:
        """Ask it to end, wait, kill it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            _log.error("The %s's process did not end in time and is killed.", self.name)
            self._process.kill()
            self._process.join()
        self._process = None


def end_with(parent: int) -> None:
    """End this process, by SIGTERM to itself, as soon as the one that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="orphan", daemon=True).start()


def _process(target: Callable[..., None], *arguments: object) -> SpawnProcess:
    context = multiprocessing.get_context("spawn")
    return context.Process(
        target=_run, args=(target, os.getpid(), *arguments), name=target.__name__, daemon=False
    )


def _run(target: Callable[..., None], parent: int, *arguments: object) -> None:
    """Run one of the two until it is asked to end, and tell what keeps it from beginning.

    Ctrl-C at a terminal reaches every process of it; this one ends when its parent says so,
    after the workers.
    """
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    end_with(parent)
    ready = arguments[-1]
    try:
        target(stop, *arguments)
    except LedgerError as error:
        _log.critical("%s", error)
        if isinstance(ready, Connection):
            with contextlib.suppress(OSError):
                ready.send(failed(0, error))
        raise SystemExit(1) from error


def _write(stop: threading.Event, written: Written, socket: Socket, ready: Connection) -> None:
    policy = read_policy(written.witness_policy) if written.witness_policy else None
    files = LedgerFiles.of(written.database, head=written.head_file)
    with TrialLedger(written.database, files) as ledger:
        ledger.publish(policy)
        stamping = start_stamping(ledger, written.stamping) if written.stamping else None
        Path(socket.address).unlink(missing_ok=True)
        service = WritingService(
            ledger.writer if isinstance(ledger.writer, Writer) else Refusing(_refusal(ledger)),
            socket.address,
            key=socket.key,
            standing=lambda: _standing(ledger, stamping),
        )
        _say_ready(ready)
        stop.wait()
        service.close()
        if stamping is not None:
            stamping.close()


def _project(stop: threading.Event, database: Database, ready: Connection) -> None:
    os.nice(PROJECTOR_NICENESS)
    with opened(database) as log, contextlib.closing(Projections(log)) as projections:
        projections.start()
        _say_ready(ready)
        stop.wait()


def _say_ready(ready: Connection) -> None:
    with contextlib.suppress(OSError):  # nobody listens after the first start
        ready.send(None)
    ready.close()


def _refusal(ledger: TrialLedger) -> LedgerError:
    return ledger.refusal or Unavailable("ledger.refuses-to-sign", "The ledger is read-only.")


def _standing(ledger: TrialLedger, stamping: TimestampFollower | None) -> Standing:
    publisher, writer = ledger.publisher, ledger.writer
    return Standing(
        refusal=None if ledger.refusal is None else failed(0, ledger.refusal),
        waiting=0 if writer is None else writer.waiting,
        list_root=ledger.list_root,
        witnesses=tuple(told(one) for one in publisher.standings()) if publisher else (),
        stamping=None if stamping is None else told(stamping.standing),
    )


def _pipe(*, reading_first: bool = False) -> tuple[Connection, Connection]:
    reader, writer = multiprocessing.Pipe(duplex=False)
    return (reader, writer) if reading_first else (writer, reader)

"""Who examines the pages of a log: this process, or further processes on all cores.

Entries are examined by themselves in any order (`ledger.verification.sound`); the results come
back in the order of the log. A process costs about as much to start as a thousand entries to
examine, so a short log is examined here.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeAlias

from ledger.further_process import further_process, processors
from ledger.verification.frames import framed, received
from ledger.verification.sound import Examiner, Row, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future

    from ledger.signing.strict_json import JsonObject
    from ledger.verification.payloads import PayloadCheck

WORTH_PROCESSES: Final = 10_000
"""Entries from which on further processes are started."""

WORKER: Final = "ledger.verification.worker"
"""The module that runs in a further process."""

_CHUNK: Final = 64
_SECONDS_TO_END: Final = 5

Examined: TypeAlias = "tuple[list[Verdict], list[JsonObject]]"
Begun: TypeAlias = "list[Future[Examined]]"
"""A page that is being examined, in parts."""


class Crew:
    """Examines pages, several at a time."""

    def __init__(
        self, executor: Executor, pages: int, payloads: PayloadCheck | None = None
    ) -> None:
        self.executor = executor
        self.pages = pages
        """How many pages to begin before the first is needed."""
        self.payloads = payloads
        """What payloads are judged by on the way."""
        self._examiner = Examiner(None if payloads is None else payloads.conforms)
        self._met: list[JsonObject] = []

    def begin(self, rows: Sequence[Row]) -> Begun:
        """Begin to examine a page; the futures give its verdicts in order."""
        return [
            self.executor.submit(self._examiner.examine, rows[start : start + _CHUNK])
            for start in range(0, len(rows), _CHUNK)
        ]

    def verdicts(self, begun: Begun) -> list[Verdict]:
        """Wait for a page; the keys it brought are known to pages begun from then on."""
        found: list[Verdict] = []
        for future in begun:
            verdicts, brought = future.result()
            found += verdicts
            self._met += brought
        return found


class ProcessCrew(Crew):
    """Examines each page in one of several processes; what a lost one had is examined here."""

    def __init__(
        self,
        executor: Executor,
        processes: Sequence[Process],
        payloads: PayloadCheck | None = None,
    ) -> None:
        super().__init__(executor, 2 * len(processes), payloads)
        self._idle: SimpleQueue[Process] = SimpleQueue()
        for process in processes:
            self._idle.put(process)

    def begin(self, rows: Sequence[Row]) -> Begun:
        """Begin to examine a page in the next process that is free."""
        return [self.executor.submit(self._ask, rows)]

    def _ask(self, rows: Sequence[Row]) -> Examined:
        process = self._idle.get()
        try:
            return process.examine(rows, self._met)
        except (OSError, EOFError, ValueError, TypeError):
            self._examiner.learn(self._met)
            return self._examiner.examine(rows)
        finally:
            self._idle.put(process)


class Process:
    """A process that examines; `ledger.verification.worker` runs in it, or one that begins it."""

    def __init__(self, module: str = WORKER) -> None:
        self._running = further_process(module, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._told = 0
        self._lost = False

    def examine(self, rows: Sequence[Row], keys: Sequence[JsonObject]) -> Examined:
        """Have rows examined, after telling of keys it has not heard of.

        Raises OSError, EOFError or ValueError when the process is lost.
        """
        running = self._running
        if self._lost or running.stdin is None or running.stdout is None:
            raise EOFError
        news = keys[self._told :]
        question = framed((rows, news))
        self._lost = True
        running.stdin.write(question)
        running.stdin.flush()
        verdicts, brought = received(running.stdout)
        self._told += len(news)
        self._lost = False
        return verdicts, brought

    def close(self) -> None:
        """End the process."""
        for pipe in (self._running.stdin, self._running.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue  # it was lost with something still to be told
        try:
            self._running.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()


@contextmanager
def crew_for(
    entries: int, jobs: int | None = None, payloads: PayloadCheck | None = None
) -> Iterator[Crew]:
    """A crew for a log of about so many entries; ``jobs`` processes, or as many as fit it.

    With ``payloads`` an entry is in order only when its payload conforms.
    """
    threads = processors() if jobs is None else jobs
    wanted = threads if jobs is not None or entries >= WORTH_PROCESSES else 1
    with ExitStack() as stack:
        processes: list[Process] = []
        if wanted > 1 and sys.executable:
            try:
                for _ in range(wanted):
                    processes.append(Process(payloads.worker if payloads else WORKER))
                    stack.callback(processes[-1].close)
            except OSError:
                processes.clear()  # no further process may be started: examine here
        executor = stack.enter_context(ThreadPoolExecutor(max(len(processes), threads)))
        yield (
            ProcessCrew(executor, processes, payloads) if processes else Crew(executor, 2, payloads)
        )

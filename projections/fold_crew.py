"""Who makes the views of subjects: the fold itself, or further processes while it reads on.

The views of a page depend on records that are folded by then and on nothing else, so they are
made from a copy of these, anywhere, while the fold takes in the entries of the next page. A
process gets the records from the fold, not from the ledger: it needs no database and no key, and
sees what the fold sees. Whatever no process has begun when it is needed, or one took with it when
it died, the fold makes itself from the same copy.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Protocol

from ledger.further_process import further_process, processors
from projections.carried import Surroundings, packed, receive, send, unpacked
from projections.fold_worker import made
from projections.subject_views import SubjectViews, views_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from ledger.rules.case import Case

WORKER: Final = "projections.fold_worker"
"""The module that runs in a further process."""

_MOST: Final = 4
_TOGETHER: Final = 16
_AHEAD: Final = 8
"""So many times ``_TOGETHER`` subjects take a process about as long as a page takes to read."""

_SECONDS_TO_END: Final = 5


class Making(Protocol):
    """Views of subjects, begun; they are asked for once."""

    def views(self) -> list[SubjectViews]:
        """Wait for them; in order of the subjects."""


class Crew(Protocol):
    """Makes the views of subjects."""

    def begin(self, cases: Sequence[Case], as_of: datetime) -> Making:
        """Begin to make them as the cases stand now; these may change afterwards."""


@dataclass(frozen=True, slots=True)
class Made:
    """Views that are there."""

    found: list[SubjectViews]

    def views(self) -> list[SubjectViews]:
        """Them."""
        return self.found


class Alone:
    """Makes the views here and at once."""

    def begin(self, cases: Sequence[Case], as_of: datetime) -> Made:
        """Make them."""
        return Made([views_of(case, as_of) for case in cases])


@dataclass(frozen=True, slots=True)
class Given:
    """Some subjects that a process is asked for; the answer of one that is lost is None."""

    surroundings: bytes
    subjects: bytes
    answer: Future[bytes | None]

    def taken_back(self) -> Making:
        """Them, made here if no process has begun them; from then on none will."""
        return Made(self.views()) if self.answer.cancel() else self

    def views(self) -> list[SubjectViews]:
        """What a process made of them, or what is made here in its stead."""
        answer = None if self.answer.cancelled() else self.answer.result()
        if answer is None:
            return made(unpacked(self.surroundings), unpacked(self.subjects))
        found: list[SubjectViews] = unpacked(answer)
        return found


@dataclass(frozen=True, slots=True)
class Shared:
    """Views that are made in parts, here and in processes."""

    parts: list[Made | Given]

    def views(self) -> list[SubjectViews]:
        """Wait for the parts, and make meanwhile what nobody has begun, from the last one on."""
        taken = [
            part.taken_back() if isinstance(part, Given) else part for part in reversed(self.parts)
        ]
        return [views for part in reversed(taken) for views in part.views()]


class FoldCrew:
    """Gives subjects to processes, some at a time."""

    def __init__(self, executor: Executor, processes: Sequence[Process]) -> None:
        self._executor = executor
        self._most = _AHEAD * len(processes)
        self._idle: SimpleQueue[Process] = SimpleQueue()
        for process in processes:
            self._idle.put(process)

    def begin(self, cases: Sequence[Case], as_of: datetime) -> Shared:
        """Give out what the processes can make while the fold reads on, and make the rest."""
        parts: list[Made | Given] = []
        surroundings = packed(Surroundings.of(cases, as_of)) if cases else b""
        for start in range(0, len(cases), _TOGETHER):
            some = cases[start : start + _TOGETHER]
            ahead = [part for part in parts if isinstance(part, Given) and not part.answer.done()]
            if len(ahead) < self._most:
                parts.append(self._given(surroundings, some))
            else:
                parts.append(Alone().begin(some, as_of))
        return Shared(parts)

    def _given(self, surroundings: bytes, cases: Sequence[Case]) -> Given:
        subjects = packed([(case.subject, case.records) for case in cases])
        return Given(
            surroundings, subjects, self._executor.submit(self._ask, surroundings, subjects)
        )

    def _ask(self, surroundings: bytes, subjects: bytes) -> bytes | None:
        process = self._idle.get()
        try:
            return process.ask(surroundings, subjects)
        except (OSError, EOFError):
            return None
        finally:
            self._idle.put(process)


class Process:
    """A process that makes views; `projections.fold_worker` runs in it."""

    def __init__(self, module: str = WORKER) -> None:
        self._line, theirs = socket.socketpair()
        try:
            self._running = further_process(
                module, stdin=theirs.fileno(), stdout=subprocess.DEVNULL
            )
        except OSError:
            self._line.close()
            raise
        finally:
            theirs.close()
        self._told = b""
        self._lost = False

    @property
    def pid(self) -> int:
        """The number the operating system knows it by."""
        return self._running.pid

    def ask(self, surroundings: bytes, subjects: bytes) -> bytes:
        """Have views made, packed; raises OSError or EOFError when the process is lost."""
        if self._lost:
            raise EOFError
        self._lost = True
        send(self._line, b"" if surroundings is self._told else surroundings)
        send(self._line, subjects)
        answer = receive(self._line)
        self._told = surroundings
        self._lost = False
        return answer

    def close(self) -> None:
        """End the process."""
        self._line.close()
        try:
            self._running.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()


@contextmanager
def crew_of(processes: int) -> Iterator[Crew]:
    """A crew of so many further processes, of none where none can be started."""
    with ExitStack() as stack:
        started: list[Process] = []
        try:
            for _ in range(processes if sys.executable else 0):
                started.append(Process())
                stack.callback(started[-1].close)
        except OSError:
            started.clear()  # no further process may be started: make the views here
        if not started:
            yield Alone()
            return
        executor = ThreadPoolExecutor(len(started))
        # What was begun and is not asked for any more is dropped before the processes end.
        stack.callback(executor.shutdown, cancel_futures=True)
        yield FoldCrew(executor, started)


def fitting() -> int:
    """How many processes suit this computer: one processor stays for the fold itself."""
    return min(processors() - 1, _MOST)

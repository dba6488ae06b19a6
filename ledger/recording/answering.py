"""Answers go out only once the head they stand under is kept outside the database.

Keeping it takes as long as a commit does. A thread of its own does it, so that the writer decides
and commits the next group meanwhile; when several groups have been committed by then, only the
newest head is written, for it stands for all of them.
"""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import InvalidStateError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.recording.outcomes import Receipted
    from ledger.recording.waiting import Reply
    from ledger.storage.head_file import HeadFile

MOST_GROUPS: Final = 8
"""Most groups that wait for their head to be kept; then the writer waits too."""

_log = logging.getLogger("ledger.recording.answering")


@dataclass(frozen=True, slots=True)
class Decided:
    """A group that is committed, or needed no commit: who waits, for which answers, its head."""

    replies: Sequence[Reply]
    answers: Sequence[Receipted | LedgerError]
    note: str


class Answering:
    """Keeps heads in the head file and answers the groups under them, in their order.

    ``told`` is called when all that waited has been told its outcome.
    """

    def __init__(self, head_file: HeadFile) -> None:
        self._head_file = head_file
        self.told: Callable[[], None] = lambda: None
        self._kept = ""
        self._groups: queue.Queue[Decided | None] = queue.Queue(MOST_GROUPS)
        self._thread = threading.Thread(target=self._run, name="ledger-answers", daemon=True)
        self._thread.start()

    def put(self, decided: Decided) -> None:
        """Have a group answered; waits while too many groups wait already."""
        self._groups.put(decided)

    def close(self) -> None:
        """Answer what waits and stop."""
        self._groups.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            ready = [self._groups.get()]
            while not self._groups.empty():
                ready.append(self._groups.get())
            ended = None in ready
            groups = [group for group in ready if group is not None]
            if groups:
                self._answer(groups)

    def _answer(self, groups: Sequence[Decided]) -> None:
        fault = self._keep(groups[-1].note)
        for group in groups:
            for reply, answer in zip(group.replies, group.answers, strict=True):
                refused = isinstance(answer, LedgerError)
                tell(reply, answer if refused or fault is None else fault)
        self.told()

    def _keep(self, note: str) -> LedgerError | None:
        """Keep a head; what went wrong, if anything, for those who wait for it."""
        if note == self._kept:
            return None
        try:
            self._head_file.write(note)
        except LedgerError as error:
            return error
        except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("The head file cannot be written")
            return unavailable(error)
        self._kept = note
        return None


def tell(reply: Reply, answer: Receipted | LedgerError) -> None:
    """Tell a sender his outcome, or why there is none."""
    try:
        if isinstance(answer, LedgerError):
            reply.set_exception(answer)
        else:
            reply.set_result(answer)
    except InvalidStateError:
        pass  # he has given up waiting; the others' answers must not end with his


def unavailable(error: Exception) -> Unavailable:
    """What a sender is told when the ledger's storage fails."""
    return Unavailable(
        "storage.unavailable",
        f"The database cannot take the entry now ({type(error).__name__}).",
        remedy="Send the same statement again; its id makes the retry safe.",
    )

"""Answers go out only once the head they stand under is kept outside the database."""

from __future__ import annotations

import logging
from concurrent.futures import InvalidStateError
from typing import TYPE_CHECKING

from ledger.errors import LedgerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.recording.outcomes import Receipted
    from ledger.recording.waiting import Reply
    from ledger.storage.head_file import HeadFile

_log = logging.getLogger("ledger.recording.answering")


class Answering:
    """Keeps heads in the head file and answers the groups under them; for one thread.

    ``told`` is called when a group has been told its outcomes.
    """

    def __init__(self, head_file: HeadFile) -> None:
        self._head_file = head_file
        self.told: Callable[[], None] = lambda: None
        self._kept = ""

    def answer(
        self, replies: Sequence[Reply], answers: Sequence[Receipted | LedgerError], note: str
    ) -> None:
        """Keep the head of a group that is committed, then tell everybody his outcome."""
        fault = self._keep(note)
        for reply, answer in zip(replies, answers, strict=True):
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

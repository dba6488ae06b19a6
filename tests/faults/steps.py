"""The recorder's steps, each to fail, to fail though it was done, or to be killed; once.

The hooks stand where the recorder meets the library and the file system. The files are real.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from typing import TYPE_CHECKING, Any, Final

from eventsourcing.sqlite import SQLiteConnection, SQLiteCursor

from ledger.storage.head_file import HeadFile

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS: Final = (
    "BEGIN IMMEDIATE",
    "UPDATE ledger_head",
    "INSERT INTO stored_events",
    "INSERT INTO openings",
    "INSERT INTO tree_tiles",
    "INSERT INTO checkpoints",
    "commit",
    "head file",
)
WAYS: Final = ("failed", "failed but done", "killed before", "killed after")


class _Once:
    """Breaks one occurrence of a step, the ``when``-th."""

    def __init__(self, step: str, way: str, when: int) -> None:
        self.step, self.way, self.left = step, way, when

    def around(self, doing: str, act: Callable[[], Any], error: Exception) -> Any:
        """Do a step, or break it."""
        if not doing.startswith(self.step):
            return act()
        self.left -= 1
        if self.left != 0:
            return act()
        if self.way == "killed before":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.way == "failed":
            raise error
        done = act()
        if self.way == "killed after":
            os.kill(os.getpid(), signal.SIGKILL)
        del done
        raise error


def break_at(step: str, way: str, when: int) -> None:
    """Break the ``when``-th occurrence of a step in this process."""
    once = _Once(step, way, when)
    database = sqlite3.OperationalError("disk I/O error")
    full = OSError(5, "Input/output error")

    def around(owner: type, name: str, doing: Callable[..., str], error: Exception) -> None:
        whole = getattr(owner, name)

        def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
            return once.around(doing(*args), lambda: whole(self, *args, **kwargs), error)

        setattr(owner, name, broken)

    around(SQLiteCursor, "execute", lambda sql, *_: str(sql), database)
    around(SQLiteCursor, "executemany", lambda sql, *_: str(sql), database)
    around(SQLiteConnection, "commit", lambda: "commit", database)
    around(HeadFile, "write", lambda *_: "head file", full)

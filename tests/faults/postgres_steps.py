"""The PostgreSQL recorder's steps, each to fail, to fail though done, to be lost or killed; once.

The hooks stand where the recorder meets the driver of the database and the file system. The
server and the files are real.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any, Final

import psycopg

from ledger.storage import postgres_writing
from ledger.storage.head_file import HeadFile
from ledger.storage.postgres_pool import LedgerConnection

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS: Final = (
    "BEGIN",
    "UPDATE ledger.ledger_head",
    "INSERT INTO ledger.stored_events",
    "COPY ledger.stored_events",
    "INSERT INTO ledger.openings",
    "COPY ledger.openings",
    "INSERT INTO ledger.tree_tiles",
    "INSERT INTO ledger.checkpoints",
    "commit",
    "head file",
)
WAYS: Final = ("failed", "failed but done", "line lost", "killed before", "killed after")


class Once:
    """Breaks one occurrence of a step, the ``when``-th."""

    def __init__(self, step: str, way: str, when: int) -> None:
        self.step, self.way, self.left = step, way, when
        self.met = False

    def around(
        self, doing: str, act: Callable[[], Any], connection: LedgerConnection | None
    ) -> Any:
        """Do a step, or break it."""
        if not doing.startswith(self.step) or self.met:
            return act()
        self.left -= 1
        if self.left != 0:
            return act()
        self.met = True
        if self.way == "killed before":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.way == "line lost" and connection is not None:
            connection.pgconn.finish()
        if self.way in ("failed but done", "killed after"):
            act()
        if self.way == "killed after":
            os.kill(os.getpid(), signal.SIGKILL)
        if connection is None:
            raise OSError(5, "Input/output error")
        raise psycopg.OperationalError("the server could not do it")


def break_at(step: str, way: str, when: int) -> Once:
    """Break the ``when``-th occurrence of a step in this process."""
    once = Once(step, way, when)

    def around(
        owner: Any,
        name: str,
        doing: Callable[..., str],
        line: Callable[..., LedgerConnection | None],
    ) -> None:
        whole = getattr(owner, name)

        def broken(*args: Any, **kwargs: Any) -> Any:
            return once.around(doing(*args), lambda: whole(*args, **kwargs), line(*args))

        setattr(owner, name, broken)

    for name in ("execute", "executemany"):
        around(
            psycopg.Cursor, name, lambda _, query, *__: str(query), lambda own, *_: own.connection
        )
    around(postgres_writing, "_copy", lambda _, statement, *__: statement, lambda own, *_: own)
    around(LedgerConnection, "commit_within", lambda *_: "commit", lambda own, *_: own)
    around(HeadFile, "write", lambda *_: "head file", lambda *_: None)
    return once

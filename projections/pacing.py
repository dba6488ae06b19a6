"""When the log is looked at again: at once for whoever waits, seldom while nobody does.

Folding a page costs more for its first entry of a subject than for the next ones, so under load
larger pages cost less an entry. Nobody is kept waiting for that: who needs the rows calls.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL_SECONDS: Final = 0.25
"""How long it takes at most until new entries are seen after a time without any."""

LINGER_SECONDS: Final = 2.0
"""How long entries gather for the next page after one was folded, while nobody calls."""

_TICK_SECONDS: Final = 0.02
_AT_ONCE_SECONDS: Final = 0.05


class Pacing:
    """The rests of one follower; others call it, from its process or from another.

    A call from another process is a new time of modification of ``path``, the file of rows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._called = threading.Event()
        self._over = False

    def call(self) -> None:
        """Somebody in this process waits for what is not folded yet."""
        self._called.set()

    def call_across(self) -> None:
        """Somebody in this process waits for a follower in another."""
        # Whoever may not write the file waits until the rest is over.
        with suppress(OSError):
            os.utime(self._path)

    def end(self) -> None:
        """There is no rest any more."""
        self._over = True
        self._called.set()

    def rest(self, least: float, most: float, enough: Callable[[], bool]) -> None:
        """Rest ``least`` seconds, then until there is enough to fold, or ``most`` are over.

        A call ends it, unless it has only begun: who calls all the time leaves others a turn.
        """
        began = looked = time.monotonic()
        touched = self._touched()
        while not self._over and (passed := time.monotonic() - began) < most:
            if passed < min(least, _AT_ONCE_SECONDS):
                time.sleep(min(least, _AT_ONCE_SECONDS) - passed)
                continue
            if self._called.wait(min(_TICK_SECONDS, most - passed)) or self._touched() != touched:
                break
            if passed >= least and time.monotonic() - looked >= POLL_SECONDS:
                looked = time.monotonic()
                if enough():
                    break
        if not self._over:
            self._called.clear()

    def _touched(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except OSError:
            return 0

"""Entry bundles of a remote log, asked for before they are needed."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self

from ledger.log.tiles import TILE_WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECTIONS: Final = 2
"""Bundles that are asked for at the same time."""

_AHEAD: Final = 2 * CONNECTIONS


class BundlesAhead:
    """Reads bundles on threads of its own, a few ahead of whoever iterates.

    ``read`` takes a bundle's index and its number of entries, and gives them. Leaving the context
    waits for nobody: a log may be as slow as it likes to answer what is not needed any more.
    """

    def __init__(self, read: Callable[[int, int], list[bytes]]) -> None:
        self._read = read
        self._wanted: SimpleQueue[tuple[int, int, Future[list[bytes]]] | None] = SimpleQueue()
        self._asked: deque[tuple[int, Future[list[bytes]]]] = deque()

    def __enter__(self) -> Self:
        for _ in range(CONNECTIONS):
            threading.Thread(target=self._fetch, name="log-reader", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for _first, future in self._asked:
            future.cancel()
        for _thread in range(CONNECTIONS):
            self._wanted.put(None)

    def between(self, have: int, size: int) -> Iterator[tuple[int, Future[list[bytes]]]]:
        """The bundles from the one on in which a position lies, each with its first position."""
        begin = have // TILE_WIDTH * TILE_WIDTH if have < size else size
        for first in range(begin, size, TILE_WIDTH):
            future: Future[list[bytes]] = Future()
            self._asked.append((first, future))
            self._wanted.put((first // TILE_WIDTH, min(TILE_WIDTH, size - first), future))
            if len(self._asked) == _AHEAD:
                yield self._asked.popleft()
        while self._asked:
            yield self._asked.popleft()

    def _fetch(self) -> None:
        while (one := self._wanted.get()) is not None:
            index, width, future = one
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._read(index, width))
                except Exception as error:  # noqa: BLE001 - raised where it is waited for
                    future.set_exception(error)

"""When the log is looked at again: at once for whoever waits, seldom while nobody does."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from projections.pacing import Pacing

if TYPE_CHECKING:
    from pathlib import Path

LONG = 30.0


def nothing() -> bool:
    """There is never enough."""
    return False


def rested(pacing: Pacing, *, least: float = 0.0, most: float = LONG) -> float:
    """How long a rest took."""
    began = time.monotonic()
    pacing.rest(least, most, nothing)
    return time.monotonic() - began


def paced(directory: Path) -> Pacing:
    """The rests of a follower of some file."""
    path = directory / "rows"
    path.touch()
    return Pacing(path)


@pytest.mark.parametrize("way", ["call", "call_across"])
def test_a_call_ends_a_rest_at_once(tmp_path: Path, way: str) -> None:
    """From the same process and from another, which knows the file alone."""
    pacing = paced(tmp_path)
    caller = pacing if way == "call" else Pacing(tmp_path / "rows")
    over = threading.Event()

    def call() -> None:
        # Again and again: the first call may come before the rest has begun.
        while not over.wait(0.1):
            getattr(caller, way)()

    calling = threading.Thread(target=call)
    calling.start()
    took = rested(pacing, least=LONG)
    over.set()
    calling.join()
    assert took < LONG / 2


def test_who_called_before_the_rest_began_is_not_kept_waiting(tmp_path: Path) -> None:
    """A call while a page was folded counts for the rest that follows; the next rest is whole."""
    pacing = paced(tmp_path)
    pacing.call()
    assert rested(pacing) < LONG / 2
    assert rested(pacing, most=0.2) >= 0.2


def test_enough_entries_end_a_rest_after_its_least_length(tmp_path: Path) -> None:
    """A whole page need not wait for the rest of the time."""
    pacing = paced(tmp_path)
    began = time.monotonic()
    pacing.rest(0.3, LONG, lambda: True)
    assert 0.3 <= time.monotonic() - began < LONG / 2


def test_the_end_ends_every_rest(tmp_path: Path) -> None:
    """Whoever closes does not wait for a rest to be over."""
    pacing = paced(tmp_path)
    pacing.end()
    assert rested(pacing, least=LONG) < LONG / 2

"""Entry bundles fetched ahead: in order, with their errors, and never waited for in vain."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from api.fetching_ahead import BundlesAhead
from ledger.errors import Unavailable
from ledger.log.tiles import TILE_WIDTH

SIZE = 5 * TILE_WIDTH + 7


def bundle(index: int, width: int) -> list[bytes]:
    """Entries that tell where they stand."""
    return [b"%d" % (index * TILE_WIDTH + n) for n in range(width)]


@pytest.mark.parametrize("have", [0, 300, SIZE - 1, SIZE])
def test_bundles_come_in_order_from_the_one_that_is_not_at_hand_whole(have: int) -> None:
    """The last is as short as the log."""
    found: list[bytes] = []
    with BundlesAhead(bundle) as bundles:
        for first, coming in bundles.between(have, SIZE):
            assert coming.result()[0] == b"%d" % first
            found += coming.result()
    begin = have // TILE_WIDTH * TILE_WIDTH
    assert found == ([b"%d" % n for n in range(begin, SIZE)] if have < SIZE else [])


def test_an_error_is_met_at_its_bundle_and_not_before() -> None:
    """What came before it counts."""

    def read(index: int, width: int) -> list[bytes]:
        if index == 2:
            raise Unavailable("monitor.unreachable", "Gone.")
        return bundle(index, width)

    with BundlesAhead(read) as bundles:
        coming = bundles.between(0, SIZE)
        assert [len(next(coming)[1].result()) for _ in range(2)] == [TILE_WIDTH] * 2
        with pytest.raises(Unavailable):
            next(coming)[1].result()


def test_whoever_leaves_waits_for_no_answer() -> None:
    """As on Ctrl-C, while the log keeps every connection waiting."""
    answer = threading.Event()

    def read(index: int, width: int) -> list[bytes]:
        answer.wait(60)
        return bundle(index, width)

    began = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), BundlesAhead(read) as bundles:
        next(bundles.between(0, SIZE))
        raise KeyboardInterrupt
    assert time.monotonic() - began < 30
    answer.set()

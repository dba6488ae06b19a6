"""Every call on the ledger's files fails once and is killed once, after Tessera's fault test."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.bench import EIO, ENOSPC, KILL, Bench
from tests.faults.tracing import Fault, why_not

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from tests.build_ledger import BuiltLedger

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

MANNERS = {
    **dict.fromkeys(
        ("openat", "pwrite64", "write", "fsync", "fdatasync", "ftruncate", "rename"),
        (KILL, EIO, ENOSPC),
    ),
    # A tracer can only keep these from being made; the lock they give back would be held for ever.
    # Linux releases a descriptor even when close() reports an error, and unlocking does not fail.
    "fcntl": (KILL,),
    "close": (KILL,),
}
SOAK = bool(os.environ.get("LEDGER_SOAK"))
EVERY_DAY, LONG = 16, 280


@pytest.fixture(scope="module")
def bench(template: BuiltLedger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One driver for all faults."""
    one = Bench(template, tmp_path_factory.mktemp("bench"))
    yield one
    one.close()


def faults(calls: Counter[str]) -> list[Fault]:
    """Every call of every name, failing once and killed once."""
    return [
        Fault(call, when, how)
        for call, most in sorted(calls.items())
        for when in range(1, most + 1)
        for how in MANNERS.get(call, (KILL, EIO))
    ]


def sample(found: Sequence[Fault], count: int) -> list[Fault]:
    """Some of them, each call and manner among them, others on each run."""
    dice = random.Random()
    shuffled = dice.sample(found, len(found))
    first = {(fault.call, fault.how): fault for fault in shuffled}
    rest = [fault for fault in shuffled if fault not in first.values()]
    return [*first.values(), *rest][:count]


def all_hit(bench: Bench, traced: str, count: int) -> None:
    """Inject so many faults, or all of them."""
    found = faults(bench.count(traced))
    for fault in found if SOAK else sample(found, count):
        bench.inject(fault, traced)


def test_a_call_that_fails_or_kills_while_appending_loses_nothing(bench: Bench) -> None:
    """A sample of the calls of the append path, others on each run."""
    if SOAK:
        pytest.skip("the long test does them all")
    all_hit(bench, "append", EVERY_DAY)


@pytest.mark.long
def test_every_call_that_fails_or_kills_while_appending_loses_nothing(bench: Bench) -> None:
    """A large sample; all of them under LEDGER_SOAK."""
    all_hit(bench, "append", LONG)


@pytest.mark.long
def test_every_call_that_fails_or_kills_from_the_start_on_loses_nothing(bench: Bench) -> None:
    """Opening, recovery of the write-ahead log, and the head file's extension too."""
    all_hit(bench, "start", LONG)

"""Each step of the recorder fails, fails though it was done, or is killed, after Sunlight."""

from __future__ import annotations

import itertools
import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.bench import Bench
from tests.faults.steps import STEPS, WAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.build_ledger import BuiltLedger

SOAK = bool(os.environ.get("LEDGER_SOAK"))
COMMITS = 7


@pytest.fixture(scope="module")
def bench(template: BuiltLedger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One driver for all steps."""
    one = Bench(template, tmp_path_factory.mktemp("steps"))
    yield one
    one.close()


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_breaks_once_loses_nothing_and_forks_nothing(bench: Bench, step: str) -> None:
    """In two of the four ways, at some commit; others on each run."""
    for way in random.sample(WAYS, 2):
        bench.break_step(step, way, random.randint(1, COMMITS - 1))


@pytest.mark.long
def test_every_step_of_every_commit_may_break(bench: Bench) -> None:
    """All commits of the run, all ways, ten times over under LEDGER_SOAK."""
    for _ in range(10 if SOAK else 1):
        for step, way, when in itertools.product(STEPS, WAYS, range(1, COMMITS)):
            bench.break_step(step, way, when)

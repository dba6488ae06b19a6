"""Each step of the PostgreSQL recorder fails, fails though done, loses its line, or is killed."""

from __future__ import annotations

import itertools
import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.postgres_bench import PostgresBench
from tests.faults.postgres_steps import STEPS, WAYS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

SOAK = bool(os.environ.get("LEDGER_SOAK"))
ROUNDS = 10 if SOAK else 1


@pytest.fixture
def bench(postgres_built: BuiltLedger, tmp_path: Path) -> Iterator[PostgresBench]:
    """A ledger in PostgreSQL and a driver; at the end the whole is verified."""
    one = PostgresBench(postgres_built, tmp_path)
    yield one
    one.close()


def test_a_step_that_breaks_once_loses_nothing_and_forks_nothing(bench: PostgresBench) -> None:
    """Each step in one of the ways; others on each run."""
    for step in STEPS:
        bench.break_step(step, random.choice(WAYS), 1)


@pytest.mark.long
def test_every_step_may_break_in_every_way(bench: PostgresBench) -> None:
    """All steps in all ways, at their first time and at a later one; ten times under a soak."""
    for _, step, way in itertools.product(range(ROUNDS), STEPS, WAYS):
        assert bench.break_step(step, way, 1), (step, way)
        bench.break_step(step, way, random.randint(2, 5))

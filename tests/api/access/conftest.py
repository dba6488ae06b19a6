"""Doors before a real ledger, for a module of tests or for one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from api.app import create_app
from api.context import KEY
from api.door import Buckets, RateLimit
from api.serving import follow
from tests.api.access.build_readers import Readers, real_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def opened(directory: Path, *, demonstration: bool = False) -> Iterator[Readers]:
    """Readers before open doors, closed afterwards."""
    built, own, foreign = real_ledger(directory, demonstration=demonstration)
    projections = follow(built.ledger)
    app = create_app(built.ledger, projections)
    yield Readers(built, app, own, foreign)
    app.extensions[KEY].close()
    projections.close()
    built.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Readers]:
    """Readers for a module whose tests change nothing."""
    with opened(tmp_path_factory.mktemp("shared")) as readers:
        # All tests of a module come from one address, and most of them are meant to fail.
        readers.app.extensions[KEY].access.failures = Buckets(RateLimit(burst=100_000))
        yield readers


@pytest.fixture
def readers(tmp_path: Path) -> Iterator[Readers]:
    """Readers for one test."""
    with opened(tmp_path) as one:
        yield one


@pytest.fixture
def demonstration(tmp_path: Path) -> Iterator[Readers]:
    """Readers of a demonstration."""
    with opened(tmp_path, demonstration=True) as one:
        yield one

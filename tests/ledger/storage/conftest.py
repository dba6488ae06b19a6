"""Fixtures of the storage tests: the same ledger on each engine in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger


@pytest.fixture(params=["sqlite", "postgresql"])
def each_built(request: pytest.FixtureRequest) -> BuiltLedger:
    """An own open ledger with its cast, an active site and one subject, on each engine."""
    name = "built" if request.param == "sqlite" else "postgres_built"
    opened: BuiltLedger = request.getfixturevalue(name)
    return opened

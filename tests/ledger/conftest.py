"""Fixtures of the ledger's own tests: a ledger ready for subjects, built once, copied for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.build_ledger import BuiltLedger, build_ledger
from tests.ledger.build_service import open_copy, with_subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> BuiltLedger:
    """A closed ledger with its cast, an active site and one subject."""
    built = with_subject(build_ledger(tmp_path_factory.mktemp("template")))
    built.close()
    return built


@pytest.fixture
def built(template: BuiltLedger, tmp_path: Path) -> Iterator[BuiltLedger]:
    """An own open ledger."""
    opened = open_copy(template, tmp_path / "ledger")
    yield opened
    opened.close()

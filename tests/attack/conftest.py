"""The sound ledger of the bench, built once; each test alters a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attack.stand import Stand, build_stand
from tests.attack.tampered import TamperedLedger

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """The ledger with everything beside it."""
    return build_stand(tmp_path_factory.mktemp("stand"))


@pytest.fixture
def tampered(stand: Stand, tmp_path: Path) -> TamperedLedger:
    """A copy of all its files."""
    return TamperedLedger.copy_of(stand, tmp_path)

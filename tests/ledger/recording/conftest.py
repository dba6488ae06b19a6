"""A ledger's writer on a socket of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.recording.writer import Writer
from ledger.recording.writing import WritingService
from tests.ledger.recording.socket_key import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.build_ledger import BuiltLedger


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where the writer listens: in a directory of its own."""
    (tmp_path / "private").mkdir(mode=0o700)
    return str(tmp_path / "private" / "writer")


@pytest.fixture
def service(built: BuiltLedger, address: str) -> Iterator[WritingService]:
    """The ledger's writer, on its socket."""
    assert isinstance(built.ledger.writer, Writer)
    serving = WritingService(built.ledger.writer, address, key=KEY)
    yield serving
    serving.close()

"""A ledger one entry short of a full tile, for faults; and their count at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.build_ledger import BuiltLedger, build_ledger
from tests.faults.kept import TALLY
from tests.ledger.build_service import bag, open_copy, with_subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEFORE_A_TILE = 254


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> BuiltLedger:
    """A closed ledger of 254 entries, so that the next few complete a tile."""
    built = with_subject(build_ledger(tmp_path_factory.mktemp("faults")))
    count = BEFORE_A_TILE - built.ledger.application.store.head().size
    built.record_all([bag(built, number) for number in range(count)])
    built.close()
    return built


@pytest.fixture
def built(template: BuiltLedger, tmp_path: Path) -> Iterator[BuiltLedger]:
    """An own open copy."""
    opened = open_copy(template, tmp_path / "ledger")
    yield opened
    opened.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many faults of each kind were injected, and what became of the events."""
    if TALLY:
        terminalreporter.section("faults and events")
        for name in ("acknowledged", "lost", "doubled"):
            terminalreporter.write_line(f"{name:40} {TALLY.get(name, 0):7}")
        for name, count in sorted(TALLY.items()):
            if name not in ("acknowledged", "lost", "doubled"):
                terminalreporter.write_line(f"{name:40} {count:7}")

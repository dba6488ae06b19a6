"""Files that only the service's own account may read."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from ledger.storage.private_file import create_private
from projections.reading import Projections
from tests.build_ledger import open_ledger

if TYPE_CHECKING:
    from pathlib import Path


def test_nobody_else_on_the_machine_reads_the_openings_or_subjects_data(tmp_path: Path) -> None:
    """Database, its companions and the projections hold birth dates and arms."""
    built = open_ledger(tmp_path)
    projections = Projections(built.ledger)
    try:
        holding = [
            path for path in tmp_path.iterdir() if "sqlite3" in path.name and path.suffix != ".head"
        ]
        assert {path.name for path in holding} >= {
            "ledger.sqlite3",
            "ledger.sqlite3-wal",
            "ledger.sqlite3.projections",
        }
        assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}
    finally:
        projections.close()
        built.close()


def test_an_existing_file_keeps_the_rights_its_operator_gave_it(tmp_path: Path) -> None:
    """A group may be let in on purpose."""
    path = tmp_path / "ledger.sqlite3"
    path.touch(mode=0o640)
    path.chmod(0o640)
    create_private(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

"""What a restore needs besides a backup: the keys that are kept apart from the records."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger


def bring_apart(built: BuiltLedger, place: Path) -> None:
    """The keys of what is concealed, which are backed up apart from the records."""
    for suffix in (".kek", ".allocation.kek", ".concealed"):
        name = f"ledger.sqlite3{suffix}"
        if not (place / name).exists():
            shutil.copy(built.directory / name, place / name)

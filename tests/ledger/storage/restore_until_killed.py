"""A restore in a process of its own that is killed where its first argument says.

Arguments: where, the backup's directory, a bundle, the database's URL, the directory of its files.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.service import LedgerFiles
from ledger.storage.backup import read_backup
from ledger.storage.database import Database
from ledger.storage.restoring import restore
from ledger.storage.supplies import BundleSupply
from ledger.verification.bundle import BundleEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

SOME = 30
"""Entries that come back before the process is killed."""


def die() -> None:
    """As the kernel ends a process for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


class Dying(BundleSupply):
    """A bundle during whose reading the process is killed."""

    def entries(self, start: int) -> Iterator[bytes]:
        """The bundle's first entries."""
        for number, data in enumerate(super().entries(start)):
            if number == SOME:
                die()
            yield data


def main(where: str, backup: str, bundle: str, url: str, files: str) -> None:
    """Restore until it is told."""

    def happened(event: str, args: tuple[object, ...]) -> None:
        placed = event == "os.link" and where == "placing"
        cleaning = event == "os.remove" and str(args[0]).endswith(".restoring")
        if placed or (cleaning and where == "cleaning"):
            die()

    sys.addaudithook(happened)
    database = Database.parse(url, files=Path(files) if url.startswith("postgresql") else None)
    with BundleEvidence(Path(bundle)) as evidence:
        supply = (Dying if where == "regaining" else BundleSupply)(evidence)
        restore(
            read_backup(Path(backup)), database, LedgerFiles.of(database), supplies=[supply],
            progress=(lambda *_: die()) if where == "verifying" else None,
        )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Files that hold what only the service's own account may read: openings, subjects' data."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def create_private(path: Path) -> None:
    """Create an empty file that nobody but its owner may read, where there is none yet.

    SQLite gives the files it puts beside a database the rights of the database. An existing
    file keeps the rights its operator gave it; whoever opens the file says what is wrong with
    a path that cannot be created.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def create_private_directory(path: Path) -> None:
    """Create a directory that nobody but its owner may enter, where there is none yet.

    An existing one keeps the rights its operator gave it. Raises OSError when it cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)

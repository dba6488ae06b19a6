"""The last signed head, kept outside the database so that a rolled-back database shows.

Written after the commit and before the receipts. At start the database must contain it: ahead by
whole valid commits is a death between commit and write and is made good; behind or different
means the database was rolled back or replaced, and the ledger refuses to sign.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, TrustFailure
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.log.note import VerifierKey, split_note
from ledger.verification.evidence import HeadNote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class HeadFile:
    """A file holding one signed checkpoint, replaced atomically and durably."""

    path: Path

    def read(self, vkey: VerifierKey) -> Checkpoint | None:
        """The checkpoint kept, or None when the file does not exist.

        Raises IntegrityFailure or TrustFailure when it holds anything but a checkpoint of this
        log under its key.
        """
        try:
            note = self.path.read_bytes()
        except FileNotFoundError:
            return None
        return open_checkpoint(note, vkey)

    def write(self, note: str) -> None:
        """Replace the checkpoint; durable when this returns.

        Processes take turns, and a larger head that another one wrote meanwhile is left.
        """
        with self._locked():
            if _size_of(note) <= self._size_kept():
                return
            staged = self.path.with_name(self.path.name + ".new")
            with staged.open("w", encoding="utf-8", newline="\n") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            staged.replace(self.path)
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def _size_kept(self) -> int:
        try:
            return _size_of(self.path.read_bytes())
        except (FileNotFoundError, IntegrityFailure):
            return -1

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _size_of(note: str | bytes) -> int:
    return parse_checkpoint(split_note(note)[0]).size


def read_head_note(path: Path) -> HeadNote:
    """What a head file holds, as evidence: unread when it is missing or cannot be read."""
    try:
        with path.open("rb") as file:
            return HeadNote(file.read(_LONGEST + 1), path.name)
    except OSError:
        return HeadNote(None, path.name)


def require_contained(kept: Checkpoint, *, size: int, root_at_kept: bytes | None) -> None:
    """Refuse a database that does not extend the head kept outside it.

    ``root_at_kept`` is the root of the database's own tree at the kept size, None when the
    database is shorter. Raises TrustFailure ``head.rolled-back`` or ``head.forked``.
    """
    if root_at_kept is None:
        raise TrustFailure(
            "head.rolled-back",
            f"The database ends at size {size}; the last signed head has size {kept.size}. "
            "The database was rolled back.",
            remedy="Restore the newest backup (docs/operations.md); nothing is signed until then.",
        )
    if root_at_kept != kept.root:
        raise TrustFailure(
            "head.forked",
            f"At size {kept.size} the database has root {root_at_kept.hex()}, the last signed "
            f"head has root {kept.root.hex()}. This is another history.",
            remedy="Restore the right database (docs/operations.md); nothing is signed until then.",
        )

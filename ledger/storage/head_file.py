"""The last signed head, kept outside the database so that a rolled-back database shows.

Written after the commit and before the receipts. At start the database must contain it: ahead by
whole valid commits is a death between commit and write and is made good; behind or different
means the database was rolled back or replaced, and the ledger refuses to sign.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, TrustFailure, Unavailable
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.log.note import VerifierKey, split_note
from ledger.verification.evidence import HeadNote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TURN_SECONDS = 10.0
"""How long a process waits for its turn; a turn takes two fsyncs."""

SECTOR_BYTES = 512
"""A head no longer than this, and as long as the one before, is written over it in place."""

_PAUSE_SECONDS = 0.001
_READINGS = 100
_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class HeadFile:
    """A file holding one signed checkpoint, replaced atomically and durably.

    Most heads are as long as the one before and are written over it: one sync instead of three.
    """

    path: Path

    def read(self, vkey: VerifierKey) -> Checkpoint | None:
        """The checkpoint kept, or None when the file does not exist.

        Raises IntegrityFailure or TrustFailure when it holds anything but a checkpoint of this
        log under its key.
        """
        try:
            note = _steady(self.path)
        except FileNotFoundError:
            return None
        return open_checkpoint(note, vkey)

    def write(self, note: str) -> None:
        """Replace the checkpoint; durable when this returns.

        Processes take turns, and a larger head that another one wrote meanwhile is left. Raises
        Unavailable ``head.locked`` when the turn does not come within TURN_SECONDS.
        """
        with self._locked():
            kept, data = self._kept(), note.encode()
            if _size_of(note) <= _size_kept(kept):
                return
            if len(kept) == len(data) <= SECTOR_BYTES:
                self._overwrite(data)
            else:
                self._replace(data)

    def _kept(self) -> bytes:
        try:
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - once a group
                return file.read(_LONGEST)
        except FileNotFoundError:
            return b""

    def _overwrite(self, data: bytes) -> None:
        """Write in place what lies in one sector of the disk, which is written whole or not."""
        file = os.open(self.path, os.O_WRONLY)
        try:
            _write_all(file, data)
            os.fdatasync(file)
        finally:
            os.close(file)

    def _replace(self, data: bytes) -> None:
        staged = self.path.with_name(f"{self.path.name}.new")
        file = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            _write_all(file, data)
            os.fsync(file)
        finally:
            os.close(file)
        staged.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(f"{os.fspath(self.path)}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take_turn(lock)
            yield
        finally:
            os.close(lock)


def _take_turn(lock: int) -> None:
    deadline = time.monotonic() + TURN_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unavailable(
                    "head.locked",
                    "Another process holds the head file and does not let it go.",
                    remedy="Find out which one (fuser); send the same statements again after that.",
                ) from None
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _write_all(file: int, data: bytes) -> None:
    if os.write(file, data) != len(data):
        raise OSError(errno.ENOSPC, "The head file was not written whole.")


def _steady(path: Path) -> bytes:
    """The bytes of a file that may be written at this moment: two readings must agree."""
    seen = _bounded(path)
    for _ in range(_READINGS):
        again = _bounded(path)
        if again == seen:
            break
        seen = again
    return seen


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LONGEST + 1)


def _size_kept(kept: bytes) -> int:
    try:
        return _size_of(kept.decode())
    except (IntegrityFailure, UnicodeDecodeError):
        return -1


@lru_cache(maxsize=4)
def _size_of(note: str) -> int:
    # What is found in the file is mostly what was written there before.
    return parse_checkpoint(split_note(note)[0]).size


def read_head_note(path: Path) -> HeadNote:
    """What a head file holds, as evidence: unread when it is missing or cannot be read."""
    try:
        return HeadNote(_steady(path), path.name)
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

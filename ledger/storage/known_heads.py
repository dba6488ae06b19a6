"""The signed heads that are known when a ledger is put back: what it must hold, what proves it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.note import open_note
from ledger.log.tree import EMPTY_ROOT
from ledger.storage.published import PublishedCheckpoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor

    from ledger.log.note import VerifierKey
    from ledger.service import LedgerFiles

Heads = dict[int, tuple[Checkpoint, str]]
"""Checkpoints that the log signed, by size, each with its note."""

_NOTES: Final = 1_024


class KnownHeads:
    """The signed heads at hand, by size, each with its note.

    ``outside`` are those that outlived the database or were brought: the restored ledger must
    contain each of them. ``supplied`` are those of other copies.
    """

    def __init__(self, vkey: VerifierKey) -> None:
        self._vkey = vkey
        self.by_size: Heads = {}
        self.supplied: Heads = {}
        self.outside: dict[int, Checkpoint] = {}
        self.largest = Checkpoint(vkey.name, 0, EMPTY_ROOT)

    def add(self, note: str) -> Checkpoint:
        """Take a checkpoint in; raises LedgerError when the log has not signed it."""
        checkpoint = open_checkpoint(note, self._vkey)
        self._keep(checkpoint, note)
        return checkpoint

    def take(self, files: LedgerFiles, notes: Iterable[str]) -> None:
        """Take what was kept outside the database, and others that were brought.

        Raises LedgerError for a head file that holds anything but a head of this log.
        """
        found = [files.head.read_text(encoding="utf-8")] if files.head.exists() else []
        if files.published.is_file():
            newest = PublishedCheckpoints(files.published).newest()
            found += [] if newest is None else [newest.note]
        for note in (*found, *notes):
            checkpoint = self.add(note)
            self.outside.setdefault(checkpoint.size, checkpoint)

    def offer(self, notes: Iterator[str], executor: Executor) -> None:
        """Take the checkpoints of another copy in, where the log has signed them.

        Raises IntegrityFailure ``restore.other-history`` when a head known already contradicts.
        """
        while page := list(islice(notes, _NOTES)):
            opened = executor.map(self._opened, page)
            for checkpoint, note in zip(opened, page, strict=True):
                if checkpoint is None:
                    continue  # what others sign proves nothing here
                kept = self.by_size.get(checkpoint.size)
                if kept is not None and kept[0].root != checkpoint.root:
                    raise _other_history(checkpoint, kept[0])
                self._keep(checkpoint, note)
                self.supplied[checkpoint.size] = checkpoint, self._own(note)

    def _opened(self, note: str) -> Checkpoint | None:
        try:
            return open_checkpoint(note, self._vkey)
        except LedgerError:
            return None

    def _own(self, note: str) -> str:
        """A note that holds with the log's own line alone: a ledger keeps no line of others."""
        opened = open_note(note, [self._vkey])
        return f"{opened.text}\n{opened.verified[0]}\n"

    def _keep(self, checkpoint: Checkpoint, note: str) -> None:
        self.by_size.setdefault(checkpoint.size, (checkpoint, self._own(note)))
        if checkpoint.size > self.largest.size:
            self.largest = checkpoint


def _other_history(found: Checkpoint, kept: Checkpoint) -> IntegrityFailure:
    return IntegrityFailure(
        "restore.other-history",
        f"At size {found.size} this copy has the signed root {found.root.hex()}, the head kept "
        f"outside it {kept.root.hex()}: the log has signed two histories.",
        remedy="Keep both as evidence, and look for a copy of the right one.",
    )

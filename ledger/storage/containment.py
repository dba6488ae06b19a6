"""Whether a database contains what was kept of its log outside it, by head file or publication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, TrustFailure, Unavailable
from ledger.log.checkpoint import open_checkpoint
from ledger.log.entry import entry_hash
from ledger.log.tiles import node_fetcher
from ledger.log.tree import frontier_at
from ledger.storage.head_file import require_contained
from ledger.storage.published import PublishedCheckpoints
from ledger.storage.tree_reader import StoredTree

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.log.checkpoint import Checkpoint
    from ledger.log.note import VerifierKey
    from ledger.storage.head_file import HeadFile
    from ledger.storage.store import LedgerStore


def require_head(store: LedgerStore, head_file: HeadFile, vkey: VerifierKey) -> str | None:
    """Compare database, checkpoint and head file; the newer head, if the file is behind.

    It is after a death between commit and head file. Raises IntegrityFailure ``head.…`` and
    TrustFailure ``head.file-missing``, ``.rolled-back`` and ``.forked``.
    """
    # The head file first: another node may be writing, and what is read later is never older.
    kept = head_file.read(vkey)
    head = store.head()
    last = store.checkpoint_covering(head.size)
    if last is None or last[0] != head.size:
        raise IntegrityFailure("head.no-checkpoint", "The head is not under a checkpoint.")
    checkpoint = open_checkpoint(last[1], vkey)
    node = node_fetcher(StoredTree(head.size, store))
    newest = store.entry(head.size - 1)
    if newest is None or entry_hash(newest) != head.hash:
        raise IntegrityFailure("head.last-entry", "The last entry is not the head's.")
    if checkpoint.root != frontier_at(head.size, node).root():
        raise IntegrityFailure("head.root", "The tree does not have the checkpoint's root.")
    if kept is None:
        raise TrustFailure(
            "head.file-missing",
            f"The head file {head_file.path.name} is missing.",
            remedy="Put it back; see docs/operations.md for a deliberate new start.",
        )
    _require_kept(store, kept, head.size)
    return last[1] if kept.size < head.size else None


def confirmed_size(
    store: LedgerStore, head_file: HeadFile, published: Path, vkey: VerifierKey
) -> int:
    """How many entries of the database something kept outside it confirms.

    ``published`` is the file of published checkpoints; it need not be there.
    """
    size = store.head().size
    try:
        kept = head_file.read(vkey)
        if kept is None:
            return 0
        if _contains(store, kept, size):
            return kept.size
        if not published.is_file():
            return 0
        newest = PublishedCheckpoints(published).up_to(min(kept.size, size))
        if newest is None:
            return 0
        checkpoint = open_checkpoint(newest.note, vkey)
        return checkpoint.size if _contains(store, checkpoint, size) else 0
    except (IntegrityFailure, TrustFailure, Unavailable):
        return 0  # what cannot be read confirms nothing


def _contains(store: LedgerStore, kept: Checkpoint, size: int) -> bool:
    try:
        _require_kept(store, kept, size)
    except TrustFailure:
        return False
    return True


def _require_kept(store: LedgerStore, kept: Checkpoint, size: int) -> None:
    at_kept = None
    if kept.size <= size:
        at_kept = frontier_at(kept.size, node_fetcher(StoredTree(size, store))).root()
    require_contained(kept, size=size, root_at_kept=at_kept)

"""The end of the log as the writer's process knows it: head, tree, signed note, stream heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.log.chain import ChainHead, StreamHead
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.tiles import TILE_WIDTH, completed_tiles, node_fetcher
from ledger.log.tree import Frontier, frontier_at, leaf_hash
from ledger.recording.following import follow
from ledger.recording.proving import Nodes, Prover
from ledger.storage.head_file import require_contained
from ledger.storage.tree_reader import StoredTree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger.application import LedgerApplication
    from ledger.log.tiles import FullTile
    from ledger.record import Record
    from ledger.recording.admission import Extension
    from ledger.signing.ledger_keys import LedgerKeys

MOST_STREAMS: Final = 16_384
"""Most streams whose ends are kept in mind; more than that, and they are asked for anew."""


@dataclass(frozen=True, slots=True)
class Grown:
    """What the end becomes when a group is committed; nothing of it holds before that."""

    head: ChainHead
    frontier: Frontier
    note: str
    leaves: list[bytes]
    tiles: Sequence[FullTile]
    stream_heads: Mapping[str, StreamHead]


class LogEnd:
    """Moves by what this process commits and by what it follows of others; for one thread."""

    def __init__(self, application: LedgerApplication, keys: LedgerKeys) -> None:
        self._application = application
        self._keys = keys
        self._signer = keys.checkpoint_signer
        self.head = ChainHead()
        self.note = ""
        self.tree = StoredTree(0, application.store)
        self._frontier = Frontier()
        self._nodes: Nodes = {}
        self._stream_heads: dict[str, StreamHead] = {}

    @property
    def prover(self) -> Prover:
        """Proves entries to be in the tree as it is now."""
        return Prover(self.tree, self._nodes)

    def stream_head(self, stream: str) -> StreamHead:
        """Where a stream ends."""
        found = self._stream_heads.get(stream)
        if found is None:
            if len(self._stream_heads) >= MOST_STREAMS:
                self._stream_heads = {}
            found = self._stream_heads[stream] = self._application.store.stream_head(stream)
        return found

    def load(self) -> None:
        """Read everything anew; the database must extend what this process last saw.

        Raises TrustFailure ``head.rolled-back`` or ``head.forked``.
        """
        store = self._application.store
        head = store.head()
        tree = StoredTree(head.size, store)
        seen = Checkpoint(self._keys.origin, self.head.size, self._frontier.root())
        held = frontier_at(seen.size, node_fetcher(tree)).root() if seen.size <= head.size else None
        require_contained(seen, size=head.size, root_at_kept=held)
        edge = store.leaf_hashes(head.size - head.size % TILE_WIDTH, head.size % TILE_WIDTH)
        self.tree = StoredTree(head.size, store, tuple(edge))
        self._frontier = frontier_at(head.size, node_fetcher(tree)) if head.size else Frontier()
        self.head = head
        self._stream_heads = {}
        self._nodes = {}
        last = store.last_checkpoint()
        self.note = last[1] if last else ""

    def ahead(self, head: ChainHead) -> tuple[Sequence[Record], Grown] | None:
        """What others recorded up to ``head``, to ``take``; None when all must be read anew."""
        new = follow(
            self._application, self.head, self._frontier, head=head, vkey=self._keys.vkey
        )  # fmt: skip
        if new is None:
            return None
        return new.records, Grown(
            head, new.frontier, new.note, new.leaves, (), new.stream_heads
        )  # fmt: skip

    def grow(self, extension: Extension) -> Grown:
        """Sign the checkpoint of a decided group, and work out what enters with it."""
        leaves = [leaf_hash(link.data) for link in extension.links]
        frontier, after = self._frontier.extend(leaves), extension.head
        checkpoint = Checkpoint(self._keys.origin, after.size, frontier.root())
        note = sign_checkpoint(checkpoint, self._signer)
        tiles = completed_tiles(self.head.size, leaves, self.tree)
        return Grown(after, frontier, note, leaves, tiles, extension.stream_heads)

    def take(self, grown: Grown) -> None:
        """What was grown is committed, here or by others: it is the end now."""
        edge = _edge(self.tree, grown.leaves, grown.head.size)
        self.head, self._frontier, self.note = grown.head, grown.frontier, grown.note
        self._stream_heads.update(grown.stream_heads)
        self.tree = StoredTree(grown.head.size, self._application.store, edge)


def _edge(tree: StoredTree, leaves: list[bytes], size: int) -> tuple[bytes, ...]:
    known = tree.leaf_hashes(tree.size - tree.size % TILE_WIDTH, tree.size % TILE_WIDTH)
    return (*known, *leaves)[len(known) + len(leaves) - size % TILE_WIDTH :]

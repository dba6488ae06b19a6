"""Receipts of what a group recorded: the nodes that one proof needed are kept for the next.

A complete subtree never changes, so its hash is worked out once however many receipts stand on
it, in this group and in the groups after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.log.lexical import HASH_SIZE
from ledger.log.proof import Receipt
from ledger.log.tiles import TILE_HEIGHT, TILE_WIDTH, tile_hashes
from ledger.log.tree import inclusion_path, node_hash

if TYPE_CHECKING:
    from ledger.storage.tree_reader import StoredTree

MOST_NODES: Final = 8_192
"""Most hashes kept for later proofs; some hundred are enough, the bound is for memory."""

Nodes = dict[tuple[int, int], bytes]


class Prover:
    """Proves entries to be in one tree; used by many threads, which share ``nodes``."""

    def __init__(self, tree: StoredTree, nodes: Nodes) -> None:
        self._tree = tree
        self._nodes = nodes
        self._tiles: dict[tuple[int, int], bytes] = {}

    def receipt(self, seq: int, *, size: int, note: str) -> Receipt:
        """The receipt of an entry under a checkpoint of a tree of ``size`` leaves."""
        path = tuple(inclusion_path(seq, size, self._node))
        if len(self._nodes) > MOST_NODES:
            self._nodes.clear()
        return Receipt(index=seq, path=path, checkpoint_note=note)

    def _node(self, level: int, index: int) -> bytes:
        known = self._nodes.get((level, index))
        if known is not None:
            return known
        tile_level, height = divmod(level, TILE_HEIGHT)
        if height:
            found = node_hash(
                self._node(level - 1, 2 * index), self._node(level - 1, 2 * index + 1)
            )
        else:
            tile, offset = divmod(index, TILE_WIDTH)
            hashes = self._tile(tile_level, tile)
            found = hashes[offset * HASH_SIZE : (offset + 1) * HASH_SIZE]
        self._nodes[level, index] = found
        return found

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            self._tiles[level, index] = tile_hashes(level, index, self._tree.size, self._tree)
        return self._tiles[level, index]

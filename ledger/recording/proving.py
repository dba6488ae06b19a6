"""Receipts of what a group recorded: the nodes that one proof needed are kept for the next.

A complete subtree never changes, so its hash is worked out once however many receipts stand on
it, in this group and in the groups after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.errors import RejectedInput
from ledger.log.lexical import HASH_SIZE
from ledger.log.proof import Receipt
from ledger.log.tiles import TILE_HEIGHT, TILE_WIDTH, tile_hashes
from ledger.log.tree import node_hash

if TYPE_CHECKING:
    from ledger.storage.tree_reader import StoredTree

MOST_NODES: Final = 8_192
"""Most hashes kept for later proofs; some hundred are enough, the bound is for memory."""

Nodes = dict[tuple[int, int], bytes]


class Prover:
    """Proves entries to be in one tree; used by many threads, which share ``nodes``."""

    def __init__(self, tree: StoredTree, nodes: Nodes) -> None:
        self._tree = tree
        self._complete = nodes
        self._edge: Nodes = {}
        self._paths: dict[tuple[int, int], tuple[bytes, ...]] = {}
        self._tiles: dict[tuple[int, int], bytes] = {}

    def receipt(self, seq: int, *, size: int, note: str) -> Receipt:
        """The receipt of an entry under the checkpoint of this tree, which has ``size`` leaves.

        Raises RejectedInput ``tree.out-of-range`` for another size, or an entry beyond it.
        """
        if not 0 <= seq < size == self._tree.size:
            raise RejectedInput(
                "tree.out-of-range", f"Entry {seq} is not in this tree of size {self._tree.size}."
            )
        path = self._path(0, seq)
        if len(self._complete) > MOST_NODES:
            self._complete.clear()
        return Receipt(index=seq, path=path, checkpoint_note=note)

    def _path(self, level: int, at: int) -> tuple[bytes, ...]:
        """The siblings from a place up to the root, as RFC 9162 section 2.1.3.2 meets them.

        Both below a place share what lies above it.
        """
        found = self._paths.get((level, at))
        if found is None:
            last, sibling = self._tree.size - 1 >> level, at ^ 1
            found = self._path(level + 1, at >> 1) if last else ()
            if sibling <= last:
                found = (self._node(level, sibling), *found)
            self._paths[level, at] = found
        return found

    def _node(self, level: int, index: int) -> bytes:
        """The hash over the leaves below a place, fewer at the right edge than elsewhere."""
        complete = (index + 1) << level <= self._tree.size
        nodes = self._complete if complete else self._edge
        found = nodes.get((level, index))
        if found is None:
            found = nodes[level, index] = self._made(level, index, complete=complete)
        return found

    def _made(self, level: int, index: int, *, complete: bool) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        if complete and not height:
            tile, offset = divmod(index, TILE_WIDTH)
            return self._tile(tile_level, tile)[offset * HASH_SIZE : (offset + 1) * HASH_SIZE]
        left, right = 2 * index, 2 * index + 1
        if right << (level - 1) >= self._tree.size:
            return self._node(level - 1, left)
        return node_hash(self._node(level - 1, left), self._node(level - 1, right))

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            self._tiles[level, index] = tile_hashes(level, index, self._tree.size, self._tree)
        return self._tiles[level, index]

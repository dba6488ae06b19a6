"""The stored tree at one size, for proofs and for the tiles a group completes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ledger.log.proof import Receipt
from ledger.log.tiles import TILE_WIDTH, node_fetcher
from ledger.log.tree import inclusion_path

if TYPE_CHECKING:
    from collections.abc import Sequence


class TileStore(Protocol):
    """What the tree is read from."""

    def full_tile(self, level: int, index: int) -> bytes:
        """A full tile's bytes."""

    def tile_roots(self, level: int, first: int, count: int) -> list[bytes]:
        """Roots of consecutive full tiles."""

    def leaf_hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes of consecutive entries."""


@dataclass(frozen=True, slots=True)
class StoredTree:
    """A tree of ``size`` leaves in a store; ``edge`` holds leaf hashes after the last full tile.

    Reading from the store alone is right too; the edge only spares hashing entries again.
    """

    size: int
    store: TileStore
    edge: tuple[bytes, ...] | None = None

    def full_tile(self, level: int, index: int) -> bytes:
        """A full tile's bytes."""
        return self.store.full_tile(level, index)

    def tile_roots(self, level: int, first: int, count: int) -> Sequence[bytes]:
        """Roots of consecutive full tiles."""
        return self.store.tile_roots(level, first, count)

    def leaf_hashes(self, first: int, count: int) -> Sequence[bytes]:
        """Leaf hashes of consecutive entries at the right edge."""
        start = self.size - self.size % TILE_WIDTH
        if self.edge is not None and first >= start:
            return self.edge[first - start : first - start + count]
        return self.store.leaf_hashes(first, count)

    def receipt(self, seq: int, *, size: int, note: str) -> Receipt:
        """The receipt of an entry under a checkpoint of a tree of ``size`` leaves."""
        path = inclusion_path(seq, size, node_fetcher(self))
        return Receipt(index=seq, path=tuple(path), checkpoint_note=note)

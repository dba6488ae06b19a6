"""The log as it is published: tiles and entry bundles, consistency proofs, later receipts.

Everything is answered for the size of the newest checkpoint, so nothing leaves the ledger that no
signature covers; what was answered once is answered the same for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from ledger.errors import IntegrityFailure, RejectedInput, Unavailable
from ledger.log.lexical import HASH_SIZE
from ledger.log.tiles import (
    TILE_WIDTH,
    TileName,
    encode_entries,
    node_fetcher,
    tile_hashes,
    tile_width,
)
from ledger.log.tree import consistency_path
from ledger.storage.tree_reader import StoredTree, TileStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.log.proof import Receipt

FurtherSigned = Callable[[int, str], str]
"""Gives a checkpoint's note, by its size and own note, with all signatures there are by now."""


class LogStore(TileStore, Protocol):
    """What the published log is read from."""

    def entries(self, start: int, stop: int) -> list[tuple[int, bytes]]:
        """Positions and bytes of the entries in ``start <= seq < stop``, in order."""

    def last_checkpoint(self) -> tuple[int, str] | None:
        """The newest checkpoint: its size and note."""

    def checkpoint_covering(self, size: int) -> tuple[int, str] | None:
        """The first checkpoint of a tree of at least ``size`` entries: its size and note."""


class LogReader:
    """Reads the published log; ``size`` and ``note`` are those of the newest checkpoint.

    Each reader stays at the checkpoint it found; make a new one for each request.

    Raises:
        Unavailable: ``checkpoint.none`` when the log has no checkpoint yet.
    """

    def __init__(
        self, store: LogStore, withheld: Callable[[int, int], Mapping[int, str]] | None = None
    ) -> None:
        """``withheld`` gives the positions in a range that are not served, with the act."""
        self._withheld = withheld
        newest = store.last_checkpoint()
        if newest is None:
            raise Unavailable("checkpoint.none", "The log has no checkpoint yet.")
        self.size, self.note = newest
        self._store = store
        self._tree = StoredTree(self.size, store)

    def tile(self, name: TileName) -> bytes:
        """Give the bytes of a tile or an entry bundle (C2SP tlog-tiles).

        Any width up to the one there is now is given, also beside the full tile: partial tiles
        of all earlier checkpoints are among them.

        Raises:
            RejectedInput: ``tiles.not-found``, ``tiles.restricted`` for a bundle with an entry
                whose personal data are no longer served.
            IntegrityFailure: ``tiles.store-damaged``.
        """
        width = TILE_WIDTH if name.width is None else name.width
        if width > tile_width(name.level or 0, name.index, self.size):
            raise RejectedInput(
                "tiles.not-found",
                f"{name} does not exist in the log of {self.size} entries.",
                remedy="Tiles are full or as wide as the checkpoint's size gives (tlog-tiles).",
            )
        if name.level is None:
            return self._bundle(name, width)
        return tile_hashes(name.level, name.index, self.size, self._tree)[: width * HASH_SIZE]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Give the consistency proof between two sizes (RFC 9162 §2.1.4.1), 32 bytes each.

        Raises:
            RejectedInput: ``log.beyond-newest`` when ``new`` is more than the newest checkpoint
                covers, ``tree.out-of-range`` unless 0 ≤ old ≤ new.
        """
        if new > self.size:
            raise RejectedInput(
                "log.beyond-newest", f"The newest checkpoint covers {self.size} entries, not {new}."
            )
        return consistency_path(old, new, node_fetcher(self._tree))

    def receipt(
        self, seq: int, *, size: int | None = None, signed: FurtherSigned | None = None
    ) -> Receipt:
        """Give the receipt of an entry under the checkpoint of ``size``, or the newest one.

        ``signed`` adds the signatures that the checkpoint has gathered since it was made.

        Raises:
            RejectedInput: ``receipt.no-such-checkpoint`` when no checkpoint has that size,
                ``receipt.not-covered`` when it is too small for the entry.
        """
        under = (self.size, self.note) if size is None else self._store.checkpoint_covering(size)
        if under is None or (size is not None and under[0] != size):
            raise RejectedInput(
                "receipt.no-such-checkpoint",
                f"No checkpoint was signed over {size} entries.",
                remedy="Give the size of a checkpoint you hold, or ask for the newest.",
            )
        if seq >= under[0]:
            raise RejectedInput(
                "receipt.not-covered", f"A checkpoint of {under[0]} entries has no entry {seq}."
            )
        note = under[1] if signed is None else signed(*under)
        return self._tree.receipt(seq, size=under[0], note=note)

    def _bundle(self, name: TileName, width: int) -> bytes:
        first = name.index * TILE_WIDTH
        kept_back = {} if self._withheld is None else self._withheld(first, first + width)
        if kept_back:
            hashes = self._store.leaf_hashes(first, width)
            told = "; ".join(
                f"{seq} by {act}, leaf hash {hashes[seq - first].hex()}"
                for seq, act in sorted(kept_back.items())
            )
            raise RejectedInput(
                "tiles.restricted",
                f"Entries that hold personal data in clear are no longer served: {told}.",
                where=str(name),
                remedy="The tiles of hashes prove every entry; ask the sponsor for the archive.",
            )
        rows = self._store.entries(first, first + width)
        if [seq for seq, _ in rows] != [*range(first, first + width)]:
            raise IntegrityFailure(
                "tiles.store-damaged", "An entry of the bundle is missing.", where=str(name)
            )
        return encode_entries([data for _, data in rows])

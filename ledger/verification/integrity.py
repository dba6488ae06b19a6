"""Integrity alone: the stored bytes against what the log signed, many entries at once.

A block of entries passes when each stands in its place, names the hash of the one before and is
not recorded before it; its leaves then go to the tree, which compares them with tiles and signed
roots. A block that does not pass is halved until the entry is found that has to be read.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.verification.evidence import PAGE
from ledger.verification.pages import Last

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ledger.verification.chain import ChainCheck
    from ledger.verification.evidence import EvidenceSource, StoredRow
    from ledger.verification.growth import Growth
    from ledger.verification.tree import TreeCheck

_OPENS: Final = '{"prev":"'
_PREV: Final = slice(0, 73)
_RECORDED_AT: Final = slice(90, 117)
"""Where an entry's canonical bytes hold the member ``prev`` and the value of ``recorded_at``."""


class Block(NamedTuple):
    """Entries in order: hash and ``recorded_at`` of the last, leaf hashes of all."""

    sha256: str
    recorded_at: str
    leaves: list[bytes]


def block_of(
    page: Sequence[tuple[object, object]], size: int, before: str, time: str
) -> Block | None:
    """The entries of a page, when they continue a log of ``size`` entries; None when any may not.

    ``before`` is the hash of the last of these (hex), ``time`` its ``recorded_at``.
    """
    positions = [seq for seq, _ in page]
    entries = [data for _, data in page if isinstance(data, bytes)]
    if positions != [*range(size, size + len(page))] or len(entries) < len(page):
        return None
    hashes = [sha256(data).hexdigest() for data in entries]
    # As long as expected in all, so none of the pieces is shorter than it should be.
    links = b"".join([data[_PREV] for data in entries])
    if links != _OPENS.join(["", before, *hashes[:-1]]).encode("ascii"):
        return None
    times = [time.encode("ascii"), *[data[_RECORDED_AT] for data in entries]]
    if times != sorted(times) or not all(map(bytes.isascii, entries)):
        return None
    leaves = [sha256(b"\x00" + data).digest() for data in entries]
    return Block(hashes[-1], times[-1].decode("ascii"), leaves)


class BytesAlone:
    """Takes a log by its bytes; ``read`` takes the entries that have to be read."""

    def __init__(
        self,
        source: EvidenceSource,
        chain: ChainCheck,
        tree: TreeCheck,
        growth: Growth,
        read: Callable[[StoredRow], None],
    ) -> None:
        self._source, self._read = source, read
        self._chain, self._tree, self._growth = chain, tree, growth

    def pages(self, limit: int) -> Iterator[Last | None]:
        """Take everything; gives the last entry of each page that passed, else None.

        From ``limit`` on no signature says that there are entries; 0 when none says how many.
        """
        after: int | None = None
        while page := self._source.entries(after, PAGE):
            last = self._passed(page, limit)
            if last is not None:
                yield last
                after = last.seq
                continue
            rows = self._source.rows(after, PAGE)
            yield from self._halved(rows, limit)
            after = rows[-1].seq

    def _passed(self, page: Sequence[tuple[object, object]], limit: int) -> Last | None:
        end, size = self._chain.end_so_far(), self._tree.size
        if size == 0 or end is None or 0 < limit < size + len(page):
            return None  # entry 0 is always read
        block = block_of(page, size, *end)
        if block is None:
            return None
        self._chain.pass_by(block.sha256, block.recorded_at)
        self._growth.extend(block.leaves)
        return Last(self._tree.size - 1, block.sha256, block.recorded_at)

    def _halved(self, rows: Sequence[StoredRow], limit: int) -> Iterator[Last | None]:
        last = self._passed([(row.seq, row.data) for row in rows], limit)
        if last is not None:
            yield last
        elif len(rows) == 1:
            self._read(rows[0])
            yield None
        else:
            middle = len(rows) // 2
            yield from self._halved(rows[:middle], limit)
            yield from self._halved(rows[middle:], limit)

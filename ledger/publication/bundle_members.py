"""Members of a bundle that say what was published: checkpoints, cosignatures, stamps, receipts."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import split_note
from ledger.log.tree import leaf_hash, root_of, verify_inclusion
from ledger.recording.proving import Prover
from ledger.signing.strict_json import JsonObject, JsonValue, canonical
from ledger.storage.tree_reader import StoredTree
from ledger.verification.archive import Member
from ledger.verification.bundle_publication import response_name
from ledger.verification.bundle_receipts import has_receipt, receipt_name
from ledger.verification.evidence import all_published, all_rows, all_timestamps
from ledger.verification.reading import read_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ledger.publication.inventory import Inventory
    from ledger.recording.proving import Nodes
    from ledger.verification.evidence import EvidenceSource, PublishedSource, StoredPublished

MOST_RECEIPTS: Final = 100_000
"""Receipts a bundle may hold; the tiles prove what is beyond."""

_MOST_STRAYS: Final = 1


def json_line(value: JsonObject) -> bytes:
    """One line of a member: canonical JSON (RFC 8785) and a line feed."""
    return canonical(value) + b"\n"


def damaged(message: str) -> IntegrityFailure:
    """The refusal of a stored value that has no place in a bundle."""
    return IntegrityFailure(
        "bundle.damaged",
        message,
        remedy="Run trial-ledger verify first; a bundle can be made of what is whole alone.",
    )


def published_members(
    published: PublishedSource | None, counts: dict[str, JsonValue]
) -> Iterator[Member]:
    """What was published, each row as it is kept; empty members where nothing was.

    Raises IntegrityFailure ``bundle.damaged`` for what has no place.
    """
    yield Member("published.jsonl", partial(_published_lines, published, counts))
    yield Member("timestamps.jsonl", partial(_timestamp_lines, published, counts))
    if published is None:
        return
    if published.stray_cosignatures(_MOST_STRAYS):
        raise damaged("A cosignature is kept for a checkpoint that was not published.")
    tallies = published.tallies()
    if tallies is not None:
        lines = [
            json_line({"kind": one.kind, "number": one.rows, "total": one.sizes, "vkey": one.vkey})  # type: ignore[dict-item]
            for one in tallies
        ]
        yield Member.of("tallies.jsonl", b"".join(lines))


def take_responses(inventory: Inventory, published: PublishedSource | None) -> None:
    """Take what the time-stamping authority answered, as it is kept.

    Raises IntegrityFailure ``bundle.damaged`` for what has no place.
    """
    if published is not None:
        names = (response_name(stamp.size) for stamp in all_timestamps(published))
        inventory.take_each(names, partial(_response, published))


def take_receipts(inventory: Inventory, source: EvidenceSource, size: int, note: str) -> int:
    """Take a receipt under the bundle's checkpoint for each entry that is shown on its own.

    Where a damaged store gives none that holds, there is none; the damage is named elsewhere.
    """
    receipts = _Receipts(source, size, note)
    found = map(receipt_name, islice(_with_receipt(source, size), MOST_RECEIPTS))
    return inventory.take_each(filter(receipts.read, found), receipts.read)


def _published_lines(
    published: PublishedSource | None, counts: dict[str, JsonValue]
) -> Iterator[bytes]:
    count = lines = 0
    for stored in all_published(published) if published is not None else ():
        value = _published_line(published, stored)
        count += 1
        lines += len(value["cosignatures"]) if isinstance(value["cosignatures"], list) else 0
        yield json_line(value)
    counts["published"], counts["cosignatures"] = count, lines


def _published_line(published: PublishedSource | None, stored: StoredPublished) -> JsonObject:
    if not isinstance(stored.note, str):
        raise damaged(f"The published checkpoint of size {stored.size} cannot be read.")
    lines: list[JsonValue] = []
    for one in published.cosignatures(stored.size, stored.size) if published is not None else ():
        if not isinstance(one.vkey, str) or not isinstance(one.line, str):
            raise damaged(f"A cosignature of size {stored.size} cannot be read.")
        lines.append({"line": one.line, "vkey": one.vkey})
    return {"cosignatures": lines, "note": stored.note, "size": stored.size}


def _timestamp_lines(
    published: PublishedSource | None, counts: dict[str, JsonValue]
) -> Iterator[bytes]:
    count = 0
    for one in all_timestamps(published) if published is not None else ():
        texts = (one.authority, one.sha256, one.time)
        if not all(isinstance(text, str) for text in texts):
            raise damaged(f"The time stamp of size {one.size} cannot be read.")
        count += 1
        yield json_line(
            {
                "authority": str(one.authority),
                "sha256": str(one.sha256),
                "size": one.size,
                "time": str(one.time),
            }
        )
    counts["timestamps"] = count


def _response(published: PublishedSource, name: str) -> list[bytes]:
    size = _number(name)
    stamps = published.timestamps(size - 1, 1)
    if not stamps or not isinstance(stamps[0].response, bytes):
        raise damaged(f"The time stamp of size {size} cannot be read.")
    return [stamps[0].response]


def _with_receipt(source: EvidenceSource, size: int) -> Iterator[int]:
    for page in all_rows(source):
        for row in page:
            if not 0 <= row.seq < size:
                break
            named = None if row.columns is None else row.columns.topic
            if named is None:
                event = read_row(row).event
                named = None if event is None else event.type
            if isinstance(named, str) and has_receipt(named):
                yield row.seq


def _number(name: str) -> int:
    """The number that names a member: a position, or a size."""
    return int(name.partition("/")[2].partition(".")[0])


class _Receipts:
    """Makes receipts under one checkpoint; they share the nodes of its tree."""

    def __init__(self, source: EvidenceSource, size: int, note: str) -> None:
        self._source, self._note = source, note
        self._tree = StoredTree(size, _Tiles(source))
        self._root = parse_checkpoint(split_note(note)[0]).root
        self._nodes: Nodes = {}

    def read(self, name: str) -> list[bytes]:
        """The receipt of that name; nothing where the entry, or a proof that holds, is missing."""
        seq, size = _number(name), self._tree.size
        rows = self._source.rows(seq - 1, 1)
        data = rows[0].data if rows and rows[0].seq == seq else None
        if not isinstance(data, bytes):
            return []
        try:
            # A prover keeps the tiles it has read, so each receipt has its own.
            receipt = Prover(self._tree, self._nodes).receipt(seq, size=size, note=self._note)
            verify_inclusion(
                index=seq, size=size, leaf=leaf_hash(data), path=receipt.path, root=self._root
            )
        except LedgerError:
            return []
        return [receipt.text().encode()]


class _Tiles:
    """The tree as a source has stored it; the roots along its right edge are worked out once."""

    def __init__(self, source: EvidenceSource) -> None:
        self._source = source
        self._roots: dict[tuple[int, int, int], list[bytes]] = {}

    def full_tile(self, level: int, index: int) -> bytes:
        """A full tile's bytes."""
        stored = self._source.tile(level, index)
        if stored is None or not isinstance(stored.hashes, bytes):
            raise damaged(f"The tile {index} of level {level} cannot be read.")
        return stored.hashes

    def tile_roots(self, level: int, first: int, count: int) -> list[bytes]:
        """Roots of consecutive full tiles."""
        known = self._roots.get((level, first, count))
        if known is None:
            known = self._roots[level, first, count] = [
                root_of(_hashes(self.full_tile(level, index)))
                for index in range(first, first + count)
            ]
        return known

    def leaf_hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes of consecutive entries."""
        rows = self._source.rows(first - 1, count)
        found = [leaf_hash(row.data) for row in rows if isinstance(row.data, bytes)]
        if [row.seq for row in rows] != [*range(first, first + count)] or len(found) != count:
            raise damaged(f"Entries from {first} on cannot be read.")
        return found


def _hashes(tile: bytes) -> Iterable[bytes]:
    return (tile[start : start + 32] for start in range(0, len(tile), 32))

"""Entries brought back byte for byte from copies that others hold, under heads once signed.

Nothing is signed here. An entry comes back only behind the one it names, and only up to a size
for which there is a checkpoint under the log's own key whose root the entries then have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from ledger.concealment.binding import owner_of
from ledger.concealment.openings import ERASED, ordered, purpose_of
from ledger.errors import IntegrityFailure, LedgerError, Unavailable
from ledger.history import ACCEPTED
from ledger.log.chain import ChainHead, StreamHead, advance, check_link
from ledger.log.chain import Link as ChainLink
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.entry import parse_entry
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.log.tiles import completed_tiles, node_fetcher
from ledger.log.tree import frontier_at, leaf_hash
from ledger.record import read_record
from ledger.signing.sealing import parse_disclosure
from ledger.storage.commit import Commit, Opening
from ledger.storage.tree_reader import StoredTree
from ledger.verification.evidence import all_checkpoints, all_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ledger.application import LedgerApplication
    from ledger.concealment.vault import Erasure
    from ledger.log.note import VerifierKey
    from ledger.record import Record
    from ledger.verification.bundle import BundleEvidence

ENTRY_SUFFIX: Final = ".entry.json"
PROOF_SUFFIX: Final = ".tlog-proof"
_LONGEST_FILE: Final = 1_000_000


class Supply(Protocol):
    """Where missing entries come from; nothing it gives is believed before it is checked."""

    def entries(self, start: int) -> Iterator[bytes]:
        """Entry bytes from a position on, in order, as far as they are there without a gap."""

    def notes(self, start: int) -> Iterator[str]:
        """Signed notes of checkpoints, those up to ``start`` may be left out."""

    def openings(self, seq: int) -> Sequence[str]:
        """The disclosures kept for an entry, in order."""


@dataclass(frozen=True, slots=True)
class BundleSupply:
    """A bundle of the whole log."""

    bundle: BundleEvidence

    def entries(self, start: int) -> Iterator[bytes]:
        """The bundle's entries."""
        for page in all_rows(self.bundle, start - 1):
            for row in page:
                if not isinstance(row.data, bytes):
                    return
                yield row.data

    def notes(self, start: int) -> Iterator[str]:
        """The bundle's checkpoints."""
        for stored in all_checkpoints(self.bundle):
            if stored.size > start and isinstance(stored.note, str):
                yield stored.note

    def openings(self, seq: int) -> Sequence[str]:
        """The bundle's disclosures."""
        kept = self.bundle.openings(seq, seq)
        return [one.disclosure for one in kept if isinstance(one.disclosure, str)]


@dataclass(frozen=True, slots=True)
class FileSupply:
    """A file of entries, one a line (``entries.jsonl``), as a mirror keeps them."""

    path: Path

    def entries(self, start: int) -> Iterator[bytes]:
        """The lines from the one on that states the position."""
        with self.path.open("rb") as file:
            while line := file.readline(_LONGEST_FILE):
                data = line.rstrip(b"\n")
                if parse_entry(data).seq >= start:
                    yield data

    def notes(self, start: int) -> Iterator[str]:  # noqa: ARG002 - a file of entries has none
        """A file of entries holds no checkpoint."""
        return iter(())

    def openings(self, seq: int) -> Sequence[str]:  # noqa: ARG002 - nor disclosures
        """A file of entries holds no disclosure."""
        return ()


@dataclass(slots=True)
class ReceiptSupply:
    """Folders of receipts with their entries beside them, as clients keep them.

    What does not verify under the log's key is left out and counted.
    """

    vkey: VerifierKey
    left_out: int = 0
    _entries: dict[int, bytes] = field(default_factory=dict)
    _notes: dict[int, str] = field(default_factory=dict)

    def read(self, folder: Path) -> None:
        """Take in every receipt of a folder that holds."""
        for proof in sorted(folder.glob(f"*{PROOF_SUFFIX}")):
            entry = proof.with_name(proof.name.removesuffix(PROOF_SUFFIX) + ENTRY_SUFFIX)
            try:
                data = _bounded(entry)
                receipt = parse_receipt(_bounded(proof).decode())
                checkpoint = verify_receipt(receipt, data, self.vkey)
            except (LedgerError, OSError, UnicodeDecodeError):
                self.left_out += 1
                continue
            self._entries[receipt.index] = data
            self._notes[checkpoint.size] = receipt.checkpoint_note

    def beyond(self, size: int) -> list[int]:
        """The positions of entries at hand that lie at or behind a size."""
        return sorted(seq for seq in self._entries if seq >= size)

    def entries(self, start: int) -> Iterator[bytes]:
        """The entries in order up to the first that nobody holds."""
        while start in self._entries:
            yield self._entries[start]
            start += 1

    def notes(self, start: int) -> Iterator[str]:
        """The checkpoints that the receipts were given under."""
        return iter([note for size, note in sorted(self._notes.items()) if size > start])

    def openings(self, seq: int) -> Sequence[str]:  # noqa: ARG002 - receipts come without
        """Receipts come without disclosures."""
        return ()


class Regaining:
    """Extends a ledger's database by entries it once held; see the module."""

    def __init__(self, application: LedgerApplication, vkey: VerifierKey) -> None:
        self._application = application
        self._vkey = vkey
        self._store = application.store
        self._head = self._store.head()
        self._next: ChainHead = self._head
        self._links: list[ChainLink] = []
        self._streams: dict[str, StreamHead] = {}
        self._erasures: list[tuple[int, Erasure]] = []

    @property
    def size(self) -> int:
        """How many entries the database holds now."""
        return self._head.size

    def take(self, supply: Supply, notes: Mapping[int, str]) -> int:
        """Bring back what a supply holds; gives how many entries came back.

        ``notes`` are further checkpoints by size, such as the one kept outside the database; an
        entry behind the last checkpoint there is does not come back, since nothing proves it.

        Raises:
            IntegrityFailure: ``restore.other-history`` when entries chain but do not have a
                signed root; ``chain.…`` when they do not continue the database.
        """
        began = self.size
        heads = self._heads(supply, notes)
        for data in supply.entries(began):
            entry = parse_entry(data)
            before = self._streams.get(entry.stream) or self._store.stream_head(entry.stream)
            check_link(self._next, before, entry)
            link = ChainLink(entry, data)
            self._next, self._streams[entry.stream] = advance(link)
            self._links.append(link)
            known = heads.get(self._next.size)
            if known is not None:
                self._commit(supply, known)
        self._reset()
        return self.size - began

    def _heads(self, supply: Supply, notes: Mapping[int, str]) -> dict[int, tuple[Checkpoint, str]]:
        heads: dict[int, tuple[Checkpoint, str]] = {}
        for note in (*notes.values(), *supply.notes(self.size)):
            try:
                checkpoint = open_checkpoint(note, self._vkey)
            except LedgerError:
                continue  # signed by somebody else, it proves nothing here
            if checkpoint.size > self.size:
                heads[checkpoint.size] = checkpoint, note
        return heads

    def _commit(self, supply: Supply, known: tuple[Checkpoint, str]) -> None:
        checkpoint, note = known
        leaves = [leaf_hash(link.data) for link in self._links]
        tree = StoredTree(self.size, self._store)
        frontier = frontier_at(self.size, node_fetcher(tree)).extend(leaves)
        if frontier.root() != checkpoint.root:
            raise IntegrityFailure(
                "restore.other-history",
                f"At size {checkpoint.size} these entries have root {frontier.root().hex()}, the "
                f"log has signed root {checkpoint.root.hex()}.",
                remedy="This copy holds another history. Keep it, and look for another copy.",
            )
        texts = {link.entry.seq: supply.openings(link.entry.seq) for link in self._links}
        records = [read_record(link.data) for link in self._links]
        openings = self._kept(records, texts)
        tiles = completed_tiles(self.size, leaves, tree)
        self._application.record_group(
            records, Commit(self._head, self._next, note, tiles, openings)
        )
        self._head = self._next
        self._links = []

    def learn(self, supply: Supply) -> None:
        """Take note of the erasures a supply holds, so that no other brings back what they took."""
        records: list[Record] = []
        for data in supply.entries(self.size):
            record = read_record(data)
            if record.type in (ERASED, ACCEPTED):
                records.append(record)
        at = {record.id: record.seq for record in records}
        self._erasures.extend((at[act.act], act) for act in ordered(records))

    def _kept(self, records: Sequence[Record], texts: Mapping[int, Sequence[str]]) -> list[Opening]:
        """The openings as they are stored: without what was erased since, encrypted with a key."""
        given = {
            record.seq: [
                one
                for one in map(parse_disclosure, texts[record.seq])
                if not self._erased(record, one.name)
            ]
            for record in records
        }
        vault = self._application.openings
        if vault is not None:
            # The acts are begun by this; the start carries them out.
            return [Opening(*row) for row in vault.conceal(records, given)[0]]
        return [
            Opening(seq, number, one.text)
            for seq, found in given.items()
            for number, one in enumerate(found)
        ]

    def _erased(self, record: Record, member: str) -> bool:
        owner, purpose = owner_of(record.stream), purpose_of(record.type, member)
        return any(
            record.seq < seq and owner == f"subject/{act.subject}" and purpose in act.purposes
            for seq, act in self._erasures
        )

    def _reset(self) -> None:
        self._next, self._links, self._streams = self._head, [], {}


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_LONGEST_FILE + 1)
    if len(data) > _LONGEST_FILE:
        raise Unavailable("restore.too-long", f"{path.name} is too long.")
    return data

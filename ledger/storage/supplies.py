"""Where the entries that a backup lacks come from: copies that others hold.

Nothing that a supply gives is believed before it is checked, see `ledger.storage.regaining`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from ledger.errors import LedgerError, Unavailable
from ledger.log.entry import parse_entry
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.verification.evidence import all_checkpoints, all_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ledger.log.note import VerifierKey
    from ledger.verification.bundle import BundleEvidence

ENTRY_SUFFIX: Final = ".entry.json"
PROOF_SUFFIX: Final = ".tlog-proof"
_LONGEST_FILE: Final = 1_000_000
_USUAL_BYTES: Final = 1_200


class Supply(Protocol):
    """Where missing entries come from; nothing it gives is believed before it is checked."""

    def about(self) -> int:
        """About how many entries there are."""

    def entries(self, start: int) -> Iterator[bytes]:
        """Entry bytes from a position on, in order, as far as they are there without a gap."""

    def notes(self, start: int) -> Iterator[str]:
        """Signed notes of checkpoints, those up to ``start`` may be left out."""

    def openings(self, first: int, last: int) -> Mapping[int, Sequence[str]]:
        """The disclosures kept for each entry of a short range that has any, in order."""


@dataclass(frozen=True, slots=True)
class BundleSupply:
    """A bundle of the whole log."""

    bundle: BundleEvidence

    def about(self) -> int:
        """As many as the bundle seems to hold."""
        return self.bundle.extent()

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

    def openings(self, first: int, last: int) -> Mapping[int, Sequence[str]]:
        """The bundle's disclosures."""
        found: dict[int, list[str]] = {}
        for kept in self.bundle.openings(first, last):
            if isinstance(kept.seq, int) and isinstance(kept.disclosure, str):
                found.setdefault(kept.seq, []).append(kept.disclosure)
        return found


@dataclass(frozen=True, slots=True)
class FileSupply:
    """A file of entries, one a line (``entries.jsonl``), as a mirror keeps them."""

    path: Path

    def about(self) -> int:
        """As many as fit the file's length."""
        return self.path.stat().st_size // _USUAL_BYTES

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

    def openings(self, first: int, last: int) -> Mapping[int, Sequence[str]]:  # noqa: ARG002
        """A file of entries holds no disclosure."""
        return {}


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

    def about(self) -> int:
        """As many as have a receipt."""
        return len(self._entries)

    def entries(self, start: int) -> Iterator[bytes]:
        """The entries in order up to the first that nobody holds."""
        while start in self._entries:
            yield self._entries[start]
            start += 1

    def notes(self, start: int) -> Iterator[str]:
        """The checkpoints that the receipts were given under."""
        return iter([note for size, note in sorted(self._notes.items()) if size > start])

    def openings(self, first: int, last: int) -> Mapping[int, Sequence[str]]:  # noqa: ARG002
        """Receipts come without disclosures."""
        return {}


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(_LONGEST_FILE + 1)
    if len(data) > _LONGEST_FILE:
        raise Unavailable("restore.too-long", f"{path.name} is too long.")
    return data

"""Receipts in a bundle: which entries have one, and whether each leads to the checkpoint."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import MAX_NOTE_BYTES, split_note
from ledger.log.proof import parse_receipt
from ledger.log.tree import leaf_hash, verify_inclusion
from ledger.verification.chain import ISSUED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.log.checkpoint import Checkpoint
    from ledger.verification.archive import Archive
    from ledger.verification.evidence import StoredRow
    from ledger.verification.report import Findings

_FAMILIES: Final = ("consent.",)
_TYPES: Final = frozenset(("trial.opened.v1", "subject.randomized.v1", "bag.released.v1", ISSUED))
_NAME: Final = re.compile(r"receipts/(0|[1-9][0-9]{0,15})\.tlog-proof")
_LONGEST: Final = MAX_NOTE_BYTES + 10_000


def has_receipt(type_name: str) -> bool:
    """Whether an entry of a type is shown on its own, so that a bundle holds its receipt.

    These are entry 0, consents, allocations, releases and issued dossiers. The tiles prove every
    other entry just as well.
    """
    return type_name in _TYPES or type_name.startswith(_FAMILIES)


def receipt_name(seq: int) -> str:
    """The member that holds the receipt of an entry."""
    return f"receipts/{seq}.tlog-proof"


def check_receipts(
    archive: Archive, row: Callable[[int], StoredRow | None], note: str | None, findings: Findings
) -> None:
    """Check every receipt under the bundle's one checkpoint, whose signature is checked apart."""
    for name in archive.names:
        if not name.startswith("receipts/"):
            continue
        try:
            _check(archive, name, row, note)
        except (LedgerError, UnicodeDecodeError) as error:
            match = _NAME.fullmatch(name)
            position = None if match is None else int(match[1])
            findings.add("manifest.receipt", position, found=str(error), field=name[:200])


def _check(
    archive: Archive, name: str, row: Callable[[int], StoredRow | None], note: str | None
) -> None:
    match = _NAME.fullmatch(name)
    if match is None:
        raise IntegrityFailure("receipt.name", "It is not named after a position.")
    receipt = parse_receipt(archive.read(name, most=_LONGEST).decode())
    if receipt.index != int(match[1]):
        raise IntegrityFailure("receipt.index", f"It is for entry {receipt.index}.")
    if receipt.extra is not None:
        raise IntegrityFailure("receipt.extra", "It holds more than the ledger puts into one.")
    if note is not None and receipt.checkpoint_note != note:
        raise IntegrityFailure("receipt.checkpoint", "It is under another checkpoint.")
    checkpoint = _checkpoint(receipt.checkpoint_note)
    stored = row(receipt.index)
    if stored is None or not isinstance(stored.data, bytes):
        raise IntegrityFailure("receipt.entry", "There is no such entry to be read.")
    verify_inclusion(
        index=receipt.index,
        size=checkpoint.size,
        leaf=leaf_hash(stored.data),
        path=receipt.path,
        root=checkpoint.root,
    )


@lru_cache(maxsize=8)
def _checkpoint(note: str) -> Checkpoint:
    # All receipts of a bundle are under one note.
    return parse_checkpoint(split_note(note)[0])

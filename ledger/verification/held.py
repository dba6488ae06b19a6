"""Part of check 6: checkpoints that somebody else holds, each of which must be in this log.

A ledger that shows two histories can keep each of them whole: database, head file and published
checkpoints agree, and only who holds a checkpoint of the other history can tell. A witness's note,
an older bundle's checkpoint or a receipt is such a one; the entries are enough to compare it with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.proof import HEADER, parse_receipt
from ledger.log.tree import Frontier, leaf_hash
from ledger.verification.evidence import all_rows
from ledger.verification.report import Findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.log.note import VerifierKey
    from ledger.verification.evidence import EvidenceSource, HeadNote
    from ledger.verification.report import Finding


def check_held(
    source: EvidenceSource, held: Sequence[HeadNote], vkey: VerifierKey
) -> tuple[Finding, ...]:
    """Check that the log contains each checkpoint that somebody else holds.

    ``held`` are signed notes with any number of cosignatures, or receipts, which hold one;
    ``where`` is what the findings call each. Memory is one frontier. A checkpoint under other
    signatures than the log's is named too: it says nothing of this log.
    """
    findings = Findings()
    opened: list[tuple[Checkpoint, str]] = []
    for one in held:
        try:
            opened.append((open_held(one.note, vkey), one.where))
        except LedgerError as error:
            findings.add("head-file.held-signature", None, found=error.message, field=one.where)
    opened.sort(key=lambda pair: pair[0].size)
    size = 0
    waiting = iter(opened)
    following = next(waiting, None)
    for size, root in _roots(source):
        while following is not None and following[0].size <= size:
            _compare(*following, root if following[0].size == size else None, findings)
            following = next(waiting, None)
    while following is not None:
        checkpoint, where = following
        findings.add(
            "head-file.held-rolled-back", size, checkpoint.size - 1,
            expected=f"size {checkpoint.size}", found=f"size {size}", field=where,
        )  # fmt: skip
        following = next(waiting, None)
    return findings.damage(0)


def open_held(note: bytes | None, vkey: VerifierKey) -> Checkpoint:
    """The checkpoint in a signed note or in a receipt, under the log's key.

    Raises IntegrityFailure for what is neither, TrustFailure when the log did not sign it.
    """
    if note is None:
        raise IntegrityFailure("head-file.held-unreadable", "The file cannot be read.")
    try:
        text = note.decode()
    except UnicodeDecodeError:
        raise IntegrityFailure("head-file.held-unreadable", "The file is not UTF-8.") from None
    if text.startswith(HEADER):
        text = parse_receipt(text).checkpoint_note
    return open_checkpoint(text, vkey)


def _roots(source: EvidenceSource) -> Iterator[tuple[int, bytes | None]]:
    """The sizes of the log with their roots, None from the first entry that cannot be read on."""
    frontier: Frontier | None = Frontier()
    yield 0, Frontier().root()
    for page in all_rows(source, -1):
        for row in page:
            if frontier is None or row.seq != frontier.size or not isinstance(row.data, bytes):
                frontier = None
            else:
                frontier = frontier.append(leaf_hash(row.data))
            yield row.seq + 1, None if frontier is None else frontier.root()


def _compare(checkpoint: Checkpoint, where: str, root: bytes | None, findings: Findings) -> None:
    if root != checkpoint.root:
        found = "no root: entries before it cannot be read" if root is None else root.hex()
        findings.add(
            "head-file.held-forked", max(checkpoint.size - 1, 0), expected=checkpoint.root.hex(),
            found=found, field=where, alone=True,
        )  # fmt: skip

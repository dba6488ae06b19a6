"""Checks 5 and 6: every signed checkpoint, the head row, and the head kept outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.log.note import VerifierKey, split_note
from ledger.verification.evidence import (
    PAGE,
    EvidenceSource,
    HeadNote,
    StoredCheckpoint,
    StoredHead,
    all_checkpoints,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from ledger.verification.report import Findings
    from ledger.verification.tree import TreeCheck

_MOST_REMEMBERED = 100_000


@dataclass(slots=True)
class SignedHeads:
    """What the log signed: how far, which stored checkpoints to trust, the head kept outside.

    ``signed`` is the largest size under a valid stored checkpoint; ``refused`` the sizes kept
    with a note that is not valid there; ``elsewhere`` the sizes of checkpoints that are signed
    but kept under another size.
    """

    signed: int = 0
    refused: set[int] = field(default_factory=set)
    elsewhere: set[int] = field(default_factory=set)
    kept: Checkpoint | None = None

    @property
    def reach(self) -> int:
        """How many entries some valid signature says there were."""
        return max(self.signed, self.kept.size if self.kept else 0)


def read_heads(
    source: EvidenceSource, vkey: VerifierKey | None, findings: Findings, executor: Executor
) -> SignedHeads:
    """Check the signature of every checkpoint and of the head file."""
    heads = SignedHeads()
    if vkey is None:
        findings.add("checkpoints.no-key", None)
        return heads
    alone = source.links_checkpoints  # who keeps every checkpoint keeps the log's line alone
    after: int | None = None
    while page := source.checkpoints(after, PAGE):
        opened = executor.map(partial(_open, vkey=vkey, alone=alone), page, chunksize=32)
        for stored, result in zip(page, opened, strict=True):
            _judge(stored, result, heads, findings)
        after = page[-1].size
    note = source.head_note()
    if note is not None:
        heads.kept = _read_kept(note, vkey, findings)
    return heads


def valid_checkpoints(source: EvidenceSource, heads: SignedHeads) -> Iterator[tuple[int, bytes]]:
    """Sizes and roots of the checkpoints whose signature held, in order."""
    for stored in all_checkpoints(source):
        if stored.size in heads.refused or not isinstance(stored.note, str):
            continue
        try:
            # Read again, not verified again: `read_heads` has, in the same snapshot.
            checkpoint = parse_checkpoint(split_note(stored.note)[0])
        except LedgerError:
            continue
        yield stored.size, checkpoint.root


def check_links(source: EvidenceSource, heads: SignedHeads, findings: Findings) -> None:
    """Check that each checkpoint names the size of the one before, so that none was removed.

    A checkpoint whose note is not valid is named for that and taken as standing where it is.
    The first of all has size 1 and names 0; where it is missing, `ledger.verification.run` says so.
    """
    before: set[int] = set()
    for stored in all_checkpoints(source):
        size, previous = stored.size, stored.previous
        before = before or {0 if size == 1 else 1}
        if size in heads.refused:
            before.add(size)
            continue
        if type(previous) is not int or previous not in before | heads.elsewhere:
            last = max(before)
            if type(previous) is int and last < previous < size:
                findings.add(
                    "checkpoints.gap", last, size - 1, expected=f"a checkpoint of size {previous}",
                    found=f"sizes {last} and {size}", field=f"checkpoint {previous}",
                )  # fmt: skip
            else:
                findings.add(
                    "checkpoints.previous", max(size - 1, 0), expected=last, found=previous,
                    field=f"checkpoint {size}",
                )  # fmt: skip
        before = {size}


def check_head_row(
    source: EvidenceSource,
    findings: Findings,
    *,
    size: int,
    last_hash: str | None,
    recorded_at: str | None,
) -> None:
    """Compare the head row with the log's end; what the entries could not tell is left out."""
    head = source.head()
    last = max(size - 1, 0)
    if not isinstance(head, StoredHead):
        findings.add("checkpoints.head", last, found="no readable head row", field="ledger_head")
        return
    wanted: list[tuple[str, object, object]] = [
        ("size", size, head.size),
        ("hash", last_hash, head.hash),
        ("recorded_at", recorded_at, head.recorded_at),
    ]
    for name, expected, found in wanted:
        if expected is not None and (type(expected) is not type(found) or expected != found):
            findings.add(
                "checkpoints.head", last, expected=expected, found=found,
                field=f"ledger_head.{name}",
            )  # fmt: skip


def check_kept(
    kept: Checkpoint, findings: Findings, tree: TreeCheck, *, size: int, signed: int
) -> None:
    """Compare the head kept outside with how far the log goes; its root was compared before."""
    if kept.size > size:
        findings.add(
            "head-file.rolled-back", size, kept.size - 1, expected=f"size {kept.size}",
            found=f"size {size}",
        )  # fmt: skip
    elif kept.size < min(size, signed) and tree.proven >= kept.size:
        findings.add("head-file.behind", kept.size, size - 1)


def check_tail(
    source: EvidenceSource, heads: SignedHeads, findings: Findings, *, size: int
) -> None:
    """Compare where the rows end with how far the log is signed by a key that is known."""
    signed = heads.signed
    if size > signed:
        if not heads.refused.intersection(range(signed + 1, size + 1)):
            findings.add("checkpoints.missing", signed, size - 1)
    elif size and source.links_checkpoints:
        first = source.checkpoints(None, 1)
        if [stored.size for stored in first] != [1]:
            findings.add("checkpoints.missing", 0, field="checkpoint 1")


def last_good(
    source: EvidenceSource, heads: SignedHeads, proven: int, first_altered: int | None
) -> int:
    """The size of the last checkpoint that agrees before the first damage."""
    if first_altered is None:
        return proven
    best = 0
    for stored in all_checkpoints(source):
        if stored.size > min(first_altered, proven):
            break
        if stored.size not in heads.refused:
            best = stored.size
    return best


def _judge(
    stored: StoredCheckpoint,
    result: Checkpoint | LedgerError,
    heads: SignedHeads,
    findings: Findings,
) -> None:
    where, position = f"checkpoint {stored.size}", max(stored.size - 1, 0)
    if isinstance(result, Checkpoint) and result.size == stored.size:
        heads.signed = stored.size
        return
    if len(heads.refused) < _MOST_REMEMBERED:
        heads.refused.add(stored.size)
    if isinstance(result, Checkpoint):
        if len(heads.elsewhere) < _MOST_REMEMBERED:
            heads.elsewhere.add(result.size)
        findings.add(
            "checkpoints.size", position, expected=stored.size, found=result.size, field=where
        )
    else:
        findings.add(
            "checkpoints.signature", position, found=result.message, field=where,
            group=f"after {heads.signed}",
        )  # fmt: skip


def _open(stored: StoredCheckpoint, *, vkey: VerifierKey, alone: bool) -> Checkpoint | LedgerError:
    note = stored.note
    if not isinstance(note, str):
        return LedgerError("checkpoint.no-text", "The note is no text.")
    try:
        checkpoint = open_checkpoint(note, vkey)
        if alone and len(split_note(note)[1]) != 1:
            return LedgerError("checkpoint.lines", "It holds lines that the log did not put there.")
    except LedgerError as error:
        return error
    return checkpoint


def _read_kept(note: HeadNote, vkey: VerifierKey, findings: Findings) -> Checkpoint | None:
    if note.note is None:
        findings.add("head-file.missing", None, field=note.where)
        return None
    try:
        return open_checkpoint(note.note, vkey)
    except LedgerError as error:
        findings.add("head-file.signature", None, found=error.message, field=note.where)
        return None

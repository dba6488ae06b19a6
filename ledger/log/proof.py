"""Receipts after C2SP tlog-proof: one file that proves offline that an entry is in the log."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ledger.errors import IntegrityFailure
from ledger.log.checkpoint import Checkpoint, open_checkpoint
from ledger.log.lexical import (
    HASH_SIZE,
    MAX_SIZE,
    decode_base64,
    decode_hash,
    encode_base64,
    parse_decimal,
)
from ledger.log.note import MAX_NOTE_BYTES, VerifierKey, split_note
from ledger.log.tree import leaf_hash, verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = "c2sp.org/tlog-proof@v1"
"""First line of every receipt."""

MAX_PATH = 63
"""Longest inclusion path: a tree of at most 2⁶³-1 leaves is 63 levels high."""

MAX_EXTRA_BYTES = 65_536
"""Longest extra data that is read."""

_MAX_CHARACTERS = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES


@dataclass(frozen=True, slots=True)
class Receipt:
    """An entry's place in a signed log: index, inclusion path (leaf's sibling first), checkpoint.

    ``path`` holds up to 63 hashes of 32 bytes; ``checkpoint_note`` is the signed checkpoint
    verbatim; ``extra`` is None or non-empty and is covered by no signature.

    Raises:
        IntegrityFailure: ``decimal.malformed``, ``receipt.path``, ``receipt.extra`` or ``note.…``.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint_note: str
    extra: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse values that no receipt text could carry."""
        if not 0 <= self.index <= MAX_SIZE:
            raise IntegrityFailure(
                "decimal.malformed", f"An entry index of {self.index} is impossible."
            )
        if len(self.path) > MAX_PATH or any(len(step) != HASH_SIZE for step in self.path):
            raise IntegrityFailure("receipt.path", "A path is at most 63 hashes of 32 bytes.")
        if self.extra is not None and not 1 <= len(self.extra) <= MAX_EXTRA_BYTES:
            raise IntegrityFailure("receipt.extra", "Extra data is 1 to 65,536 bytes long.")
        _require_note(self.checkpoint_note)

    def text(self) -> str:
        """Write the receipt as the content of a ``.tlog-proof`` file."""
        extra = [] if self.extra is None else [f"extra {encode_base64(self.extra)}"]
        path = [encode_base64(step) for step in self.path]
        head = "\n".join([HEADER, *extra, f"index {self.index}", *path])
        return f"{head}\n\n{self.checkpoint_note}"


@lru_cache(maxsize=8)
def _require_note(note: str) -> None:
    # All receipts of one commit carry the same note.
    split_note(note)


def parse_receipt(text: str) -> Receipt:
    """Read a receipt by its exact grammar; nothing is verified yet.

    Raises:
        IntegrityFailure: ``receipt.too-long``, ``receipt.malformed``, ``receipt.…``,
            ``decimal.malformed``, ``base64.…`` or ``note.…``.
    """
    if len(text) > _MAX_CHARACTERS:
        raise IntegrityFailure("receipt.too-long", "This is too long to be a receipt.")
    head, separator, note = text.partition("\n\n")
    if not separator:
        raise _malformed("A receipt has an empty line before its checkpoint.", "end")
    lines = iter(head.split("\n"))
    if next(lines) != HEADER:
        raise _malformed(f"A receipt begins with {HEADER}.", "line 1")
    extra, index_line = _read_extra(lines)
    index = parse_decimal(_after("index ", index_line), where="index")
    path = tuple(decode_hash(step, where=f"path[{n}]") for n, step in enumerate(lines))
    return Receipt(index, path, note, extra)


def verify_receipt(receipt: Receipt, entry_bytes: bytes, vkey: VerifierKey) -> Checkpoint:
    """Check that these entry bytes are in the log at the receipt's index; give the checkpoint.

    The leaf hash is always computed from the entry; nothing but the log's key is trusted.

    Raises:
        IntegrityFailure: ``inclusion.…`` and malformed checkpoints.
        TrustFailure: ``note.…`` and ``checkpoint.foreign-key``.
    """
    checkpoint = open_checkpoint(receipt.checkpoint_note, vkey)
    verify_inclusion(
        index=receipt.index,
        size=checkpoint.size,
        leaf=leaf_hash(entry_bytes),
        path=receipt.path,
        root=checkpoint.root,
    )
    return checkpoint


def _read_extra(lines: Iterator[str]) -> tuple[bytes | None, str]:
    line = next(lines, "")
    if not line.startswith("extra "):
        return None, line
    extra = decode_base64(_after("extra ", line), where="extra")
    return extra, next(lines, "")


def _after(keyword: str, line: str) -> str:
    if not line.startswith(keyword):
        raise _malformed(f"A line beginning with '{keyword}' is missing.", keyword)
    return line.removeprefix(keyword)


def _malformed(message: str, where: str) -> IntegrityFailure:
    return IntegrityFailure("receipt.malformed", message, where=where)

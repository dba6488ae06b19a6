"""Checkpoints after C2SP tlog-checkpoint: the log's size and root under its own signature."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import IntegrityFailure, TrustFailure
from ledger.log.lexical import HASH_SIZE, MAX_SIZE, decode_hash, encode_base64, parse_decimal
from ledger.log.note import TextSigner, VerifierKey, is_key_name, open_note, sign_note
from ledger.log.tree import EMPTY_ROOT

_LINES = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: which log, how many entries (0 to 2⁶³-1), which root (32 bytes).

    Raises:
        IntegrityFailure: ``checkpoint.origin``, ``checkpoint.size`` or ``checkpoint.root``.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """Refuse values that no checkpoint text could carry."""
        if not is_key_name(self.origin):
            raise IntegrityFailure(
                "checkpoint.origin", "An origin is a key name: no spaces, '+' or controls."
            )
        if not 0 <= self.size <= MAX_SIZE:
            raise IntegrityFailure("checkpoint.size", f"A tree size of {self.size} is impossible.")
        if len(self.root) != HASH_SIZE:
            raise IntegrityFailure("checkpoint.root", "A root hash is 32 bytes long.")

    def text(self) -> str:
        """Write the three lines that are signed, each with its newline."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint text of exactly three lines; extension lines are refused.

    Extension lines are refused because nobody could audit them and the later cosignature
    formats do not cover them.

    Raises:
        IntegrityFailure: ``checkpoint.lines``, ``checkpoint.origin``, ``decimal.malformed`` or
            ``base64.…``.
    """
    lines = text.split("\n")
    if len(lines) != _LINES + 1 or lines[-1]:
        raise IntegrityFailure(
            "checkpoint.lines", "A checkpoint has exactly three lines: origin, size and root."
        )
    size = parse_decimal(lines[1], where="line 2")
    return Checkpoint(lines[0], size, decode_hash(lines[2], where="line 3"))


def sign_checkpoint(checkpoint: Checkpoint, signer: TextSigner) -> str:
    """Sign a checkpoint with the log's own key, whose name is the origin; give the note.

    Raises:
        TrustFailure: ``checkpoint.foreign-key`` when the key has another name.
    """
    _require_own_name(signer.name, checkpoint.origin)
    return sign_note(checkpoint.text(), [signer])


def open_checkpoint(note: str | bytes, vkey: VerifierKey) -> Checkpoint:
    """Check a checkpoint's signature by the log's key and read it.

    Raises:
        IntegrityFailure: for a malformed note or text, and ``checkpoint.empty-root`` when a tree
            of size 0 does not have the root of the empty tree.
        TrustFailure: ``note.…`` when the signature does not hold, ``checkpoint.foreign-key`` when
            the origin is not the key's name.
    """
    checkpoint = parse_checkpoint(open_note(note, [vkey]).text)
    _require_own_name(vkey.name, checkpoint.origin)
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise IntegrityFailure(
            "checkpoint.empty-root", "A tree of size 0 has the root of the empty tree."
        )
    return checkpoint


def _require_own_name(key_name: str, origin: str) -> None:
    if key_name != origin:
        raise TrustFailure(
            "checkpoint.foreign-key", f"The key {key_name} is not the key of the log {origin}."
        )

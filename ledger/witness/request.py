"""The body of ``add-checkpoint``, read by one exact grammar before anything is believed."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import IntegrityFailure
from ledger.log.checkpoint import Checkpoint, parse_checkpoint
from ledger.log.lexical import decode_hash, encode_base64, parse_decimal
from ledger.log.note import split_note

MAX_BODY_BYTES = 128 * 1024
"""Longest body that is read: 63 proof lines and a note of over 30 ML-DSA-44 signatures fit."""

MAX_PROOF_LINES = 63
"""Most consistency proof lines a client may send."""

_OLD = "old "


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign: the size to prove from, the proof (32-byte hashes) and the note.

    ``checkpoint`` is what the note's text says; no signature has been looked at.
    """

    old: int
    proof: tuple[bytes, ...]
    note: str
    checkpoint: Checkpoint

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """Read a body: ``old <decimal>``, 0 to 63 base64 hashes, an empty line, the note.

        A checkpoint with extension lines is refused: ML-DSA-44 cosignatures do not cover them.

        Raises:
            IntegrityFailure: ``add-checkpoint.…``, ``decimal.malformed``, ``base64.…``,
                ``note.…`` or ``checkpoint.…``.
        """
        if len(body) > MAX_BODY_BYTES:
            raise _malformed("too-long", f"The body is longer than {MAX_BODY_BYTES} bytes.")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise _malformed("not-utf-8", "The body is not valid UTF-8.") from error
        head, separator, note = text.partition("\n\n")
        if not separator:
            raise _malformed("no-checkpoint", "An empty line and a checkpoint follow the proof.")
        first, *lines = head.split("\n")
        if not first.startswith(_OLD):
            raise _malformed("old", "The first line says 'old' and a tree size.", "line 1")
        if len(lines) > MAX_PROOF_LINES:
            raise _malformed("proof-too-long", "A proof has at most 63 lines.")
        old = parse_decimal(first.removeprefix(_OLD), where="line 1")
        proof = tuple(decode_hash(line, where=f"line {i}") for i, line in enumerate(lines, 2))
        return cls(old, proof, note, parse_checkpoint(split_note(note)[0]))

    def body(self) -> bytes:
        """Write the body that ``parse`` reads."""
        hashes = "".join(f"{encode_base64(node)}\n" for node in self.proof)
        return f"{_OLD}{self.old}\n{hashes}\n{self.note}".encode()


def _malformed(reason: str, message: str, where: str | None = None) -> IntegrityFailure:
    return IntegrityFailure(f"add-checkpoint.{reason}", message, where=where)

"""Cosignatures after C2SP tlog-cosignature: who saw which tree of a log, and when.

A cosigner's line in a note carries its time: key ID ‖ u64 POSIX seconds ‖ signature. Ed25519
(type 0x04) signs the checkpoint's text, ML-DSA-44 (type 0x06) the tree it states together with
the cosigner's own name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from ledger.errors import IntegrityFailure, TrustFailure
from ledger.log.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.log.note import (
    ED25519,
    ED25519_COSIGNATURE,
    ML_DSA_44_COSIGNATURE,
    NoteSignature,
    TextVerifier,
    VerifierKey,
    open_note,
    split_note,
)
from ledger.signing import ed25519

if TYPE_CHECKING:
    from collections.abc import Iterable

SEED_BYTES = 32
"""Length of the seed of either kind of key (RFC 8032 §5.1.5; FIPS 204 §6.1)."""

MAX_TIME = 2**63 - 1
"""Latest time a cosignature can carry, POSIX seconds."""

_COSIGNATURE_TYPES = (ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE)
_TIME_BYTES = 8
_MAX_NAME_BYTES = 255
_SUBTREE_LABEL = b"subtree/v1\n\x00"


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A known cosigner's public key, as a verifier that ``open_note`` takes.

    Raises:
        TrustFailure: ``cosignature.key-type`` for a key of another type,
            ``cosignature.name-length`` for an ML-DSA-44 cosigner whose name does not fit into
            255 bytes.
    """

    vkey: VerifierKey

    def __post_init__(self) -> None:
        """Refuse a key that cannot cosign."""
        if self.vkey.type not in _COSIGNATURE_TYPES:
            raise TrustFailure(
                "cosignature.key-type", f"The key of {self.vkey.name} is not a cosigner's key."
            )
        if self.vkey.type == ML_DSA_44_COSIGNATURE:
            _name_field(self.vkey.name)

    @property
    def name(self) -> str:
        """Key name."""
        return self.vkey.name

    @property
    def key_id(self) -> bytes:
        """Key ID, 4 bytes."""
        return self.vkey.key_id

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Say whether ``signature`` (time ‖ signature) is this cosigner's over a checkpoint text.

        Raises:
            IntegrityFailure: ``checkpoint.…`` when an ML-DSA-44 cosignature is to be checked over
                a text that is not a checkpoint.
        """
        if len(signature) <= _TIME_BYTES or (time := time_of(signature)) > MAX_TIME:
            return False
        message = signed_message(self.vkey, text, time)
        if self.vkey.type == ED25519_COSIGNATURE:
            return ed25519.holds(self.vkey.public, message, signature[_TIME_BYTES:])
        try:
            ml_dsa = MLDSA44PublicKey.from_public_bytes(self.vkey.public)
            ml_dsa.verify(signature[_TIME_BYTES:], message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A cosigner with its private half in memory: a witness, or the log's own ML-DSA-44 key."""

    vkey: VerifierKey
    _private: Ed25519PrivateKey | MLDSA44PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes, *, kind: int = ED25519_COSIGNATURE) -> Cosigner:
        """Make the cosigner of a key name from a 32-byte seed.

        ``kind`` is ``ED25519_COSIGNATURE`` or ``ML_DSA_44_COSIGNATURE``. One seed serves one name:
        the Ed25519 message does not say whose it is.

        Raises:
            TrustFailure: ``cosignature.seed-length``, ``cosignature.key-type``,
                ``cosignature.name-length`` or ``note.key-name``.
        """
        if len(seed) != SEED_BYTES:
            raise TrustFailure("cosignature.seed-length", "A cosigner's seed is 32 bytes long.")
        private: Ed25519PrivateKey | MLDSA44PrivateKey
        if kind == ML_DSA_44_COSIGNATURE:
            private = MLDSA44PrivateKey.from_seed_bytes(seed)
        else:
            private = Ed25519PrivateKey.from_private_bytes(seed)
        vkey = VerifierKey(name, kind, private.public_key().public_bytes_raw())
        return cls(CosignerKey(vkey).vkey, private)

    @property
    def name(self) -> str:
        """Key name."""
        return self.vkey.name

    @property
    def key_id(self) -> bytes:
        """Key ID, 4 bytes."""
        return self.vkey.key_id

    def sign(self, text: bytes, *, time: int) -> bytes:
        """Cosign a checkpoint text; give time ‖ signature, as it follows the key ID.

        ``time`` is in POSIX seconds; ML-DSA-44 signing is hedged, so two signatures differ.

        Raises:
            IntegrityFailure: ``checkpoint.…`` when the text is not a checkpoint.
            TrustFailure: ``cosignature.time`` or ``cosignature.name-length``.
        """
        parse_checkpoint(_decode(text))
        if not 1 <= time <= MAX_TIME:
            raise TrustFailure("cosignature.time", f"A cosignature cannot be of the time {time}.")
        signature = self._private.sign(signed_message(self.vkey, text, time))
        return time.to_bytes(_TIME_BYTES, "big") + signature


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that holds: whose, and its time in POSIX seconds (0: no time stated)."""

    vkey: VerifierKey
    time: int


@dataclass(frozen=True, slots=True)
class CosignedCheckpoint:
    """A checkpoint signed by its log, with the cosignatures of known cosigners that hold."""

    checkpoint: Checkpoint
    cosignatures: tuple[Cosignature, ...]


def signed_message(vkey: VerifierKey, text: bytes, time: int) -> bytes:
    """Give the bytes that a cosigner of this key signs for a checkpoint text at a time.

    Ed25519: ``cosignature/v1``, a time line and the whole text. ML-DSA-44: the structure
    ``cosigned_message`` with start 0 and end the tree size; FIPS 204 with an empty context.

    Raises:
        IntegrityFailure: ``checkpoint.…`` for ML-DSA-44 over a text that is no checkpoint.
        TrustFailure: ``cosignature.name-length``.
    """
    if vkey.type == ED25519_COSIGNATURE:
        return b"cosignature/v1\ntime %d\n" % time + text
    checkpoint = parse_checkpoint(_decode(text))
    return b"".join(
        (
            _SUBTREE_LABEL,
            _name_field(vkey.name),
            time.to_bytes(8, "big"),
            _name_field(checkpoint.origin),
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def time_of(signature: bytes) -> int:
    """Give the time (POSIX seconds) at the head of a cosignature's bytes after the key ID."""
    return int.from_bytes(signature[:_TIME_BYTES], "big")


def cosign(note: str | bytes, cosigner: Cosigner, *, time: int) -> str:
    """Cosign the checkpoint in a note at a time; give the signature line with its newline.

    Nothing is verified here: whoever cosigns has checked the log's signature and the consistency
    with all he cosigned before.

    Raises:
        IntegrityFailure: ``note.…`` or ``checkpoint.…``.
        TrustFailure: ``cosignature.time`` or ``cosignature.name-length``.
    """
    text = split_note(note)[0].encode()
    return f"{NoteSignature(cosigner.name, cosigner.key_id, cosigner.sign(text, time=time))}\n"


def add_signatures(note: str | bytes, lines: Iterable[str]) -> str:
    """Give the note with further signature lines, each with its newline.

    A line of a key that is there already takes that line's place, so that a note holds one line
    of each key.

    Raises:
        IntegrityFailure: ``note.…`` when note or lines are malformed.
    """
    text, signatures = split_note(note)
    added = "".join(lines)
    if added:
        signatures += split_note(f"{text}\n{added}")[1]
    by_key = {(line.name, line.key_id): f"{line}\n" for line in signatures}
    whole = f"{text}\n{''.join(by_key.values())}"
    split_note(whole)
    return whole


def verify_cosignature(note: str | bytes, vkey: VerifierKey) -> int:
    """Check one cosigner's line in a note; give its time in POSIX seconds.

    Raises:
        IntegrityFailure: ``note.…`` or ``checkpoint.…``.
        TrustFailure: ``note.no-known-signature`` when the cosigner's line is not there,
            ``note.bad-signature`` when it does not hold, ``cosignature.key-type``.
    """
    return time_of(open_note(note, [CosignerKey(vkey)]).verified[0].signature)


def open_cosigned(
    note: str | bytes, log: VerifierKey, cosigners: Iterable[VerifierKey]
) -> CosignedCheckpoint:
    """Check a checkpoint by its log's Ed25519 key and every line of a known cosigner.

    The log's signature must be there; cosigners may be missing, but a known one's line that does
    not hold condemns the note (C2SP signed-note).

    Raises:
        IntegrityFailure: ``note.…`` or ``checkpoint.…``.
        TrustFailure: ``note.…``, ``checkpoint.foreign-key`` or ``cosignature.…``.
    """
    checkpoint = open_checkpoint(note, log)
    known = {(key.name, key.key_id): key for key in cosigners}
    opened = open_note(note, [log, *(CosignerKey(key) for key in known.values())])
    return CosignedCheckpoint(
        checkpoint,
        tuple(
            Cosignature(known[line.name, line.key_id], time_of(line.signature))
            for line in opened.verified
            if (line.name, line.key_id) in known
        ),
    )


def verifier_of(vkey: VerifierKey) -> TextVerifier:
    """Give the verifier of a key of any known type, to open notes with."""
    return vkey if vkey.type == ED25519 else CosignerKey(vkey)


def _name_field(name: str) -> bytes:
    encoded = name.encode()
    if len(encoded) > _MAX_NAME_BYTES:
        raise TrustFailure(
            "cosignature.name-length", "An ML-DSA-44 cosignature takes names of up to 255 bytes."
        )
    return bytes([len(encoded)]) + encoded


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise IntegrityFailure("checkpoint.lines", "A checkpoint is valid UTF-8.") from error

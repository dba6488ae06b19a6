"""Signed notes and their keys after C2SP signed-note: text that carries signature lines.

A note is read by one exact grammar and its text is given out only when a known key has signed
it. Cosignature types have their own messages and join as further ``TextVerifier`` values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.errors import IntegrityFailure, TrustFailure
from ledger.log.lexical import decode_base64, encode_base64
from ledger.signing import ed25519
from ledger.signing.weak_keys import reject_weak_ed25519

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ED25519 = 0x01
"""Signature type of plain Ed25519 over the note text."""

ED25519_COSIGNATURE = 0x04
"""Signature type of a timestamped Ed25519 cosignature (C2SP tlog-cosignature)."""

ML_DSA_44_COSIGNATURE = 0x06
"""Signature type of a timestamped ML-DSA-44 cosignature (C2SP tlog-cosignature)."""

MAX_NOTE_BYTES = 1_000_000
"""Longest note that is read at all."""

MAX_SIGNATURES = 100
"""Most signature lines a note may have; the format asks for at least 16."""

_PUBLIC_KEY_BYTES: Mapping[int, int] = {
    ED25519: 32,
    ED25519_COSIGNATURE: 32,
    ML_DSA_44_COSIGNATURE: 1312,
}
_MAX_VKEY_CHARACTERS = 4096
_ASK = "Give the line that `trial-ledger keys log` prints: name+id+base64."
_KEY_ID_BYTES = 4
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_SIGNATURE_LINE = re.compile(r"— ([^ ]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class TextVerifier(Protocol):
    """A known key that can say whether a signature over a note text is its own."""

    @property
    def name(self) -> str:
        """Key name as it stands in signature lines."""

    @property
    def key_id(self) -> bytes:
        """Key ID, 4 bytes."""

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Say whether ``signature`` (without key ID) is this key's over ``text``."""


class TextSigner(Protocol):
    """A key that can sign a note text, wherever its private half is kept."""

    @property
    def name(self) -> str:
        """Key name as it will stand in the signature line."""

    @property
    def key_id(self) -> bytes:
        """Key ID, 4 bytes."""

    def sign(self, text: bytes) -> bytes:
        """Sign the note text, its last newline included; give the bytes without key ID."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A note's public key with its name, as written in a vkey ``name+id+base64(type ‖ key)``.

    ``key_id`` (4 bytes) follows from the rest, so it is computed and never taken on trust.

    Raises:
        TrustFailure: ``note.key-name``, ``note.key-type``, ``note.key-length`` or ``ed25519.…``
            for a weak key.
    """

    name: str
    type: int
    public: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Check name, type and key, and compute the key ID."""
        if not is_key_name(self.name):
            raise TrustFailure("note.key-name", "A key name has no spaces, '+' or controls.")
        if self.type not in _PUBLIC_KEY_BYTES:
            raise TrustFailure("note.key-type", f"Key type 0x{self.type:02x} is not known here.")
        if len(self.public) != _PUBLIC_KEY_BYTES[self.type]:
            raise TrustFailure("note.key-length", "The public key is not as long as its type.")
        if self.type in (ED25519, ED25519_COSIGNATURE):
            reject_weak_ed25519(self.public)
        message = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        object.__setattr__(self, "key_id", sha256(message).digest()[:_KEY_ID_BYTES])

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """Read a vkey; its key ID must be the one that follows from name and key.

        Raises:
            TrustFailure: ``note.vkey-malformed``, ``note.vkey-id`` or as the class says.
        """
        match = _VKEY.fullmatch(vkey) if len(vkey) <= _MAX_VKEY_CHARACTERS else None
        if match is None:
            raise TrustFailure("note.vkey-malformed", "This is not a verifier key.", remedy=_ASK)
        try:
            encoded = decode_base64(match[3], where="vkey")
        except IntegrityFailure as error:
            raise TrustFailure(
                "note.vkey-malformed", "This is not a verifier key.", remedy=_ASK
            ) from error
        key = cls(match[1], encoded[0], encoded[1:])
        if key.key_id.hex() != match[2]:
            raise TrustFailure(
                "note.vkey-id",
                "The key ID does not belong to this name and key.",
                where="vkey",
                remedy=_ASK,
            )
        return key

    def __str__(self) -> str:
        """Write the vkey."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type]) + self.public)}"

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Say whether ``signature`` is this Ed25519 key's over ``text`` (RFC 8032 §5.1.7).

        Raises:
            TrustFailure: ``note.not-a-text-key`` for a cosignature key, whose signatures do not
                stand over the note text.
        """
        if self.type != ED25519:
            raise TrustFailure(
                "note.not-a-text-key",
                f"{self.name} is a cosigner's key and does not sign the text itself.",
            )
        return ed25519.holds(self.public, text, signature)


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """An Ed25519 note key with its private half in memory."""

    verifier: VerifierKey
    _private: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> NoteSigner:
        """Make the signer of a key name from a 32-byte seed (RFC 8032 §5.1.5).

        Raises:
            TrustFailure: ``note.seed-length`` or ``note.key-name``.
        """
        if len(seed) != _PUBLIC_KEY_BYTES[ED25519]:
            raise TrustFailure("note.seed-length", "An Ed25519 seed is 32 bytes long.")
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        return cls(VerifierKey(name, ED25519, public), private)

    @property
    def name(self) -> str:
        """Key name."""
        return self.verifier.name

    @property
    def key_id(self) -> bytes:
        """Key ID, 4 bytes."""
        return self.verifier.key_id

    def sign(self, text: bytes) -> bytes:
        """Sign the note text; give 64 bytes."""
        return self._private.sign(text)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: key name, key ID (4 bytes) and signature bytes after the ID."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """Write the line without its newline."""
        return f"— {self.name} {encode_base64(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note's text, ending in a newline, with the signatures that hold and the unknown ones."""

    text: str
    verified: tuple[NoteSignature, ...]
    unknown: tuple[NoteSignature, ...]


def is_key_name(name: str) -> bool:
    """Say whether a name may stand in a signature line: not empty, no Unicode space, no ``+``.

    Control characters and lone surrogates are not possible in a note and so not in a name.
    """
    if not name or any(c == "+" or c.isspace() or c < " " for c in name):
        return False
    return not any("\ud800" <= c <= "\udfff" for c in name)


def sign_note(text: str, signers: Iterable[TextSigner]) -> str:
    """Sign a text and write the note, signature lines in the order of the signers.

    Raises:
        IntegrityFailure: ``note.…`` when the text cannot stand in a note.
        TrustFailure: ``note.key-name``.
    """
    if not text.endswith("\n"):
        raise _malformed("text-end", "The text of a note ends with a newline.")
    encoded = _require_note_characters(text).encode()
    lines = [
        f"{NoteSignature(signer.name, signer.key_id, signer.sign(encoded))}\n" for signer in signers
    ]
    note = f"{text}\n{''.join(lines)}"
    split_note(note)
    return note


def split_note(note: str | bytes) -> tuple[str, tuple[NoteSignature, ...]]:
    """Take a note apart by its grammar alone: text and signature lines, nothing verified.

    Raises:
        IntegrityFailure: ``note.too-long``, ``note.not-utf-8``, ``note.control-character``,
            ``note.no-signatures``, ``note.too-many-signatures`` or ``note.signature-line``.
    """
    decoded = _require_note_characters(note)
    separator = decoded.rfind("\n\n")
    block = decoded[separator + 2 :]
    if separator < 0 or not block.endswith("\n"):
        raise _malformed("no-signatures", "A note ends with an empty line and signature lines.")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed("too-many-signatures", "A note has at most 100 signatures.")
    signatures = tuple(_parse_signature_line(line, i) for i, line in enumerate(lines))
    return decoded[: separator + 1], signatures


def open_note(note: str | bytes, verifiers: Iterable[TextVerifier]) -> OpenedNote:
    """Read a note and check it: every signature of a known key must hold, at least one be there.

    Signatures of unknown (name, key ID) pairs are listed but otherwise ignored; a repeated
    signature of one key is checked each time and listed once.

    Raises:
        IntegrityFailure: as ``split_note``.
        TrustFailure: ``note.ambiguous-key``, ``note.bad-signature`` or
            ``note.no-known-signature``.
    """
    known = _by_name_and_id(verifiers)
    text, signatures = split_note(note)
    encoded = text.encode()
    verified: dict[tuple[str, bytes], NoteSignature] = {}
    unknown: list[NoteSignature] = []
    for line in signatures:
        pair = (line.name, line.key_id)
        verifier = known.get(pair)
        if verifier is None:
            unknown.append(line)
        elif not verifier.verifies(encoded, line.signature):
            raise TrustFailure(
                "note.bad-signature",
                f"The signature of {line.name} does not hold.",
                where=str(line),
            )
        else:
            verified.setdefault(pair, line)
    if not verified:
        raise TrustFailure("note.no-known-signature", "No known key has signed this note.")
    return OpenedNote(text, tuple(verified.values()), tuple(unknown))


def _by_name_and_id(verifiers: Iterable[TextVerifier]) -> dict[tuple[str, bytes], TextVerifier]:
    known: dict[tuple[str, bytes], TextVerifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) is not verifier:
            raise TrustFailure(
                "note.ambiguous-key", f"Two known keys share the name {verifier.name} and its ID."
            )
    return known


def _parse_signature_line(line: str, number: int) -> NoteSignature:
    where = f"signature {number + 1}"
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None or not is_key_name(match[1]):
        raise _malformed("signature-line", "This is not a signature line.", where)
    blob = decode_base64(match[2], where=where)
    if len(blob) <= _KEY_ID_BYTES:
        raise _malformed("signature-line", "The signature is empty.", where)
    return NoteSignature(match[1], blob[:_KEY_ID_BYTES], blob[_KEY_ID_BYTES:])


def _require_note_characters(note: str | bytes) -> str:
    if len(note) > MAX_NOTE_BYTES:
        raise _malformed("too-long", "A note is at most 1,000,000 bytes long.")
    try:
        encoded = note.encode() if isinstance(note, str) else note
        decoded = encoded.decode()
    except UnicodeError as error:
        raise _malformed("not-utf-8", "A note is valid UTF-8.") from error
    if len(encoded) > MAX_NOTE_BYTES:
        raise _malformed("too-long", "A note is at most 1,000,000 bytes long.")
    if (control := _CONTROL.search(decoded)) is not None:
        raise _malformed(
            "control-character",
            "A note has no control character but the newline.",
            f"character {control.start()}",
        )
    return decoded


def _malformed(reason: str, message: str, where: str | None = None) -> IntegrityFailure:
    return IntegrityFailure(f"note.{reason}", message, where=where)

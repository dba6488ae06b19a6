"""The ledger's own secrets: statement key, checkpoint keys, and the salt secret.

Four separate values (DESIGN 5: statement key is not the checkpoint key), kept in one file that
only the service may read. Every checkpoint is signed with Ed25519; published ones carry an
ML-DSA-44 cosignature by the log itself too, since records are kept for thirty years.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.errors import TrustFailure
from ledger.log.cosignature import Cosigner
from ledger.log.note import ML_DSA_44_COSIGNATURE, NoteSigner, VerifierKey
from ledger.signing import strict_json
from ledger.signing.jwk import SigningKey

if TYPE_CHECKING:
    from pathlib import Path

_SEED_BYTES = 32
_SEED_HEX = re.compile(r"[0-9a-f]{64}")
_MEMBERS = ("origin", "statement_seed", "checkpoint_seed", "salt_secret", "cosigner_seed")
_DERIVED = ("statement", "checkpoint", "salt", "cosigner")


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The signing material of one ledger; ``origin`` is the log's name (C2SP key name)."""

    origin: str
    statement_seed: bytes = field(repr=False)
    checkpoint_seed: bytes = field(repr=False)
    salt_secret: bytes = field(repr=False)
    cosigner_seed: bytes = field(repr=False)

    @property
    def statement_key(self) -> SigningKey:
        """The key the ledger signs results and entry 0 with."""
        return SigningKey.from_seed(self.statement_seed)

    @property
    def checkpoint_signer(self) -> NoteSigner:
        """The key that signs checkpoints under the log's name."""
        return NoteSigner.from_seed(self.origin, self.checkpoint_seed)

    @property
    def vkey(self) -> VerifierKey:
        """The verifier key of the log, to be handed over out of band."""
        return self.checkpoint_signer.verifier

    @property
    def cosigner(self) -> Cosigner:
        """The ML-DSA-44 key with which the log cosigns what it publishes, under its own name."""
        return Cosigner.from_seed(self.origin, self.cosigner_seed, kind=ML_DSA_44_COSIGNATURE)

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """All verifier keys of the log, as entry 0 lists them: Ed25519 first, then ML-DSA-44."""
        return self.vkey, self.cosigner.vkey

    def derive(self, purpose: str) -> bytes:
        """32 secret bytes bound to a purpose: the same question always has the same answer."""
        return hmac.digest(self.salt_secret, purpose.encode(), hashlib.sha256)

    @classmethod
    def generate(cls, origin: str) -> LedgerKeys:
        """New random keys."""
        return cls(origin, *(secrets.token_bytes(_SEED_BYTES) for _ in _DERIVED))

    @classmethod
    def from_seed(cls, origin: str, seed: bytes) -> LedgerKeys:
        """Keys derived from a seed, for demonstrations only."""
        return cls(
            origin,
            *(hmac.digest(seed, f"{origin}/{name}".encode(), hashlib.sha256) for name in _DERIVED),
        )

    def save(self, path: Path) -> None:
        """Write the keys to a new file that only its owner can read.

        Raises FileExistsError when the file is there: keys are never overwritten.
        """
        content = json.dumps(
            {
                "origin": self.origin,
                "statement_seed": self.statement_seed.hex(),
                "checkpoint_seed": self.checkpoint_seed.hex(),
                "salt_secret": self.salt_secret.hex(),
                "cosigner_seed": self.cosigner_seed.hex(),
            },
            indent=2,
        )
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> LedgerKeys:
        """Read the keys; raises TrustFailure for a file missing, open to others or malformed."""
        if not path.is_file():
            raise TrustFailure(
                "keys.missing",
                f"The key file {path.name} is missing.",
                remedy="Put it back; without it the ledger can be read but not continued.",
            )
        if path.stat().st_mode & 0o077:
            raise TrustFailure(
                "keys.open-to-others",
                f"The key file {path.name} can be read by others.",
                remedy=f"Run chmod 600 {path.name} and consider the keys compromised.",
            )
        value = strict_json.parse_object(path.read_bytes())
        origin, *secret = (value.get(name) for name in _MEMBERS)
        texts = [text for text in secret if isinstance(text, str) and _SEED_HEX.fullmatch(text)]
        if not isinstance(origin, str) or len(texts) != len(secret):
            raise TrustFailure(
                "keys.malformed", f"The key file {path.name} is not a ledger's key file."
            )
        return cls(origin, *(bytes.fromhex(text) for text in texts))

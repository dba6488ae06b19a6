"""The witness's own keys, in one file that only its operator can read."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.errors import RejectedInput, TrustFailure
from ledger.log.cosignature import SEED_BYTES, Cosigner, CosignerKey
from ledger.log.note import ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, VerifierKey
from ledger.signing.strict_json import parse_object

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.log.note import TextVerifier
    from ledger.signing.strict_json import JsonObject

_SEED_HEX = re.compile(r"[0-9a-f]{64}")
_SEEDS = {"ed25519_seed": ED25519_COSIGNATURE, "ml_dsa_44_seed": ML_DSA_44_COSIGNATURE}


@dataclass(frozen=True, slots=True)
class WitnessKeys:
    """The cosigners of one witness, all of one name: Ed25519, and ML-DSA-44 if it has one."""

    cosigners: tuple[Cosigner, ...]

    @property
    def name(self) -> str:
        """The witness's name, as it stands in its signature lines."""
        return self.cosigners[0].name

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """The public keys, to be handed to whoever relies on this witness."""
        return tuple(cosigner.vkey for cosigner in self.cosigners)

    @property
    def verifiers(self) -> tuple[TextVerifier, ...]:
        """The public keys as verifiers of this witness's own lines."""
        return tuple(CosignerKey(vkey) for vkey in self.vkeys)

    @classmethod
    def load(cls, path: Path) -> WitnessKeys:
        """Read a key file.

        Raises TrustFailure ``witness.key-missing``, ``.key-open-to-others`` or ``.key-malformed``.
        """
        if not path.is_file():
            raise TrustFailure(
                "witness.key-missing",
                f"There is no key file {path.name}.",
                remedy="Make one with trial-ledger witness new-key.",
            )
        if path.stat().st_mode & 0o077:
            raise TrustFailure(
                "witness.key-open-to-others",
                f"The key file {path.name} can be read by others.",
                remedy=f"Run chmod 600 {path.name}; if the key may be known, make a new one.",
            )
        try:
            return cls._read(parse_object(path.read_bytes()))
        except (RejectedInput, TrustFailure) as error:
            raise TrustFailure(
                "witness.key-malformed", f"{path.name} is not a witness's key file."
            ) from error

    @classmethod
    def _read(cls, value: JsonObject) -> WitnessKeys:
        name, found = value.get("name"), [member for member in _SEEDS if member in value]
        if not isinstance(name, str) or value.keys() != {"name", *found} or not found:
            raise TrustFailure("witness.key-malformed", "The members are not those of a key file.")
        cosigners = []
        for member in found:
            seed = value[member]
            if not isinstance(seed, str) or _SEED_HEX.fullmatch(seed) is None:
                raise TrustFailure("witness.key-malformed", f"{member} is not a seed.")
            cosigners.append(Cosigner.from_seed(name, bytes.fromhex(seed), kind=_SEEDS[member]))
        return cls(tuple(cosigners))


def new_key_file(path: Path, name: str, *, ml_dsa_44: bool) -> WitnessKeys:
    """Make fresh keys of a name, keep them in a new file of mode 0600 and give them.

    Raises TrustFailure ``note.key-name`` and ``cosignature.name-length``, FileExistsError when
    the file is there: a key is never overwritten.
    """
    kinds = _SEEDS if ml_dsa_44 else {"ed25519_seed": ED25519_COSIGNATURE}
    seeds = {member: secrets.token_bytes(SEED_BYTES) for member in kinds}
    keys = WitnessKeys(
        tuple(Cosigner.from_seed(name, seeds[member], kind=kinds[member]) for member in kinds)
    )
    content = {"name": name} | {member: seed.hex() for member, seed in seeds.items()}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return keys

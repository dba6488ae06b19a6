"""What a ciphertext is bound to, as associated data of AES-GCM: nothing fits another place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ledger.signing.strict_json import canonical

if TYPE_CHECKING:
    from ledger.vocabulary import Purpose

KEY_BYTES: Final = 32
"""Length of data keys and of key-encryption keys: AES-256."""

NONCE_BYTES: Final = 12
"""Length of a nonce: 96 random bits (NIST SP 800-38D, 8.2.2)."""

TAG_BYTES: Final = 16
"""Length of the authentication tag."""

_OPENING: Final = "trial-ledger/opening/v1"
_DATA_KEY: Final = "trial-ledger/data-key/v1"
_SUBJECTS: Final = frozenset(("subject", "treatment"))


@dataclass(frozen=True, slots=True, order=True)
class KeyName:
    """What a data key is for: one owner's openings of one purpose in one trial."""

    trial: str
    owner: str
    purpose: Purpose

    def context(self, key_id: bytes, kek: str) -> bytes:
        """The associated data under which the key-encryption key ``kek`` wraps the data key."""
        members = [_DATA_KEY, self.trial, self.owner, self.purpose.value, key_id.hex(), kek]
        return canonical([*members])


@dataclass(frozen=True, slots=True)
class Place:
    """Where an opening belongs: the event, its stream, and the purpose its member is sealed for."""

    stream: str
    event_id: str
    purpose: Purpose

    def key_name(self, trial: str) -> KeyName:
        """The data key that conceals what stands here."""
        return KeyName(trial, owner_of(self.stream), self.purpose)

    def context(self, trial: str, *, digest: bytes, key_id: bytes) -> bytes:
        """The associated data of the opening whose SHA-256 ``digest`` the event's ``_sd`` lists."""
        members = [_OPENING, trial, self.stream, self.event_id, self.purpose.value]
        return canonical([*members, digest.hex(), key_id.hex()])


def owner_of(stream: str) -> str:
    """Whose key conceals a stream's openings: the subject's for both its streams, or the stream's.

    A subject has an arm-neutral and a treatment stream, and one life: erasure reaches both.
    """
    family, _, name = stream.partition("/")
    return f"subject/{name}" if family in _SUBJECTS else stream

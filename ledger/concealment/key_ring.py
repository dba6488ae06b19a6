"""Key-encryption keys: what wraps data keys, and the ring of those at hand.

The first key of a ring is the one a rotation goes to; the others unwrap what they once wrapped,
until a rotation has left nothing under them. Which key wraps what is new, the key store says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ledger.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class KeyEncryptionKey(Protocol):
    """A key that wraps other keys, wherever it lies."""

    @property
    def id(self) -> str:
        """A name that is never given to another key."""

    def wrap(self, key: bytes, *, context: bytes, nonce: bytes) -> bytes:
        """Encrypt a key, bound to ``context``."""

    def unwrap(self, wrapped: bytes, *, context: bytes) -> bytes:
        """Decrypt a key; raises IntegrityFailure ``concealment.altered``."""


class KeyRing:
    """The key-encryption keys at hand, the current one first.

    ``read`` gives them anew: when a key is asked for that was not there before, another process
    may just have rotated.
    """

    def __init__(self, read: Callable[[], Sequence[KeyEncryptionKey]]) -> None:
        self._read = read
        self._keys = tuple(read())

    @classmethod
    def of(cls, *keys: KeyEncryptionKey) -> KeyRing:
        """A ring of fixed keys."""
        return cls(lambda: keys)

    @property
    def current(self) -> KeyEncryptionKey:
        """The first key; raises Unavailable ``concealment.no-key`` when there is none."""
        if not self._keys:
            raise Unavailable("concealment.no-key", "No key-encryption key is configured.")
        return self._keys[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys at hand, the current one first."""
        return tuple(key.id for key in self._keys)

    def reload(self) -> None:
        """Read the keys anew."""
        self._keys = tuple(self._read())

    def get(self, name: str) -> KeyEncryptionKey:
        """The key of an id; raises Unavailable ``concealment.key-missing``."""
        for attempt in (0, 1):
            for key in self._keys:
                if key.id == name:
                    return key
            if not attempt:
                self.reload()
        raise Unavailable(
            "concealment.key-missing",
            f"The key-encryption key {name} is not at hand, so what it protects cannot be read.",
            remedy="Give the service this key too, or the one it was rotated to.",
        )

"""Rows that are made of opened text and kept on disk: sealed under a key that dies with them.

Views of the log can be thrown away and made again, so their key needs no store: it stands beside
them, wrapped by the key-encryption key. When something was erased the rows and their key go, and
both are made anew. After a rotation the old key cannot be unwrapped, which has the same effect.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ledger.concealment.binding import KEY_BYTES, NONCE_BYTES
from ledger.concealment.envelope import BLOCK, decrypt, encrypt
from ledger.errors import LedgerError
from ledger.signing.strict_json import canonical

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.concealment.key_ring import KeyRing
    from ledger.concealment.vault import Vault

_KEY: Final = "trial-ledger/rows-key/v1"
_ROW: Final = "trial-ledger/row/v1"


@dataclass(frozen=True, slots=True)
class RowKey:
    """The key of a set of rows: in memory, and as it is kept beside them."""

    kek: str
    wrapped: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    def seal(self, text: str, *place: str) -> bytes:
        """A row's text, bound to where it stands; its length tells nothing within 256 bytes."""
        data = text.encode()
        padded = data.ljust(-(-max(len(data), 1) // BLOCK) * BLOCK, b"\0")
        nonce = secrets.token_bytes(NONCE_BYTES)
        return encrypt(self.secret, padded, context=_context(_ROW, *place), nonce=nonce)

    def open(self, sealed: bytes, *place: str) -> str:
        """The text of a row; raises IntegrityFailure ``concealment.altered``."""
        return decrypt(self.secret, sealed, context=_context(_ROW, *place)).rstrip(b"\0").decode()


class RowKeys:
    """Makes and unwraps the keys of rows, for one trial."""

    def __init__(
        self,
        trial: str,
        ring: Callable[[], KeyRing],
        kek: Callable[[], str | None],
    ) -> None:
        self._trial, self._ring, self._kek = trial, ring, kek

    @classmethod
    def of(cls, vault: Vault) -> RowKeys:
        """Row keys under the key-encryption key that a vault's new data keys come under."""
        return cls(vault.trial, lambda: vault.ring, vault.store.kek)

    def new(self) -> RowKey:
        """A fresh key; raises Unavailable when the key-encryption key is not at hand."""
        ring, secret = self._ring(), secrets.token_bytes(KEY_BYTES)
        kek = ring.get(self._kek() or ring.current.id)
        nonce = secrets.token_bytes(NONCE_BYTES)
        context = _context(_KEY, self._trial, kek.id)
        return RowKey(kek.id, kek.wrap(secret, context=context, nonce=nonce), secret)

    def unwrap(self, kek: str, wrapped: bytes) -> RowKey | None:
        """The key kept beside rows; None when it cannot be had, and the rows are worthless."""
        try:
            context = _context(_KEY, self._trial, kek)
            secret = self._ring().get(kek).unwrap(wrapped, context=context)
        except LedgerError:
            return None
        return RowKey(kek, wrapped, secret)


def _context(*members: str) -> bytes:
    return canonical([*members])

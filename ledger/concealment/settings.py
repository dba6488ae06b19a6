"""Where a ledger's data keys and key-encryption keys lie: read from addresses in the settings."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.concealment.binding import KEY_BYTES
from ledger.concealment.key_file import create_key_file, read_key_file
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.sqlite_store import SQLiteKeyStore
from ledger.concealment.token import SCHEME as TOKEN
from ledger.concealment.token import TokenSession, parse_address
from ledger.concealment.vault import Vault
from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.clock import Clock
    from ledger.concealment.key_ring import KeyEncryptionKey
    from ledger.concealment.key_store import KeyStore

STORE_SUFFIX: Final = ".concealed"
"""The key store beside a database, or in the ledger's directory of files."""

KEK_SUFFIX: Final = ".kek"
"""The usual file of key-encryption keys; better on another disk, or in a token."""

_FILE: Final = "file:"
_SQLITE: Final = "sqlite:///"
_POSTGRES: Final = ("postgresql://", "postgres://")
_TOKEN_ID_BYTES: Final = 16


KEY_STORE_VARIABLE: Final = "LEDGER_KEY_STORE"
KEK_VARIABLE: Final = "LEDGER_KEK"
"""Addresses of key-encryption keys, the current one first, separated by white space."""


@dataclass(frozen=True, slots=True)
class KeyPlaces:
    """Where the settings say that keys lie; empty for the usual places beside the database."""

    store: str | None = None
    keks: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls) -> KeyPlaces:
        """The places in ``LEDGER_KEY_STORE`` and ``LEDGER_KEK``."""
        keks = os.environ.get(KEK_VARIABLE, "").split()
        return cls(os.environ.get(KEY_STORE_VARIABLE) or None, tuple(keks))

    def key_addresses(self, place: Path) -> tuple[str, ...]:
        """The key-encryption keys of a ledger whose files lie beside ``place``."""
        return self.keks or (str(beside(place, KEK_SUFFIX)),)

    def store_address(self, place: Path) -> str:
        """The key store of a ledger whose files lie beside ``place``."""
        return self.store or f"{_SQLITE}{beside(place, STORE_SUFFIX)}"


def beside(place: Path, suffix: str) -> Path:
    """A file of a ledger by its suffix."""
    return place.with_name(place.name + suffix)


def open_store(address: str) -> KeyStore:
    """Open a key store: ``sqlite:///FILE`` or ``postgresql://…``.

    Raises RejectedInput ``settings.key-store``, TrustFailure, Unavailable.
    """
    if address.startswith(_SQLITE) and address != _SQLITE:
        return SQLiteKeyStore(Path(address.removeprefix(_SQLITE)))
    if address.startswith(_POSTGRES):
        from ledger.concealment.postgres_store import PostgresKeyStore  # noqa: PLC0415 - libpq

        return PostgresKeyStore(address)
    raise RejectedInput(
        "settings.key-store",
        "The address of the key store is not understood.",
        remedy="Use sqlite:///path/to/ledger.concealed or postgresql://user@host/database.",
    )


def open_ring(addresses: Sequence[str]) -> KeyRing:
    """The key-encryption keys of all addresses, the current one first.

    Raises RejectedInput, TrustFailure or Unavailable when one cannot be had.
    """

    def read() -> list[KeyEncryptionKey]:
        return [key for address in addresses for key in _keys(address)]

    return KeyRing(read)


def open_vault(
    trial: str,
    place: Path,
    *,
    places: KeyPlaces | None = None,
    clock: Clock | None = None,
) -> Vault:
    """The vault of a ledger whose files lie beside ``place``; open it after a fork, never before.

    Without ``places`` those of the environment are taken. Raises as `open_store` and `open_ring`;
    TrustFailure ``key-file.missing`` when the usual key file is not there: `make_keys` makes it
    once, when the ledger is opened.
    """
    places = places or KeyPlaces.from_environment()
    ring = open_ring(places.key_addresses(place))
    return Vault(trial, open_store(places.store_address(place)), ring, clock=clock)


def has_keys(place: Path, places: KeyPlaces | None = None) -> bool:
    """Whether a ledger's openings can be read here: its key-encryption key is named, or there."""
    places = places or KeyPlaces.from_environment()
    return bool(places.keks) or beside(place, KEK_SUFFIX).is_file()


def make_keys(place: Path, places: KeyPlaces | None = None) -> None:
    """Make the key-encryption key of a ledger that is being opened, unless there is one.

    Keys that the settings name elsewhere must be there. Raises as `open_ring`.
    """
    places = places or KeyPlaces.from_environment()
    if not has_keys(place, places):
        new_key(*places.key_addresses(place))
    open_ring(places.key_addresses(place))


def new_key(address: str, *, entropy: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Make a key-encryption key where an address says, in a new file or in a token; give its id.

    Raises FileExistsError for a file that is there, RejectedInput for a label that is taken.
    """
    if not address.startswith(TOKEN):
        return create_key_file(file_of(address), entropy(KEY_BYTES)).id
    session = TokenSession(parse_address(address))
    if session.taken():
        raise RejectedInput(
            "concealment.token-key", "The token holds a key with this label already."
        )
    return session.generate(entropy(_TOKEN_ID_BYTES)).id


def file_of(address: str) -> Path:
    """The file that an address names, ``file:`` being left out or not."""
    return Path(address.removeprefix(_FILE))


def _keys(address: str) -> Sequence[KeyEncryptionKey]:
    if address.startswith(TOKEN):
        return [TokenSession(parse_address(address)).key()]
    return read_key_file(file_of(address))

"""Vaults over stores of their own, in a file and in PostgreSQL."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from ledger.concealment.key_file import FileKey
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.postgres_store import PostgresKeyStore
from ledger.concealment.sqlite_store import SQLiteKeyStore
from ledger.concealment.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ledger.concealment.key_store import KeyStore
    from tests.postgres_server import PostgresServer

TRIAL = "XHNKKY-DFSC"
KEK = FileKey(bytes(range(32)))
_NUMBERS = count()


@pytest.fixture
def ring() -> KeyRing:
    """Give a ring of one key."""
    return KeyRing.of(KEK)


@pytest.fixture(scope="session")
def key_database(postgres: PostgresServer) -> Iterator[str]:
    """Give the URL of a PostgreSQL database for key stores, one schema each."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], KeyStore]]:
    """Give a function that opens the same store again, as another process would."""
    stores: list[KeyStore] = []
    schema = f"keys_{next(_NUMBERS)}"
    url = request.getfixturevalue("key_database") if request.param == "postgresql" else ""

    def again() -> KeyStore:
        store: KeyStore = (
            PostgresKeyStore(url, schema=schema) if url else SQLiteKeyStore(tmp_path / "keys")
        )
        stores.append(store)
        return store

    yield again
    for store in stores:
        store.close()


@pytest.fixture
def vault(opened: Callable[[], KeyStore], ring: KeyRing) -> Vault:
    """Give a vault over an empty store."""
    return Vault(TRIAL, opened(), ring)

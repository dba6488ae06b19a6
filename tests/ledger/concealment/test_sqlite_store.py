"""The key store's file: its rights, and that what is destroyed is in no byte of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.concealment import sqlite_store
from ledger.concealment.binding import Place
from ledger.concealment.key_file import FileKey
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.sqlite_store import SQLiteKeyStore
from ledger.concealment.vault import Concealed, Erased, Erasure, Opening, Vault
from ledger.errors import TrustFailure, Unavailable
from ledger.signing.sealing import make_disclosure
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

RING = KeyRing.of(FileKey(bytes(32)))
TRIAL = "XHNKKY-DFSC"
EVENT = "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8c"
TEXT = make_disclosure("participant_name", "Li Hua", salt="AAECAwQFBgcICQoLDA0ODw").text


def seal(vault: Vault, subject: str) -> Concealed:
    """One opening of a subject."""
    stream = f"subject/{subject}"
    opening = Opening(Place(stream, EVENT, Purpose.IDENTITY), TEXT)
    return Concealed(stream, EVENT, vault.seal(opening))


def bytes_of(store: SQLiteKeyStore) -> bytes:
    """Everything the store has on disk."""
    return b"".join(path.read_bytes() for path in store.path.parent.iterdir())


def wrapped(store: SQLiteKeyStore) -> list[bytes]:
    """The wrapped keys that are there."""
    return [key.wrapped for key in store.every() if key.wrapped is not None]


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """Give a vault whose store has a directory of its own."""
    with Vault(TRIAL, SQLiteKeyStore(tmp_path / "keys"), RING) as made:
        yield made


def store_of(vault: Vault) -> SQLiteKeyStore:
    """The vault's store, as what it is here."""
    assert isinstance(vault.store, SQLiteKeyStore)
    return vault.store


@pytest.mark.parametrize("subjects", [1, 7, 60, 400])
def test_no_byte_of_a_destroyed_key_is_left_in_the_files(vault: Vault, subjects: int) -> None:
    """Neither in the file, nor its free pages, nor the write-ahead log; the others stay."""
    store = store_of(vault)
    for number in range(subjects):
        seal(vault, f"SY01-{number:04d}")
    target = f"SY01-{subjects // 2:04d}"
    gone = next(k.wrapped for k in store.every() if k.name.owner == f"subject/{target}")
    assert gone is not None
    assert gone in bytes_of(store)
    act = Erasure("018d7000-0000-7000-8000-000000000001", target, frozenset({Purpose.IDENTITY}))
    vault.erase(act)
    held = bytes_of(store)
    assert gone not in held
    assert not [part for part in (gone[:20], gone[-20:]) if part in held]
    assert all(key in held for key in wrapped(store))
    assert len(wrapped(store)) == subjects - 1


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vault]:
    """Give one whose store waits for nobody."""
    monkeypatch.setattr(sqlite_store, "LOCK_SECONDS", 0.1)
    with Vault(TRIAL, SQLiteKeyStore(tmp_path / "keys"), RING) as made:
        yield made


def test_an_erasure_is_not_called_done_while_an_old_page_may_be_left(
    impatient: Vault, tmp_path: Path
) -> None:
    """Somebody reads an old state; nobody opens the content any more, and it is tried again."""
    vault = impatient
    row, act = seal(vault, "SY01-0001"), "018d7000-0000-7000-8000-000000000001"
    gone = wrapped(store_of(vault))
    with closing(sqlite3.connect(tmp_path / "keys", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM concealed_keys").fetchall()
        with pytest.raises(Unavailable) as busy:
            vault.erase(Erasure(act, "SY01-0001", frozenset({Purpose.IDENTITY})))
        assert busy.value.code == "concealment.store-busy"
        assert isinstance(vault.open(row), Erased)
        assert vault.status().unfinished == (act,)
    assert vault.destroy(act).act == act
    assert vault.status().unfinished == ()
    assert gone[0] not in bytes_of(store_of(vault))


def test_no_byte_wrapped_under_the_old_key_is_left_after_a_rotation(vault: Vault) -> None:
    """The store's own file does not keep what a rotation was to end."""
    store = store_of(vault)
    for number in range(50):
        seal(vault, f"SY01-{number:04d}")
    before = wrapped(store)
    vault.rotate(KeyRing.of(FileKey(bytes(31) + b"1"), RING.current))
    held = bytes_of(store)
    assert not [key for key in before if key in held]


def test_a_backup_of_the_store_loses_erased_keys_by_rotation(vault: Vault, tmp_path: Path) -> None:
    """With the old key-encryption key gone, an old copy opens nothing; the live store does."""
    gone, kept = seal(vault, "SY01-0001"), seal(vault, "SY01-0002")
    with closing(sqlite3.connect(tmp_path / "backup")) as copy:
        store_of(vault)._connection.backup(copy)
    (tmp_path / "backup").chmod(0o600)
    act = Erasure("018d7000-0000-7000-8000-000000000001", "SY01-0001", frozenset(Purpose) - {
        Purpose.ALLOCATION})  # fmt: skip
    vault.erase(act)
    new = FileKey(bytes(31) + b"1")
    vault.rotate(KeyRing.of(new, RING.current))
    with Vault(TRIAL, SQLiteKeyStore(tmp_path / "backup"), KeyRing.of(new)) as restored:
        for row in (gone, kept):
            with pytest.raises(Unavailable) as missing:
                restored.open(row)
            assert missing.value.code == "concealment.key-missing"
    assert vault.open(kept) == TEXT
    assert isinstance(vault.open(gone), Erased)


def test_the_store_is_readable_by_its_owner_only(vault: Vault) -> None:
    """And so is what SQLite puts beside it."""
    seal(vault, "SY01-0001")
    for path in store_of(vault).path.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_store_open_to_others_is_not_used(tmp_path: Path, mode: int) -> None:
    """The operator hears of it, and of the rotation that mends it."""
    SQLiteKeyStore(tmp_path / "keys").close()
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(TrustFailure) as failure:
        SQLiteKeyStore(tmp_path / "keys")
    assert failure.value.code == "concealment.open-to-others"


def test_a_file_that_is_no_store_is_told_from_a_missing_one(tmp_path: Path) -> None:
    """A key store is never made over something else."""
    (tmp_path / "keys").write_bytes(b"something else, and long enough to be looked at" * 50)
    (tmp_path / "keys").chmod(0o600)
    with pytest.raises(Unavailable):
        SQLiteKeyStore(tmp_path / "keys")


def _seal_for_ever(path: Path, told: Connection) -> None:
    vault = Vault(TRIAL, SQLiteKeyStore(path), RING)
    for number in range(10_000):
        told.send(seal(vault, f"SY{number // 10_000:02d}-{number:04d}"))


@pytest.mark.parametrize("after", [1, 5, 23])
def test_a_key_is_durable_before_anything_is_encrypted_under_it(tmp_path: Path, after: int) -> None:
    """Whatever was sealed when the process was killed can be opened."""
    # Not forked: a lock that another thread of this process holds just now would stay held in it.
    context = multiprocessing.get_context("spawn")
    heard, told = context.Pipe(duplex=False)
    process = context.Process(target=_seal_for_ever, args=(tmp_path / "keys", told))
    process.start()
    told.close()  # so that the end of the process is heard
    rows = [heard.recv() for _ in range(after)]
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with Vault(TRIAL, SQLiteKeyStore(tmp_path / "keys"), RING) as vault:
        assert vault.open_all(rows) == [TEXT] * after
        assert not [key for key in vault.store.every() if key.wrapped is None]

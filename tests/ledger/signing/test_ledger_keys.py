"""The ledger's own secrets: made once, read by their owner alone, never shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ledger.errors import LedgerError, TrustFailure
from ledger.log.note import ED25519, ML_DSA_44_COSIGNATURE
from ledger.signing.ledger_keys import LedgerKeys

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "ledger.example/trial"


def test_keys_come_back_as_they_were_saved(tmp_path: Path) -> None:
    """Origin, statement key, checkpoint key, salts."""
    keys = LedgerKeys.generate(ORIGIN)
    keys.save(tmp_path / "keys")
    assert LedgerKeys.load(tmp_path / "keys") == keys
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    """A second ``init`` must not end a ledger's life."""
    path = tmp_path / "keys"
    LedgerKeys.generate(ORIGIN).save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        LedgerKeys.generate(ORIGIN).save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_key_file_open_to_others_is_not_used(tmp_path: Path, mode: int) -> None:
    """Whoever can read it could sign in the ledger's name."""
    LedgerKeys.generate(ORIGIN).save(tmp_path / "keys")
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(TrustFailure) as refused:
        LedgerKeys.load(tmp_path / "keys")
    assert refused.value.code == "keys.open-to-others"


@pytest.mark.parametrize(
    "change",
    [
        {"statement_seed": "00"},
        {"checkpoint_seed": "zz" * 32},
        {"salt_secret": None},
        {"salt_secret": ""},
        {"cosigner_seed": None},
        {"origin": 7},
    ],
)
def test_a_broken_key_file_is_told_calmly(tmp_path: Path, change: dict[str, object]) -> None:
    """At the start, not at the first signature."""
    path = tmp_path / "keys"
    LedgerKeys.generate(ORIGIN).save(path)
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    with pytest.raises(TrustFailure) as refused:
        LedgerKeys.load(path)
    assert refused.value.code == "keys.malformed"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"origin":"a","origin":"b"}'])
def test_a_key_file_of_another_kind_is_told_calmly(tmp_path: Path, content: bytes) -> None:
    """Never a traceback."""
    (tmp_path / "keys").touch(0o600)
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(LedgerError):
        LedgerKeys.load(tmp_path / "keys")


def test_a_missing_key_file_is_told_calmly(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(TrustFailure) as refused:
        LedgerKeys.load(tmp_path / "keys")
    assert refused.value.code == "keys.missing"


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Neither in a traceback nor in a log line."""
    keys = LedgerKeys.from_seed(ORIGIN, b"s" * 32)
    for secret in (
        keys.statement_seed,
        keys.checkpoint_seed,
        keys.salt_secret,
        keys.cosigner_seed,
    ):
        assert secret.hex() not in repr(keys)
        assert repr(secret) not in repr(keys)


def test_the_log_has_an_ed25519_key_first_and_then_an_ml_dsa_key_under_its_name() -> None:
    """The order in which entry 0 lists them."""
    keys = LedgerKeys.from_seed(ORIGIN, b"s" * 32)
    assert [key.type for key in keys.vkeys] == [ED25519, ML_DSA_44_COSIGNATURE]
    assert {key.name for key in keys.vkeys} == {ORIGIN}


def test_the_secrets_differ_and_depend_on_the_origin() -> None:
    """The statement key is not the checkpoint key (design, Trust)."""
    keys = LedgerKeys.from_seed(ORIGIN, b"s" * 32)
    other = LedgerKeys.from_seed(ORIGIN + "2", b"s" * 32)
    secrets = {
        keys.statement_seed,
        keys.checkpoint_seed,
        keys.salt_secret,
        keys.cosigner_seed,
        other.statement_seed,
    }
    assert len(secrets) == 5
    assert keys.derive("a") != keys.derive("b") != other.derive("b")

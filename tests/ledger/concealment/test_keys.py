"""Key-encryption keys in files and in a PKCS#11 token, and the settings that name them."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ledger.concealment.binding import Place
from ledger.concealment.envelope import pad, unpad
from ledger.concealment.key_file import FileKey, create_key_file, read_key_file, replace_key_file
from ledger.concealment.key_ring import KeyRing
from ledger.concealment.settings import (
    KeyPlaces,
    new_key,
    open_ring,
    open_store,
    open_vault,
)
from ledger.concealment.sqlite_store import SQLiteKeyStore
from ledger.concealment.token import parse_address
from ledger.concealment.vault import Concealed, Opening, Vault
from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, TrustFailure, Unavailable
from ledger.service import TrialLedger
from ledger.signing.sealing import make_disclosure
from ledger.vocabulary import Purpose
from tests.build_ledger import build_ledger, identify

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = [
    path
    for path in (
        Path("/usr/lib/softhsm/libsofthsm2.so"),
        Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
        Path("/usr/local/lib/softhsm/libsofthsm2.so"),
    )
    if path.exists()
]
KEY, CONTEXT, NONCE = bytes(range(32)), b"context", bytes(12)


@given(text=st.text("abcXYZ019-_", max_size=2000))
def test_padding_comes_off_again_and_fills_whole_blocks(text: str) -> None:
    """Nothing of the text is lost, and only the number of blocks shows."""
    data = pad(text)
    assert unpad(data) == text
    assert len(data) % 256 == 0
    assert 0 < len(data) - len(text) <= 256 or len(data) == len(text)


def test_a_wrapped_key_is_plain_aes_gcm(tmp_path: Path) -> None:
    """Anybody with the key and the page on formats can unwrap it without this software."""
    made = create_key_file(tmp_path / "kek", KEY)
    wrapped = made.wrap(bytes(32), context=CONTEXT, nonce=NONCE)
    assert AESGCM(KEY).decrypt(wrapped[:12], wrapped[12:], CONTEXT) == bytes(32)


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    """A second init must not take the first one's key."""
    create_key_file(tmp_path / "kek", KEY)
    assert (tmp_path / "kek").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_key_file(tmp_path / "kek", bytes(32))
    assert read_key_file(tmp_path / "kek") == [FileKey(KEY)]


def test_a_replaced_key_file_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    """Not even for a process that still has the old file open."""
    create_key_file(tmp_path / "kek", KEY)
    with (tmp_path / "kek").open("rb") as still_open:
        replace_key_file(tmp_path / "kek", [FileKey(bytes(32)), FileKey(KEY)])
        assert set(still_open.read()) == {0}
    assert read_key_file(tmp_path / "kek") == [FileKey(bytes(32)), FileKey(KEY)]
    assert [path.name for path in tmp_path.iterdir()] == ["kek"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_open_to_others_is_not_used(tmp_path: Path, mode: int) -> None:
    """It may be known already."""
    create_key_file(tmp_path / "kek", KEY)
    (tmp_path / "kek").chmod(mode)
    with pytest.raises(TrustFailure) as failure:
        read_key_file(tmp_path / "kek")
    assert failure.value.code == "key-file.open-to-others"


@pytest.mark.parametrize(
    "content",
    [
        "", "{}", "[]", '{"format":"trial-ledger-kek.v1","keys":[]}',
        '{"format":"trial-ledger-kek.v1","keys":["00"]}',
        '{"format":"other","keys":["' + "0" * 64 + '"]}',
        '{"format":"trial-ledger-kek.v1","keys":["' + "0" * 64 + '",7]}',
        '{"format":"trial-ledger-kek.v1","keys":["' + "0" * 64 + '","' + "0" * 64 + '"]}',
        '{"format":"trial-ledger-kek.v1","keys":["' + "0" * 64 + '"],"more":1}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_key_file_is_refused(tmp_path: Path, content: str) -> None:
    """Nothing is guessed from it."""
    (tmp_path / "kek").write_text(content)
    (tmp_path / "kek").chmod(0o600)
    with pytest.raises(TrustFailure) as failure:
        read_key_file(tmp_path / "kek")
    assert failure.value.code == "key-file.malformed"


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    """And no key is made up in its place."""
    with pytest.raises(TrustFailure) as failure:
        open_ring([f"file:{tmp_path / 'kek'}"])
    assert failure.value.code == "key-file.missing"
    assert "kek" in str(failure.value)


def test_the_id_of_a_key_does_not_tell_the_key() -> None:
    """It stands in clear beside every wrapped key."""
    assert FileKey(KEY).id != FileKey(bytes(32)).id
    assert KEY.hex()[:16] not in FileKey(KEY).id
    assert KEY.hex() not in repr(FileKey(KEY))


@pytest.mark.parametrize("address", ["", "keys", "sqlite://", "sqlite:///", "mysql://x", "file:x"])
def test_an_unknown_address_of_a_key_store_is_refused(address: str) -> None:
    """With what would be understood."""
    with pytest.raises(RejectedInput) as refused:
        open_store(address)
    assert refused.value.code == "settings.key-store"


def test_a_vault_opens_from_the_usual_places_only_when_its_key_is_there(tmp_path: Path) -> None:
    """A lost key file is not replaced by a new one, under which nothing would open."""
    place = tmp_path / "ledger.sqlite3"
    with pytest.raises(TrustFailure):
        open_vault("XHNKKY-DFSC", place)
    new_key(str(tmp_path / "ledger.sqlite3.kek"))
    with open_vault("XHNKKY-DFSC", place) as vault:
        assert vault.status().in_use == {}
    assert (tmp_path / "ledger.sqlite3.concealed").exists()


# --- tokens ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Give the addresses of a fresh SoftHSM2 token, by the label of the key."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if not MODULES:
        pytest.skip("SoftHSM2 is not installed")
    home = tmp_path_factory.mktemp("hsm")
    (home / "tokens").mkdir()
    (home / "softhsm2.conf").write_text(
        f"directories.tokendir = {home / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    # The module reads it when it is loaded, once for the whole process.
    os.environ["SOFTHSM2_CONF"] = str(home / "softhsm2.conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "LEDGER"]
    try:
        subprocess.run(
            [*command, "--pin", "4711", "--so-pin", "0815"],
            check=True, timeout=60, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("softhsm2-util is not installed")
    (home / "pin").write_text("4711\n")
    (home / "pin").chmod(0o600)
    query = f"module-path={MODULES[0]}&pin-source={home / 'pin'}"
    return lambda label: f"pkcs11:token=LEDGER;object={label}?{query}"


def test_a_key_in_a_token_wraps_and_unwraps_inside_it(token: Callable[[str], str]) -> None:
    """And refuses what was altered or bound to something else."""
    made = new_key(token("kek"))
    key = open_ring([token("kek")]).current
    assert key.id == made
    wrapped = key.wrap(KEY, context=CONTEXT, nonce=NONCE)
    assert key.unwrap(wrapped, context=CONTEXT) == KEY
    changed = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    for data, context in ((changed, CONTEXT), (wrapped, b"other"), (wrapped[:20], CONTEXT)):
        with pytest.raises(IntegrityFailure):
            key.unwrap(data, context=context)


def test_a_key_cannot_be_read_out_of_a_token(token: Callable[[str], str]) -> None:
    """It is sensitive and not extractable from its first moment."""
    import pkcs11

    new_key(token("shut"))
    module = pkcs11.lib(str(MODULES[0])).get_token(token_label="LEDGER")
    with module.open() as session:  # the token is logged in by the session above
        found = list(session.get_objects({pkcs11.Attribute.LABEL: "shut"}))
        assert all(key[pkcs11.Attribute.SENSITIVE] for key in found)
        assert all(not key[pkcs11.Attribute.EXTRACTABLE] for key in found)


def test_a_label_names_one_key(token: Callable[[str], str]) -> None:
    """A second one under it is not made, and a missing one is not made up."""
    new_key(token("once"))
    with pytest.raises(RejectedInput):
        new_key(token("once"))
    with pytest.raises(TrustFailure) as failure:
        open_ring([token("never")])
    assert failure.value.code == "concealment.token-key"


def test_keys_move_from_a_file_into_a_token(token: Callable[[str], str], tmp_path: Path) -> None:
    """A rotation may go from one kind of key to another; the file can be destroyed then."""
    text = make_disclosure("participant_name", "Li Hua", salt="AAECAwQFBgcICQoLDA0ODw").text
    old = create_key_file(tmp_path / "kek", KEY)
    with closing(SQLiteKeyStore(tmp_path / "keys")) as store:
        vault = Vault("XHNKKY-DFSC", store, KeyRing.of(old))
        place = Place("subject/SY01-0001", "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8c", Purpose.TEXT)
        row = Concealed(place.stream, place.event_id, vault.seal(Opening(place, text)))
        new_key(token("moved"))
        vault.rotate(open_ring([token("moved"), str(tmp_path / "kek")]))
        fresh = Vault("XHNKKY-DFSC", store, open_ring([token("moved")]))
        assert fresh.open(row) == text
        sealed = Concealed(row.stream, row.event_id, fresh.seal(Opening(place, text)))
        assert fresh.open(sealed) == text


def test_a_pin_that_others_can_read_is_not_used(
    token: Callable[[str], str], tmp_path: Path
) -> None:
    """The PIN is a secret like any other."""
    (tmp_path / "pin").write_text("4711")
    (tmp_path / "pin").chmod(0o644)
    address = token("kek").partition("&")[0] + f"&pin-source={tmp_path / 'pin'}"
    with pytest.raises(TrustFailure) as failure:
        open_ring([address])
    assert failure.value.code == "concealment.token-pin"


def test_a_token_that_is_not_there_can_be_tried_again(token: Callable[[str], str]) -> None:
    """It may be unplugged; nothing is damaged."""
    with pytest.raises(Unavailable) as failure:
        open_ring([token("kek").replace("LEDGER", "ELSEWHERE")])
    assert failure.value.code == "concealment.token"


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:", "pkcs11:token=a", "pkcs11:token=a;object=b", "file:x",
        "pkcs11:token=a;object=b?module-path=/m&pin-value=1234",
        "pkcs11:token=a;object=b;id=%01?module-path=/m",
    ],
)  # fmt: skip
def test_an_incomplete_token_address_is_refused(uri: str) -> None:
    """Nor is a PIN taken from an address, which process lists show."""
    with pytest.raises(LedgerError) as refused:
        parse_address(uri)
    assert refused.value.code == "concealment.token-address"


def test_a_ledger_runs_with_its_key_in_a_token(token: Callable[[str], str], tmp_path: Path) -> None:
    """Opened, written, closed and opened again; no key-encryption key lies in any file."""
    address = token("running")
    new_key(address)
    places = KeyPlaces(keks=(address,))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("LEDGER_KEK", address)
        built = build_ledger(tmp_path)
        seq = built.record(identify(built, 1)).seq
        built.close()
    assert not list(tmp_path.glob("*.sqlite3.kek"))
    with closing(TrialLedger(built.url, built.files, keys_at=places)) as again:
        record = again.application.record(seq)
        assert record.withheld == 0
        assert record.opened
    with pytest.raises(TrustFailure):
        TrialLedger(built.url, built.files)

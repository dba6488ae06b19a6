"""``trial-ledger concealment`` and ``allocation``: what operators do with keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.cli import cli
from ledger.allocation.sealed_list import SealedList, key_beside
from ledger.concealment.binding import Place
from ledger.concealment.key_file import read_key_file
from ledger.concealment.settings import new_key, open_ring, open_store
from ledger.concealment.vault import Concealed, Erasure, Opening, Vault
from ledger.errors import LedgerError
from ledger.signing.sealing import make_disclosure
from ledger.vocabulary import Purpose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEXT = make_disclosure("participant_name", "Li Hua", salt="AAECAwQFBgcICQoLDA0ODw").text
EVENT = "018d6f2c-8a00-7c3e-9b1a-5d2f4e6a7b8c"


def run(*arguments: str, status: int = 0) -> str:
    """Run a command; give its output."""
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Give the URL of a ledger with a key file."""
    run("concealment", "new-key", str(tmp_path / "ledger.sqlite3.kek"))
    return f"sqlite:///{tmp_path / 'ledger.sqlite3'}"


@pytest.fixture
def vault(database: str, tmp_path: Path) -> Iterator[Vault]:
    """Give the vault of that ledger, as its service would hold it."""
    ring = open_ring([f"file:{tmp_path / 'ledger.sqlite3.kek'}"])
    with Vault("XHNKKY-DFSC", open_store(f"{database}.concealed"), ring) as opened:
        yield opened


def seal(vault: Vault, subject: str) -> Concealed:
    """One opening of a subject."""
    place = Place(f"subject/{subject}", EVENT, Purpose.IDENTITY)
    return Concealed(place.stream, EVENT, vault.seal(Opening(place, TEXT)))


def test_the_status_counts_keys_and_names_unfinished_erasures(vault: Vault, database: str) -> None:
    """For people and for machines."""
    seal(vault, "SY01-0001")
    seal(vault, "SY01-0002")
    vault.retire(Erasure(EVENT, "SY01-0001", frozenset({Purpose.IDENTITY})))
    found = json.loads(run("concealment", "status", "--database", database, "--json"))
    assert (found["in_use"], found["retired"], found["destroyed"]) == ({"identity": 1}, 1, 0)
    assert found["unfinished_erasures"] == [EVENT]
    assert found["damaged"] == []
    assert EVENT in run("concealment", "status", "--database", database)


def test_a_key_that_does_not_unwrap_is_named(vault: Vault, database: str) -> None:
    """With exit status 1, as verify has it."""
    seal(vault, "SY01-0001")
    with vault.store.transaction() as cursor:
        cursor.execute("UPDATE concealed_keys SET owner = 'subject/SY01-0002'")
    said = run("concealment", "status", "--database", database, status=1)
    assert "subject/SY01-0002 identity" in said


def test_a_rotation_in_the_key_file_leaves_a_running_service_at_work(
    vault: Vault, database: str, tmp_path: Path
) -> None:
    """The file holds one new key; all opens, and new subjects come under the new key."""
    path = tmp_path / "ledger.sqlite3.kek"
    rows, before = [seal(vault, "SY01-0001")], read_key_file(path)
    assert "1 data keys" in run("concealment", "rotate", "--database", database)
    after = read_key_file(path)
    assert len(after) == 1
    assert before != after
    rows.append(seal(vault, "SY01-0002"))
    assert vault.open_all(rows) == [TEXT, TEXT]
    assert dict(vault.status().wrapped_under) == {after[0].id: 2}


def test_a_rotation_to_another_address_leaves_the_old_key_to_its_owner(
    vault: Vault, database: str, tmp_path: Path
) -> None:
    """He destroys it when every service has the new one."""
    row = seal(vault, "SY01-0001")
    other = str(tmp_path / "elsewhere")
    new_key(other)
    run("concealment", "rotate", "--database", database, "--to", other)
    fresh = Vault("XHNKKY-DFSC", open_store(f"{database}.concealed"), open_ring([other]))
    assert fresh.open(row) == TEXT
    fresh.close()


def test_a_missing_key_store_is_not_made_by_asking_for_it(database: str, tmp_path: Path) -> None:
    """A mistyped database must not look like an empty one."""
    with pytest.raises(LedgerError) as refused:
        run("concealment", "status", "--database", database)
    assert refused.value.code == "settings.no-key-store"
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.sqlite3.kek"]


def test_a_list_is_drawn_with_its_key_beside_it(tmp_path: Path) -> None:
    """The commitment is printed, the list is sealed."""
    out = tmp_path / "list"
    said = run(
        "allocation", "draw", "--trial", "xhnkky-dfsc", "--block-sizes", "4,6",
        "--drawn-by", "/sponsor/persons/stat-01", "--out", str(out),
    )  # fmt: skip
    assert json.loads(said)["list_root"] == SealedList.load(out).root
    assert key_beside(out).exists()


def test_a_list_goes_under_another_key(tmp_path: Path) -> None:
    """And can be sealed under a named one from the beginning."""
    out, first, second = (str(tmp_path / name) for name in ("list", "first", "second"))
    new_key(first)
    new_key(second)
    run(
        "allocation", "draw", "--trial", "xhnkky-dfsc", "--block-sizes", "4", "--kek", first,
        "--drawn-by", "/sponsor/persons/stat-01", "--out", out,
    )  # fmt: skip
    drawn = SealedList.load(tmp_path / "list", open_ring([first]))
    run("allocation", "rewrap", out, "--kek", second, "--kek", first)
    assert SealedList.load(tmp_path / "list", open_ring([second])) == drawn
    assert not key_beside(tmp_path / "list").exists()

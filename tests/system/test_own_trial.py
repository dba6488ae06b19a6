"""A trial of one's own from the command line: open it, verify it, open it once only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.system.conftest import trial_ledger

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_ledger_verifies_against_the_root_of_trust_it_prints(tmp_path: Path) -> None:
    """``init`` prints what ``verify`` takes."""
    url = f"sqlite:///{tmp_path / 'own' / 'ledger.sqlite3'}"

    opened = trial_ledger("init", "--database", url)
    trust = [word for line in opened.out.splitlines() if "--" in line for word in line.split()]

    assert opened.status == 0
    assert trial_ledger("verify", "--database", url, *trust).status == 0


def test_a_ledger_is_opened_once(tmp_path: Path) -> None:
    """A second ``init`` changes nothing and says why."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    trial_ledger("init", "--database", url)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    again = trial_ledger("init", "--database", url)

    assert again.status == 2
    assert "opened once" in again.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_secrets_of_a_new_ledger_are_its_owners_alone(tmp_path: Path) -> None:
    """Keys, the sponsor's root key and the database are readable by nobody else."""
    trial_ledger("init", "--database", f"sqlite:///{tmp_path / 'ledger.sqlite3'}")

    for suffix in ("", ".keys", ".sponsor"):
        mode = (tmp_path / f"ledger.sqlite3{suffix}").stat().st_mode
        assert mode & 0o077 == 0

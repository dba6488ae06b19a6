"""A ledger opened under a name of one's own, as witnesses may want a certain form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.cli.opening import init
from ledger.log.checkpoint import open_checkpoint
from ledger.log.note import VerifierKey
from ledger.service import LedgerFiles, TrialLedger

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "origin", ["hospital.example.org/trials/2024-017", "sigsum.org/v1/tree/" + "0f" * 32]
)
def test_a_log_bears_the_name_it_was_opened_under(origin: str, tmp_path: Path) -> None:
    """In its key, in entry 0 and in every checkpoint."""
    database = tmp_path / "ledger.sqlite3"
    url = f"sqlite:///{database}"
    done = CliRunner().invoke(init, ["--database", url, "--origin", origin, "--json"])
    assert done.exit_code == 0, done.output
    vkey = VerifierKey.parse(json.loads(done.stdout)["vkey"])
    assert vkey.name == origin
    with TrialLedger(url, LedgerFiles.beside(database)) as ledger:
        assert ledger.genesis.origin == origin
        assert open_checkpoint(ledger.checkpoint(), vkey).origin == origin


@pytest.mark.parametrize("origin", ["with space", "with+plus", "two\nlines"])
def test_a_name_that_no_note_can_bear_opens_nothing(origin: str, tmp_path: Path) -> None:
    """Nothing is signed under it."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    done = CliRunner().invoke(init, ["--database", url, "--origin", origin])
    assert done.exit_code != 0
    assert not (tmp_path / "ledger.sqlite3.head").exists()

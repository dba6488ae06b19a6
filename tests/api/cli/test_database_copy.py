"""``trial-ledger database copy`` carries a ledger from one engine to the other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from api.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger


def test_a_ledger_in_postgresql_is_carried_to_a_file(
    postgres_built: BuiltLedger, tmp_path: Path
) -> None:
    """The command says how many entries the file holds, and refuses to write over it."""
    words = ["database", "copy", "--database", postgres_built.url]
    words += ["--to", f"sqlite:///{tmp_path / 'ledger.sqlite3'}", "--json"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["size"] == postgres_built.ledger.application.store.head().size
    again = CliRunner().invoke(cli, words)
    assert again.exit_code != 0


def test_a_copy_within_one_engine_is_refused(tmp_path: Path) -> None:
    """Each engine has better means of its own."""
    words = ["database", "copy", "--database", f"sqlite:///{tmp_path / 'a'}"]
    done = CliRunner().invoke(cli, [*words, "--to", f"sqlite:///{tmp_path / 'b'}"])
    assert done.exit_code != 0

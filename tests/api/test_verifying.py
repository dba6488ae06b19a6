"""``trial-ledger verify`` as its user sees it: lines, verdict, exit status."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.cli.verifying import COULD_NOT_CHECK, DAMAGED, verify
from ledger.log.cosignature import Cosigner
from tests.build_ledger import build_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """The database file of a small closed ledger."""
    built = build_ledger(tmp_path)
    built.close()
    return tmp_path / "ledger.sqlite3"


def run(database: Path, *more: str) -> Result:
    """The command on a database."""
    return CliRunner().invoke(verify, ["--database", f"sqlite:///{database}", *more])


def alter(database: Path, statement: str) -> None:
    """One alteration behind the ledger's back."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def test_a_sound_ledger_ends_with_status_0_and_says_what_was_checked(database: Path) -> None:
    """Without projections there is nothing to compare, which is said."""
    outcome = run(database)
    assert outcome.exit_code == 0
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith("Sound: ")
    assert "head-file" in lines[1]
    assert "storage" in lines[1]
    assert lines[2] == "Not checked: published, cosignatures, timestamps, projections."
    assert lines[3] == "  published: nothing published is at hand."


def test_a_dropped_trigger_is_damage(database: Path) -> None:
    """Though every entry is as it was signed."""
    alter(database, "DROP TRIGGER checkpoints_no_delete")
    outcome = run(database)
    assert outcome.exit_code == DAMAGED
    first, verdict = outcome.stdout.splitlines()[:2]
    assert first.startswith("storage.protection-missing at log (trigger checkpoints_no_delete)")
    assert verdict.startswith("DAMAGED: ")


def test_the_findings_about_the_file_are_there_for_machines(database: Path) -> None:
    """Beside those of the kernel."""
    alter(database, "DROP TRIGGER checkpoints_no_delete")
    report = json.loads(run(database, "--json").stdout)
    assert (report["status"], report["findings"], len(report["storage"])) == ("damaged", [], 1)
    assert report["not_checked"] == ["published", "cosignatures", "timestamps", "projections"]


def test_a_head_file_that_was_named_must_be_there(database: Path, tmp_path: Path) -> None:
    """The one beside the database is taken where none is named."""
    outcome = run(database, "--head-file", str(tmp_path / "elsewhere"))
    assert outcome.exit_code == DAMAGED
    assert outcome.stdout.startswith("head-file.missing")


def test_without_a_head_file_it_is_said_that_none_was_compared(database: Path) -> None:
    """A copy alone can be verified; that it was not rolled back cannot."""
    database.with_name(f"{database.name}.head").unlink()
    outcome = run(database)
    assert outcome.exit_code == 0
    left = "Not checked: head file, published, cosignatures, timestamps, projections."
    assert left in outcome.stdout.splitlines()


def test_what_is_no_ledger_could_not_be_checked(tmp_path: Path) -> None:
    """Neither sound nor damaged."""
    assert run(tmp_path / "none").exit_code == COULD_NOT_CHECK


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The database file of a small closed ledger that has published a checkpoint."""
    built = build_ledger(tmp_path)
    built.ledger.publish()
    built.close()
    return tmp_path / "ledger.sqlite3"


def test_what_was_published_beside_the_database_is_checked(published: Path) -> None:
    """Found by its name; how much there is, is said."""
    outcome = run(published)
    assert outcome.exit_code == 0, outcome.output
    lines = outcome.stdout.splitlines()
    assert "published, cosignatures, timestamps" in lines[1]
    assert lines[2] == "Not checked: witnesses, projections."
    assert any(line.startswith("Published: ") for line in lines)


def test_an_altered_published_checkpoint_is_damage(published: Path) -> None:
    """One finding, by its check."""
    file = published.with_name(f"{published.name}.published")
    with closing(sqlite3.connect(file)) as connection, connection:
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'published_checkpoints_no_update'"
        ).fetchone()
        connection.execute("DROP TRIGGER published_checkpoints_no_update")
        connection.execute("UPDATE published_checkpoints SET note = replace(note, '— ', '- ')")
        connection.execute(sql)
    outcome = run(published)
    assert outcome.exit_code == DAMAGED
    found = [line.partition(" ")[0] for line in outcome.stdout.splitlines()]
    assert set(found[: found.index("DAMAGED:")]) == {"published.signature"}


def test_a_policy_must_be_met(published: Path, tmp_path: Path) -> None:
    """Nobody cosigned here; without a policy nobody had to."""
    witness = Cosigner.from_seed("witness.example/ethics", bytes(32))
    policy = tmp_path / "policy"
    policy.write_text(f"witness ethics {witness.vkey}\nquorum ethics\n", encoding="utf-8")
    outcome = run(published, "--policy", str(policy))
    assert outcome.exit_code == DAMAGED
    assert outcome.stdout.startswith("cosignatures.quorum at log: ")
    assert "missing under size" in outcome.stdout
    policy.write_text("no policy", encoding="utf-8")
    assert run(published, "--policy", str(policy)).exit_code == COULD_NOT_CHECK


def test_integrity_alone_looks_into_no_entry_and_says_so(database: Path) -> None:
    """What was left out is named with its reason; a changed entry is still found."""
    outcome = run(database, "--integrity-only")
    assert outcome.exit_code == 0
    assert "statements: integrity alone was asked for" in outcome.stdout
    assert "schema of payloads: integrity alone was asked for" in outcome.stdout
    checked = next(line for line in outcome.stdout.splitlines() if line.startswith("Checked: "))
    assert "chain" in checked
    assert "authority" not in checked
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in names.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE stored_events SET state = state || ' ' WHERE seq = 3")
        connection.commit()
    assert run(database, "--integrity-only").exit_code == DAMAGED


def test_the_number_of_processes_changes_nothing_of_what_is_said(database: Path) -> None:
    """One process or two: the same lines."""
    assert run(database, "--jobs", "2").stdout == run(database, "--jobs", "1").stdout


def test_integrity_alone_is_not_offered_over_the_network(database: Path) -> None:
    """A monitor goes on only from what it has verified whole."""
    outcome = run(database, "--integrity-only", "--url", "http://127.0.0.1:9/log")
    assert outcome.exit_code == COULD_NOT_CHECK
    assert "--url" in outcome.output

"""``trial-ledger backup`` and ``restore`` as an operator runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build_ledger import BuiltLedger, build_ledger
from tests.faults.serving import Sender, Service
from tests.ledger.build_service import answer, bag, receipt_of

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def lost(tmp_path: Path) -> tuple[BuiltLedger, Path]:
    """A ledger backed up, three entries further on, whose disk then died.

    The head file and what is backed up apart, the keys of what is concealed, are left.
    """
    (tmp_path / "served").mkdir()
    built = build_ledger(tmp_path / "served")
    made = run("backup", "--database", built.url, "--to", tmp_path / "backup", "--with-secrets")
    assert made.returncode == 0, made.stderr
    receipts = tmp_path / "receipts"
    receipts.mkdir()
    for number in range(3):
        given = answer(built, signed := bag(built, number))
        data = built.ledger.application.store.entry(given.outcome.seq)
        assert data is not None
        (receipts / f"{signed.event.id}.entry.json").write_bytes(data)
        (receipts / f"{signed.event.id}.tlog-proof").write_text(receipt_of(given).text())
    built.close()
    for path in built.directory.glob("ledger.sqlite3*"):
        if path != built.files.head and not path.name.endswith(("kek", ".concealed")):
            path.unlink()
    return built, tmp_path


def test_a_backup_is_made_while_the_service_runs(tmp_path: Path) -> None:
    """It says how many entries and which files are not in it; `verify` reads it as a ledger."""
    built = build_ledger(tmp_path)
    built.close()
    service = Service(built.url).start()
    try:
        sender = Sender(1, [service.address], built.vkey)
        sender.events.append(event := sender._next())
        assert sender.post(event, attempts=3)
        made = run("backup", "--database", built.url, "--to", tmp_path / "copy")
    finally:
        service.stop()
    verified = run("verify", "--database", f"sqlite:///{tmp_path / 'copy' / 'ledger.sqlite3'}")
    assert made.returncode == 0, made.stderr
    assert ": sound, " in made.stdout
    assert "Not in it: allocation" in made.stdout
    assert "keys" in made.stdout
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_an_older_backup_is_put_back_and_says_what_is_missing(
    lost: tuple[BuiltLedger, Path],
) -> None:
    """Status 1; the receipts of the sites bring the rest back, and then it is 0."""
    built, place = lost
    first = run("restore", "--database", built.url, "--from", place / "backup")
    assert first.returncode == 1, first.stderr
    assert "The ledger will not sign: " in first.stdout
    assert "were signed and acknowledged" in first.stdout
    again = run("restore", "--database", built.url, "--from", place / "backup")
    assert again.returncode == 2
    assert "a restore overwrites nothing" in again.stderr

    for suffix in ("", "-wal", "-shm"):
        (built.directory / f"ledger.sqlite3{suffix}").unlink(missing_ok=True)
    whole = run("restore", "--database", built.url, "--from", place / "backup",
                "--receipts", place / "receipts", "--json")  # fmt: skip
    told = json.loads(whole.stdout)
    assert whole.returncode == 0, whole.stderr
    assert (told["missing"], told["refusal"], told["regained"]) == (None, None, 3)
    service = Service(built.url).start()
    service.stop()


def test_what_is_no_backup_is_said_in_one_sentence(tmp_path: Path) -> None:
    """Status 2 and no traceback."""
    done = run("restore", "--database", f"sqlite:///{tmp_path / 'x'}", "--from", tmp_path)
    assert done.returncode == 2
    assert "is not a backup" in done.stderr
    assert "Traceback" not in done.stderr

"""``trial-ledger verify --receipt`` as its user sees it: what is proved, or why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from api.cli.verifying import verify
from api.receipts import ENTRY_SUFFIX, PROOF_SUFFIX
from ledger.publication.log_reader import LogReader
from tests.build_ledger import build_ledger

if TYPE_CHECKING:
    from click.testing import Result

PAGE = Path(__file__).parents[2] / "docs/formats/log.md"


class Kept:
    """A folder as the client keeps it: an entry and its receipt; what is in them."""

    def __init__(self, directory: Path) -> None:
        """Keep entry 5 under its first checkpoint, and entry 6 beside it."""
        built = build_ledger(directory)
        self.folder, self.vkey = directory, built.vkey
        store = built.ledger.application.store
        self.size = store.head().size
        for seq in (6, 5):
            self.record = built.ledger.application.record(seq)
            self.id = self.record.id
            self.entry.write_bytes(self.record.entry.to_bytes())
            self.receipt.write_text(built.ledger.receipt(seq).text(), encoding="utf-8")
        self.other = built.ledger.application.record(6).id
        self.later = directory / "later.tlog-proof"
        self.later.write_text(LogReader(store).receipt(5).text(), encoding="utf-8")
        built.close()

    @property
    def receipt(self) -> Path:
        """The receipt."""
        return self.folder / f"{self.id}{PROOF_SUFFIX}"

    @property
    def entry(self) -> Path:
        """The entry."""
        return self.folder / f"{self.id}{ENTRY_SUFFIX}"

    def check(self, *more: str, receipt: Path | None = None, vkey: str | None = None) -> Result:
        """The command on a receipt."""
        given = ["--receipt", str(receipt or self.receipt), "--key", vkey or self.vkey]
        return CliRunner().invoke(verify, [*given, *more])


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Two receipts of a closed ledger whose database is gone."""
    one = Kept(tmp_path)
    (tmp_path / "ledger.sqlite3").unlink()
    return one


def test_it_says_what_a_receipt_proves(kept: Kept) -> None:
    """Without database and network: event, type, stream, time, index, size, origin."""
    outcome = kept.check("--json")
    assert outcome.exit_code == 0
    told = json.loads(outcome.stdout)
    record = kept.record
    assert (told["status"], told["id"], told["type"]) == ("proved", record.id, record.type)
    assert (told["stream"], told["index"]) == (record.stream, 5)
    assert told["recorded_at"] == record.entry.recorded_at
    assert told["entry_sha256"] == record.sha256
    assert (told["origin"], told["size"] > 5) == (kept.vkey.partition("+")[0], True)


def test_it_says_it_in_words_and_what_it_did_not_check(kept: Kept) -> None:
    """A receipt proves a place in the log, not that the signer might sign."""
    outcome = kept.check()
    assert outcome.exit_code == 0
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith(f"Proved: event {kept.id} is entry 5 of the log ")
    assert lines[-1].startswith("Not checked: who signed the statement")


def test_a_later_receipt_is_checked_with_the_entry_of_its_id(kept: Kept) -> None:
    """Its file may be named as one likes."""
    for more in (["--id", kept.id], ["--entry", str(kept.entry)]):
        outcome = kept.check("--json", *more, receipt=kept.later)
        assert outcome.exit_code == 0
        assert json.loads(outcome.stdout)["size"] == kept.size


@pytest.mark.parametrize("which", ["receipt", "entry"])
def test_any_changed_byte_ends_in_status_1(kept: Kept, which: str) -> None:
    """One byte after the other, each named."""
    path = kept.receipt if which == "receipt" else kept.entry
    data = path.read_bytes()
    for position in range(0, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        outcome = kept.check()
        assert outcome.exit_code == 1, outcome.output
        assert outcome.stdout.startswith("NOT PROVED: ")


def test_another_entry_of_the_same_log_is_not_proved(kept: Kept) -> None:
    """Nor is a receipt one for another event than was asked for."""
    other = kept.folder / f"{kept.other}{ENTRY_SUFFIX}"
    assert "inclusion." in kept.check("--entry", str(other)).stdout
    outcome = kept.check("--entry", str(kept.entry), "--id", kept.other)
    assert outcome.exit_code == 1
    assert outcome.stdout.startswith("NOT PROVED: receipt.other-event: ")


def test_another_log_s_key_proves_nothing(kept: Kept) -> None:
    """The key is the only thing that is trusted."""
    page = PAGE.read_text(encoding="utf-8")
    vkey = page.partition("```vkey\n")[2].partition("\n")[0]
    outcome = kept.check("--json", vkey=vkey)
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout)["code"].startswith("note.")


@pytest.mark.parametrize(
    "more",
    [
        ["--entry", "nowhere.json"],
        ["--id", "018d624f-e660-7400-b1b2-1cb527d7fa3d"],
        ["--id", "../elsewhere"],
        ["--receipt", "nowhere.tlog-proof"],
        ["--key", "x"],
    ],
)
def test_what_cannot_be_read_could_not_be_checked(kept: Kept, more: list[str]) -> None:
    """Neither proved nor refuted: status 2."""
    outcome = kept.check(*more)
    assert outcome.exit_code == 2
    assert outcome.output.startswith("Could not check: ")


@pytest.mark.parametrize("given", [["--receipt", "x"], ["--entry", "x"], ["--id", "x"]])
def test_a_receipt_is_not_checked_without_a_key(given: list[str]) -> None:
    """Nor a database in its place by mistake."""
    outcome = CliRunner().invoke(verify, given)
    assert outcome.exit_code == 2
    assert "--receipt and --key" in outcome.output

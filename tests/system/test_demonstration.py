"""The seed trial from the command line: what a newcomer and an auditor do with it."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from tests.system.conftest import Demonstration, trial_ledger, verify

if TYPE_CHECKING:
    from pathlib import Path


def test_it_leaves_what_the_readme_names(demonstration: Demonstration) -> None:
    """Database, head file, report, verifier key and receipts are in the directory."""
    left = {path.name for path in demonstration.directory.iterdir()}

    assert {
        "ledger.sqlite3",
        "ledger.sqlite3.head",
        "report.html",
        "log.vkey",
        "receipts",
    } <= left


def test_it_verifies_against_its_root_of_trust(demonstration: Demonstration) -> None:
    """Exit status 0, and nothing is left unchecked."""
    status, report = verify(demonstration, *demonstration.trust())

    assert (status, report["findings"], report["schema"], report["projections"]) == (0, [], [], [])
    assert report["internally_consistent_only"] is False


def test_without_a_root_of_trust_it_is_consistent_with_itself_only(
    demonstration: Demonstration,
) -> None:
    """The verifier does not claim more than it could check."""
    outcome = trial_ledger("verify", "--database", demonstration.url)

    assert outcome.status == 0
    assert "Internally consistent only" in outcome.out


def test_another_root_of_trust_is_refused(demonstration: Demonstration) -> None:
    """A ledger that is sound in itself is not the one whose entry 0 was handed over."""
    key, vkey, genesis, _ = demonstration.trust()

    status, _report = verify(demonstration, key, vkey, genesis, "00" * 32)

    assert status == 1


def test_the_log_key_is_one_line(demonstration: Demonstration) -> None:
    """``keys log`` prints exactly the log's Ed25519 verifier key."""
    out = trial_ledger("keys", "log", "--database", demonstration.url).out

    assert re.fullmatch(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\n", out)
    assert str(VerifierKey.parse(out[:-1])) == out[:-1]


def test_every_kept_receipt_proves_its_entry_offline(demonstration: Demonstration) -> None:
    """The log's key and the file are enough; the entry's bytes come from the archive."""
    vkey = VerifierKey.parse((demonstration.directory / "log.vkey").read_text().strip())
    receipts = list((demonstration.directory / "receipts").glob("*.tlog-proof"))
    with closing(sqlite3.connect(demonstration.directory / "ledger.sqlite3")) as database:
        for path in receipts:
            receipt = parse_receipt(path.read_text(encoding="utf-8"))
            (entry,) = database.execute(
                "SELECT state FROM stored_events WHERE seq = ?", (receipt.index,)
            ).fetchone()
            verify_receipt(receipt, entry, vkey)

    assert len(receipts) > 10


def test_projections_rebuilt_are_the_bytes_followed_live(demonstration: Demonstration) -> None:
    """``projections check`` compares the stored rows with a fresh fold."""
    assert trial_ledger("projections", "check", "--database", demonstration.url).status == 0


def test_the_planned_number_is_randomized_and_no_subject_more(
    demonstration: Demonstration,
) -> None:
    """92 subjects, and the request of the 93rd is in the report as refused."""
    arguments = ("--database", demonstration.url, "--format", "json", "--unverified")
    out = trial_ledger("report", *arguments)
    with closing(sqlite3.connect(demonstration.directory / "ledger.sqlite3")) as database:
        (randomized,) = database.execute(
            "SELECT COUNT(*) FROM stored_events WHERE topic IN"
            " ('subject.randomized.v1', 'randomization.recorded.v1')"
        ).fetchone()

    assert randomized == 92
    assert "GR-07" in json.dumps(json.loads(out.out))


def _change(copy: Demonstration, *statements: str) -> None:
    path = copy.directory / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as database, database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)


LONG = pytest.mark.long
"""A full verification of the demonstration takes seconds; one alteration a day is enough."""

FLIP = "UPDATE stored_events SET state = CAST(REPLACE(CAST(state AS TEXT), 'eyJ', 'fyJ') AS BLOB)"


@pytest.mark.parametrize(
    ("statements", "first"),
    [
        ((f"{FLIP} WHERE seq = 1234",), 1234),
        pytest.param(("DELETE FROM stored_events WHERE seq = 1234",), 1234, marks=LONG),
        pytest.param(
            (
                "UPDATE stored_events SET seq = -1 WHERE seq = 1234",
                "UPDATE stored_events SET seq = 1234 WHERE seq = 1240",
                "UPDATE stored_events SET seq = 1240 WHERE seq = -1",
            ),
            1234,
            marks=LONG,
        ),
        pytest.param(
            ("UPDATE checkpoints SET note = REPLACE(note, 'a', 'b') WHERE size > 1000",),
            None,
            marks=LONG,
        ),
    ],
    ids=["one byte flipped", "a row deleted", "two rows swapped", "checkpoints altered"],
)
def test_damage_is_named_with_its_position(
    demonstration: Demonstration, tmp_path: Path, statements: tuple[str, ...], first: int | None
) -> None:
    """Whoever gets round the database's own refusals is found and named."""
    copy = demonstration.copy_to(tmp_path / "copy")
    _change(copy, *statements)

    status, report = verify(copy, *demonstration.trust())

    assert status == 1
    findings = report["findings"]
    assert isinstance(findings, list)
    assert findings
    if first is not None:
        assert first in {finding["first"] for finding in findings}


def test_a_cut_tail_is_found_although_what_is_left_is_whole(
    demonstration: Demonstration, tmp_path: Path
) -> None:
    """Entries, tiles, checkpoints and head row are all cut alike; the head file remembers."""
    copy = demonstration.copy_to(tmp_path / "copy")
    with closing(sqlite3.connect(copy.directory / "ledger.sqlite3")) as database:
        (size,) = database.execute(
            "SELECT MAX(size) FROM checkpoints"
            " WHERE size < (SELECT MAX(size) - 50 FROM checkpoints)"
        ).fetchone()
        state, recorded = database.execute(
            "SELECT state, state FROM stored_events WHERE seq = ?", (size - 1,)
        ).fetchone()
    _change(
        copy,
        f"DELETE FROM stored_events WHERE seq >= {size}",
        f"DELETE FROM checkpoints WHERE size > {size}",
        f"DELETE FROM openings WHERE seq >= {size}",
        f"DELETE FROM tree_tiles WHERE (tile + 1) * 256 > {size} AND level = 0",
        f"UPDATE ledger_head SET size = {size}, hash = '{hashlib.sha256(state).hexdigest()}',"
        f" recorded_at = '{json.loads(recorded)['recorded_at']}'",
    )

    status, report = verify(copy, *demonstration.trust())

    assert status == 1
    assert "head-file" in json.dumps(report["findings"]) or "head file" in json.dumps(report)


def test_a_damaged_projection_is_named(demonstration: Demonstration, tmp_path: Path) -> None:
    """A row of the projections that the log does not give is damage too."""
    copy = demonstration.copy_to(tmp_path / "copy")
    path = next(copy.directory.glob("*.projections"))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE projection_rows SET body = REPLACE(body, 'SY01-0001', 'SY01-0002')"
            " WHERE projection = 'subject' AND key = 'SY01-0001'"
        )

    status, report = verify(copy, *demonstration.trust())

    assert status == 1
    assert report["projections"]


@pytest.mark.long
def test_the_same_seed_gives_the_same_head(demonstration: Demonstration, tmp_path: Path) -> None:
    """Two runs of one seed record the same entries, byte for byte."""
    again = tmp_path / "again"
    trial_ledger("demo", "--dir", str(again), "--seed", "1")

    def head(directory: Path) -> str:
        with closing(sqlite3.connect(directory / "ledger.sqlite3")) as database:
            (found,) = database.execute("SELECT hash FROM ledger_head").fetchone()
        return str(found)

    assert head(again) == head(demonstration.directory)

"""Values that no ledger writes: too large, of another type, under keys that are none."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.application import LedgerApplication
from ledger.errors import IntegrityFailure
from ledger.signing import base64url
from ledger.storage.evidence import DatabaseEvidence
from ledger.storage.published_evidence import PublishedFile
from ledger.verification.__main__ import as_lines
from ledger.verification.bundle import verify_bundle
from ledger.verification.run import verify
from tests.ledger.verification.pack import made, members_of, sealed_again, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ledger.verification.damage import Damaged
    from tests.ledger.verification.publish import Published

LARGE = "zeroblob(2000000)"
FAR = 2**62
TWICE = "INSERT INTO stored_events SELECT {}, 'x', 0, topic, state, x'00' FROM old WHERE seq = 255"


def found_by(damaged: Damaged, *, integrity_only: bool) -> list[tuple[str, int | None]]:
    """Code and place of all that is found."""
    with DatabaseEvidence(damaged.database, head_file=damaged.head_file) as source:
        report = verify(source, integrity_only=integrity_only, jobs=1)
    return [(finding.code, finding.first) for finding in report.findings]


@pytest.mark.parametrize("integrity_only", [False, True])
@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"INSERT INTO stored_events VALUES (-5, 'x', 0, 'x', {LARGE}, x'00')", ("extra", -5)),
        (f"INSERT INTO stored_events VALUES ({FAR}, 'x', 0, 'x', {LARGE}, x'00')", ("extra", FAR)),
        (f"UPDATE stored_events SET state = {LARGE} WHERE seq = 300", ("unreadable", 300)),
    ],
)
def test_an_entry_too_large_to_be_read_is_named_wherever_it_stands(
    damaged: Damaged, statement: str, expected: tuple[str, int], *, integrity_only: bool
) -> None:
    """It hides neither itself nor its neighbours, and no position is walked to in vain."""
    damaged.run(statement)
    found = found_by(damaged, integrity_only=integrity_only)
    assert found[0] == (f"entries.{expected[0]}", expected[1])
    assert {code for code, _ in found} <= {found[0][0], "streams.position"}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (f"INSERT INTO tree_tiles VALUES (5, 5, {LARGE}, x'00')", ("tree.tile-extra", None)),
        (f"INSERT INTO openings VALUES (5000, 0, {LARGE})", ("openings.stray", 5000)),
        (f"INSERT INTO openings VALUES (100, 9, {LARGE})", ("openings.foreign", 100)),
        (
            f"UPDATE checkpoints SET note = {LARGE} WHERE size = 294",
            ("checkpoints.signature", 293),
        ),
        (
            "UPDATE tree_tiles SET hashes = CAST(hashes AS TEXT)",
            ("tree.tile", 0),
        ),
        ("UPDATE tree_tiles SET root = CAST(root AS TEXT)", ("tree.tile-root", 0)),
        (
            "UPDATE stored_events SET event_id = CAST(event_id AS TEXT) WHERE seq = 100",
            ("entries.column", 100),
        ),
    ],
)
def test_a_value_that_no_ledger_writes_is_named_and_nothing_beside_it(
    damaged: Damaged, statement: str, expected: tuple[str, int | None]
) -> None:
    """One too large to be read, and bytes that are stored as text."""
    damaged.run(statement)
    found = found_by(damaged, integrity_only=False)
    assert expected in found
    assert {code for code, _ in found} <= {expected[0], "openings.number"}


@pytest.mark.parametrize("integrity_only", [False, True])
@pytest.mark.parametrize("seq", ["'text'", "1e300", "NULL", "255"])
def test_a_row_under_no_key_of_its_own_is_named(
    damaged: Damaged, seq: str, *, integrity_only: bool
) -> None:
    """A table made again without its key takes in what could not be told from other rows."""
    damaged.run("ALTER TABLE stored_events RENAME TO old")
    damaged.run(
        "CREATE TABLE stored_events"
        " (seq, originator_id, originator_version, topic, state, event_id)"
    )
    damaged.run("INSERT INTO stored_events SELECT * FROM old ORDER BY seq")
    damaged.run(TWICE.format(seq))
    assert ("entries.store", None) in found_by(damaged, integrity_only=integrity_only)


def test_an_opening_kept_as_bytes_is_no_text_for_whoever_reads_the_ledger(
    damaged: Damaged,
) -> None:
    """The projections are compared through the ledger's own reader, which names the table."""
    damaged.run("UPDATE openings SET disclosure = CAST(disclosure AS BLOB)")
    application = LedgerApplication(f"sqlite:///{damaged.database}", create=False)
    with closing(application), pytest.raises(IntegrityFailure) as refused:
        application.store.openings(0, 308)
    assert refused.value.code == "storage.column-type"


def test_a_cosignature_too_large_to_be_read_is_named(published: Published) -> None:
    """It stands for a size that was not published."""
    published.table.run(f"INSERT INTO cosignatures VALUES (5000, 'x', {LARGE})")
    with PublishedFile(published.file) as source:
        assert [(one.size, one.vkey) for one in source.stray_cosignatures(9)] == [(5000, "x")]


def test_no_name_breaks_a_line_of_the_report(damaged: Damaged, tmp_path: Path) -> None:
    """What a bundle says of a protocol can hold anything, such as a line of its own."""
    said = "\ud800\nSound: all is well."
    event = {
        "id": "00000000-0000-4000-8000-000000000000",
        "type": "trial.opened.v1",
        "data": {"protocol_sha256": said},
    }
    payload = base64url.encode(json.dumps(event).encode())
    line = json.dumps({"seq": 308, "statement": f"a.{payload}.b"}) + "\n"
    members = members_of(made(damaged.database, tmp_path / "whole.zip"))
    members["entries.jsonl"] += line.encode()
    report = verify_bundle(write(tmp_path / "odd.zip", sealed_again(members)))
    lines = "".join(as_lines(report, "log")).encode().decode().splitlines()
    assert not any(one.startswith("Sound") for one in lines)
    assert "manifest.protocol" in [finding.code for finding in report.findings]

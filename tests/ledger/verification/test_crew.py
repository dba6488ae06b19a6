"""Who examines the entries changes nothing of what is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ledger.signing import base64url
from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.concealed import CONCEALED
from ledger.verification.kinds import Check
from ledger.verification.report import Status, VerificationReport
from ledger.verification.run import verify
from ledger.verification.sound import Examiner, Sound

if TYPE_CHECKING:
    from ledger.verification.sound import Row
    from tests.ledger.verification.damage import Damaged


def report_of(damaged: Damaged, jobs: int) -> VerificationReport:
    """The report of so many processes."""
    with DatabaseEvidence(damaged.database, head_file=damaged.head_file) as source:
        return verify(source, jobs=jobs)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "UPDATE stored_events SET state = CAST(state || ' ' AS BLOB) WHERE seq = 150",
        "UPDATE stored_events SET originator_version = 999 WHERE seq = 151",
        "DELETE FROM stored_events WHERE seq BETWEEN 160 AND 162",
        "UPDATE stored_events SET state = x'7b7d' WHERE seq = 200",
        "DELETE FROM openings",
    ],
)
def test_further_processes_find_what_one_finds(damaged: Damaged, statement: str) -> None:
    """Findings, their order and their words are the same."""
    damaged.run(statement)
    assert report_of(damaged, 2) == report_of(damaged, 1)


def test_what_a_lost_process_had_is_examined_here(
    damaged: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that cannot be talked to costs time alone."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert report_of(damaged, 2).status is Status.SOUND


def test_integrity_alone_names_a_changed_entry_and_says_what_it_left(damaged: Damaged) -> None:
    """Bytes that are not what the log signed are found without reading any statement."""
    damaged.run("UPDATE stored_events SET state = x'7b7d' WHERE seq = 200")
    with DatabaseEvidence(damaged.database, head_file=damaged.head_file) as source:
        report = verify(source, integrity_only=True)
    assert report.status is Status.DAMAGED
    assert any(finding.covers(200) for finding in report.findings)
    assert {"statements", "authority", "streams"} <= set(report.not_checked)
    assert Check.CHAIN in report.checks_done


def test_an_entry_with_a_foreign_signature_is_never_sound(damaged: Damaged) -> None:
    """Without the key, and with a changed signature, an entry is left to be read again."""
    data = damaged.state(150)
    row: Row = (150, data, None, [])
    [(members, held)], _ = Examiner().examine([row])
    assert (members, held) == (None, ())


def test_a_key_may_come_with_a_row_behind_those_it_signed(damaged: Damaged) -> None:
    """The verdict on an entry does not depend on where in a page its key stands."""
    rows: list[Row] = [(seq, damaged.state(seq), None, []) for seq in range(200)]
    verdicts, _ = Examiner().examine(rows)
    backwards, _ = Examiner().examine(rows[::-1])
    assert verdicts == backwards[::-1]
    assert sum(members is not None for members, _ in verdicts) > 50


def test_a_sound_entry_has_the_hashes_of_its_bytes(damaged: Damaged) -> None:
    """What goes back of an entry is what the entry itself says."""
    from ledger.log.entry import entry_hash, parse_entry
    from ledger.log.tree import leaf_hash

    examiner = Examiner()
    examiner.examine([(seq, damaged.state(seq), None, []) for seq in range(100)])
    found = 0
    for seq in range(100, 250):
        data = damaged.state(seq)
        [(members, _)], _ = examiner.examine([(seq, data, None, [])])
        if members is None:
            continue
        found += 1
        sound, entry = Sound._make(members), parse_entry(data)
        assert (sound.sha256, sound.leaf) == (entry_hash(data), leaf_hash(data))
        assert (sound.prev, sound.stream, sound.stream_seq) == (
            entry.prev, entry.stream, entry.stream_seq,
        )  # fmt: skip
        assert (sound.stream_prev.hex(), sound.link.hex()) == (
            entry.stream_prev, entry.link_hash(),
        )  # fmt: skip
    assert found > 20


def test_an_entry_with_encrypted_openings_is_sound_where_their_digests_are_signed(
    damaged: Damaged,
) -> None:
    """They are counted as concealed; what does not fit is left to who reads the entry again."""
    examiner = Examiner()
    examiner.examine([(seq, damaged.state(seq), None, []) for seq in range(damaged.size)])
    kept: dict[int, list[tuple[int, str]]] = {}
    for seq, number, text in damaged.ask("SELECT seq, number, disclosure FROM openings"):
        kept.setdefault(seq, []).append((number, text))
    examined = 0
    for seq, openings in kept.items():
        data = damaged.state(seq)
        [(members, _)], _ = examiner.examine([(seq, data, None, openings)])
        if members is None:
            continue  # a type that other checks look into
        sound = Sound._make(members)
        assert (sound.withheld, sound.concealed) == (0, len(openings))
        (number, text), *others = openings
        for wrong in (
            [(number, forged(text)), *others],
            [*openings, (len(openings), text)],
            [(number + 1, text), *others],
            [(number, text[:-4]), *others],
        ):
            assert examiner.examine([(seq, data, None, wrong)])[0][0][0] is None
        examined += 1
    assert examined > 20


def forged(text: str) -> str:
    """The encrypted opening with a digest that nobody signed."""
    data = base64url.decode(text.removeprefix(CONCEALED))
    return CONCEALED + base64url.encode(data[:17] + bytes(32) + data[49:])

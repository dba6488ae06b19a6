"""What was published beside the log: each alteration has its one named finding, sound ones none."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.cosignature import cosign
from ledger.log.note import NoteSigner, split_note
from ledger.log.policy import parse_policy
from ledger.log.tree import Frontier
from ledger.storage.published import PublishedCheckpoints
from ledger.verification.cosignatures import Asked
from ledger.verification.kinds import Check
from ledger.verification.report import Status
from tests.ledger.verification.damage import codes
from tests.ledger.verification.publish import (
    ETHICS,
    REGULATOR,
    Published,
    note_at,
    policy_text,
    sizes_of,
    with_both_keys,
)
from tests.running_authority import openssl_stamps

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.verification.report import RootOfTrust
    from tests.build_ledger import BuiltLedger

OF_PUBLICATION = {Check.PUBLISHED, Check.COSIGNATURES, Check.TIMESTAMPS}
stamped = pytest.mark.skipif(not openssl_stamps(), reason="no openssl with ts on this machine")


def swapped(text: str, place: int) -> str:
    """The text with one base64 character changed for another of a like kind."""
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def line_of(note: str, number: int) -> str:
    """One signature line of a note, without its newline."""
    return note.split("\n\n")[1].split("\n")[number]


def ask_for(quorum: str, **more: bool) -> Asked:
    """A policy over both witnesses."""
    return Asked(parse_policy(policy_text(quorum)), **more)


@pytest.fixture
def sizes(sound: BuiltLedger) -> list[int]:
    """The three published sizes."""
    return sizes_of(sound)


def test_what_was_published_soundly_has_no_findings(
    published: Published, trust: RootOfTrust, sizes: list[int]
) -> None:
    """The checks are said to be done, and what there is is counted."""
    report = published.verify(trust=trust)
    assert (report.status, report.findings, report.notices) == (Status.SOUND, (), ())
    assert set(report.checks_done) >= OF_PUBLICATION
    assert report.publication is not None
    assert (report.publication.published, report.publication.newest) == (3, sizes[-1])
    assert report.publication.unknown_lines == 5
    assert "witnesses" in report.reasons


def test_without_a_file_the_report_says_that_and_why(sound: BuiltLedger) -> None:
    """Nothing published is no damage."""
    found = Published(sound.directory / "ledger.sqlite3", sound.files.head, sound.directory / "no")
    report = found.verify()
    assert report.status is Status.SOUND
    assert not OF_PUBLICATION & set(report.checks_done)
    assert {check.label for check in OF_PUBLICATION} <= set(report.not_checked)
    assert report.reasons["published"] == "nothing published is at hand"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda note: swapped(note, note.index("\n", note.index("\n") + 1) + 5), "published.s"),
        (lambda note: swapped(note, note.index(line_of(note, 0)) + 60), "published.signature"),
        (lambda note: swapped(note, note.index(line_of(note, 1)) + 900), "cosignatures.log"),
        (lambda note: note.replace(f"{line_of(note, 1)}\n", ""), "cosignatures.log"),
        (lambda note: note.replace(f"{line_of(note, 0)}\n", ""), "published.signature"),
        (lambda note: f"{note}{line_of(note, 1)}\n", "published.signature"),
        (lambda note: f"{note}— witness.example/x AAAAAAAA\n", "published.signature"),
        (lambda note: note.encode(), "published.signature"),
        (lambda note: "", "published.signature"),
    ],
    ids=["root", "ed25519", "ml-dsa", "no-ml-dsa", "no-ed25519", "twice", "more", "bytes", "empty"],
)
def test_an_altered_note_is_named(
    published: Published, sizes: list[int], change: object, code: str
) -> None:
    """Text, each of its lines, a line more and a line less."""
    ((note,),) = published.table.ask(
        "SELECT note FROM published_checkpoints WHERE size = ?", sizes[1]
    )
    published.table.run(
        "UPDATE published_checkpoints SET note = ? WHERE size = ?",
        change(note),  # type: ignore[operator]
        sizes[1],
    )
    (finding,) = published.verify().findings
    assert finding.code.startswith(code)
    assert finding.covers(sizes[1] - 1)


def test_a_checkpoint_kept_under_another_size_is_named(
    published: Published, sizes: list[int]
) -> None:
    """Once, whatever hangs on its size."""
    published.table.run("UPDATE published_checkpoints SET size = size + 1 WHERE size = ?", sizes[1])
    (finding,) = published.verify().findings
    assert (finding.code, finding.found) == ("published.size", str(sizes[1]))


def test_two_notes_that_changed_places_are_both_named(
    published: Published, sizes: list[int]
) -> None:
    """Each states the other's size."""
    notes = dict(published.table.ask("SELECT size, note FROM published_checkpoints"))
    for size, other in (sizes[:2], sizes[1::-1]):
        change = "UPDATE published_checkpoints SET note = ? WHERE size = ?"
        published.table.run(change, notes[other], size)
    report = published.verify()
    assert [(f.code, f.first) for f in report.findings] == [
        ("published.size", sizes[0] - 1),
        ("published.size", sizes[1] - 1),
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_removed_checkpoint_is_named_by_its_size(
    published: Published, sizes: list[int], number: int
) -> None:
    """Though every other signature holds; it was counted when it was published."""
    published.table.run("DELETE FROM published_checkpoints WHERE size = ?", sizes[number])
    (finding,) = published.verify().findings
    assert (finding.code, finding.first) == ("published.missing", sizes[number] - 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE cosignatures SET line = replace(line, 'A', 'B')", "cosignatures.signature"),
        ("UPDATE cosignatures SET line = line || line", "cosignatures.signature"),
        ("UPDATE cosignatures SET line = trim(line, char(10))", "cosignatures.signature"),
        ("UPDATE cosignatures SET line = x'00'", "cosignatures.signature"),
        ("UPDATE cosignatures SET vkey = 'nobody'", "cosignatures.signature"),
        ("UPDATE cosignatures SET vkey = x'00'", "cosignatures.signature"),
        ("UPDATE cosignatures SET size = 7", "cosignatures.stray"),
        ("DELETE FROM cosignatures", "cosignatures.missing"),
    ],
)
def test_an_altered_cosignature_is_named(
    published: Published, sizes: list[int], change: str, code: str
) -> None:
    """The line, the key beside it, the size it is for, and that it is there."""
    published.table.run(f"{change} WHERE size = ? AND vkey = ?", sizes[1], str(ETHICS.vkey))
    report = published.verify()
    assert codes(report.findings) == [code]
    assert len(report.findings) == 1


def test_the_line_of_another_checkpoint_is_named(published: Published, sizes: list[int]) -> None:
    """A cosignature said again under what the witness did not see."""
    published.table.run(
        "UPDATE cosignatures SET line = (SELECT line FROM cosignatures WHERE size = ? AND vkey = ?)"
        " WHERE size = ? AND vkey = ?",
        sizes[0], str(ETHICS.vkey), sizes[2], str(ETHICS.vkey),
    )  # fmt: skip
    (finding,) = published.verify().findings
    assert (finding.code, finding.first) == ("cosignatures.signature", sizes[2] - 1)


def test_a_cosignature_without_a_time_is_named(
    published: Published, sound: BuiltLedger, sizes: list[int]
) -> None:
    """A witness must say when it saw the log."""
    text, _ = split_note(note_at(sound, sizes[1]))
    key = ETHICS._private  # what the witness itself could sign
    signature = key.sign(f"cosignature/v1\ntime 0\n{text}".encode())
    from ledger.log.note import NoteSignature

    line = f"{NoteSignature(ETHICS.name, ETHICS.key_id, bytes(8) + signature)}\n"
    published.table.run(
        "UPDATE cosignatures SET line = ? WHERE size = ? AND vkey = ?",
        line, sizes[1], str(ETHICS.vkey),
    )  # fmt: skip
    (finding,) = published.verify().findings
    assert (finding.code, finding.found) == ("cosignatures.signature", "It states no time.")


@stamped
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("UPDATE timestamps SET response = substr(response, 1, 300)", "timestamps.altered"),
        ("UPDATE timestamps SET response = 'text'", "timestamps.altered"),
        ("UPDATE timestamps SET sha256 = '00'", "timestamps.altered"),
        ("UPDATE timestamps SET time = '2020-01-01T00:00:00Z'", "timestamps.column"),
        ("UPDATE timestamps SET time = x'00'", "timestamps.altered"),
        ("UPDATE timestamps SET authority = 'CN=Another'", "timestamps.column"),
        ("UPDATE timestamps SET size = 3", "timestamps.other-checkpoint"),
        ("UPDATE timestamps SET size = 100000", "timestamps.no-checkpoint"),
        ("DELETE FROM timestamps", "timestamps.missing"),
    ],
)
def test_an_altered_time_stamp_is_named(
    published: Published, sizes: list[int], change: str, code: str
) -> None:
    """Without any library for it: what is stamped, when, and what is kept beside it."""
    published.table.run(f"{change} WHERE size = ?", sizes[1])
    assert [f.code for f in published.verify().findings] == [code]


@stamped
@pytest.mark.parametrize(
    ("response", "code"),
    [
        (b"", "timestamps.malformed"),
        (b"\x30\x80\x00\x00", "timestamps.malformed"),
        (bytes.fromhex("30053003020102"), "timestamps.malformed"),
    ],
)
def test_what_is_no_granted_response_is_named(
    published: Published, sizes: list[int], response: bytes, code: str
) -> None:
    """Though its hash fits."""
    digest = hashlib.sha256(response).hexdigest()
    published.table.run(
        "UPDATE timestamps SET response = ?, sha256 = ? WHERE size = ?", response, digest, sizes[1]
    )
    assert [f.code for f in published.verify().findings] == [code]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tallies SET number = 9 WHERE kind = 'timestamps'",
        "UPDATE tallies SET number = 1 WHERE kind = 'published_checkpoints'",
        "UPDATE tallies SET total = 1 WHERE kind = 'published_checkpoints'",
        "UPDATE tallies SET kind = 'others' WHERE kind = 'published_checkpoints'",
        "UPDATE tallies SET vkey = 'others' WHERE kind = 'published_checkpoints'",
        "UPDATE tallies SET number = 'many' WHERE kind = 'published_checkpoints'",
        "DELETE FROM tallies WHERE kind = 'published_checkpoints'",
    ],
)
def test_an_altered_count_is_named(published: Published, change: str) -> None:
    """It is a stored value too."""
    if "timestamps" in change and not openssl_stamps():
        pytest.skip("nothing is stamped here")
    published.table.run(change)
    found = published.verify().findings
    assert found
    assert {f.code.partition(".")[2] for f in found} <= {"count", "missing"}


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER published_checkpoints_no_update",
        "DROP TRIGGER cosignatures_counted",
        "DROP INDEX cosignatures_by_key",
        "DROP TABLE tallies",
        "CREATE TRIGGER mine AFTER INSERT ON timestamps BEGIN DELETE FROM cosignatures; END",
    ],
)
def test_an_altered_schema_is_named(published: Published, statement: str) -> None:
    """What keeps the file append-only belongs to what is kept."""
    published.table.schema(statement)
    found = published.verify().findings
    assert {f.code for f in found} <= {"published.store", "published.count"}
    assert "published.store" in codes(found)


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + bytes(4_000)])
def test_a_file_that_is_no_database_is_damage(published: Published, content: bytes) -> None:
    """It was there to be read; the log itself is judged all the same."""
    published.file.write_bytes(content)
    report = published.verify()
    assert "published.store" in codes(report.findings)
    assert {f.check for f in report.findings} == {Check.PUBLISHED}
    assert report.size == 308


def test_another_history_under_the_logs_own_key_is_a_fork(
    published: Published, sound: BuiltLedger
) -> None:
    """The log signed two trees of one size."""
    root = Frontier().extend([bytes(32)] * 150).root()
    keys = sound.keys
    note = sign_checkpoint(Checkpoint(keys.origin, 150, root), keys.checkpoint_signer)
    PublishedCheckpoints(published.file).publish(150, with_both_keys(note, keys))
    (finding,) = published.verify().findings
    assert (finding.code, finding.first) == ("published.root", 149)


def test_a_log_that_ends_before_what_it_published_was_rolled_back(
    published: Published, sound: BuiltLedger
) -> None:
    """Also where the head file was rolled back with it."""
    keys = sound.keys
    note = sign_checkpoint(Checkpoint(keys.origin, 900, bytes(32)), keys.checkpoint_signer)
    PublishedCheckpoints(published.file).publish(900, with_both_keys(note, keys))
    (finding,) = published.verify().findings
    assert (finding.code, finding.first, finding.last) == ("published.rolled-back", 308, 899)


def test_a_checkpoint_of_another_log_is_named(published: Published) -> None:
    """Whatever it is signed with."""
    signer = NoteSigner.from_seed("other.example/log", bytes(32))
    note = sign_checkpoint(Checkpoint(signer.name, 150, bytes(32)), signer)
    PublishedCheckpoints(published.file).publish(150, note)
    assert codes(published.verify().findings) == ["published.signature"]


def test_a_quorum_that_is_met_is_reported(published: Published, sizes: list[int]) -> None:
    """Either witness is enough, and nobody is unknown."""
    report = published.verify(ask_for("any"))
    assert (report.findings, report.notices) == ((), ())
    assert report.publication is not None
    assert (report.publication.cosigned, report.publication.unknown_lines) == (sizes[-1], 0)
    assert report.publication.missing == ("regulator",)
    assert "witnesses" not in report.reasons


def test_a_quorum_that_lies_behind_is_a_notice(published: Published, sizes: list[int]) -> None:
    """Both must cosign, and one has not seen the newest."""
    report = published.verify(ask_for("all"))
    assert (report.status, codes(report.notices)) == (Status.SOUND, ["cosignatures.behind"])
    assert report.publication is not None
    assert report.publication.cosigned == sizes[1]


@pytest.mark.parametrize(
    ("given_by_verifier", "status"), [(True, Status.DAMAGED), (False, Status.SOUND)]
)
def test_a_quorum_that_is_never_met_counts_when_the_verifier_asks(
    published: Published, *, given_by_verifier: bool, status: Status
) -> None:
    """The verifier's own policy is a demand; the ledger's own is only its word."""
    stranger = type(ETHICS).from_seed("witness.example/stranger", bytes(32))
    policy = parse_policy(policy_text("all", ETHICS, REGULATOR, stranger))
    report = published.verify(Asked(policy, given=given_by_verifier))
    assert report.status is status
    found = codes([*report.findings, *report.notices])
    assert found == ["cosignatures.quorum" if given_by_verifier else "cosignatures.behind"]


def test_lines_of_unknown_witnesses_are_counted_and_count_for_nothing(
    published: Published,
) -> None:
    """C2SP signed-note: unknown signatures are ignored."""
    report = published.verify(Asked(parse_policy(policy_text("any", ETHICS))))
    assert report.findings == ()
    assert report.publication is not None
    assert report.publication.unknown_lines == 2


def test_a_quorum_is_demanded_also_where_nothing_is_published(sound: BuiltLedger) -> None:
    """Who asks for cosignatures must not read "sound" because there are none."""
    found = Published(sound.directory / "ledger.sqlite3", sound.files.head, sound.directory / "no")
    assert codes(found.verify(ask_for("any")).findings) == ["cosignatures.quorum"]


def test_a_policy_for_another_log_is_named(published: Published) -> None:
    """It says nothing of this one."""
    other = NoteSigner.from_seed("other.example/log", bytes(32)).verifier
    policy = parse_policy(f"log {other}\n".encode() + policy_text("any"))
    assert codes(published.verify(Asked(policy)).findings) == ["cosignatures.policy"]


def test_rows_are_counted_also_where_an_earlier_version_did_not(
    published: Published, sizes: list[int]
) -> None:
    """Once, when the file is opened; from then on what is gone is missed."""
    with closing(sqlite3.connect(published.file)) as connection, connection:
        connection.execute("DROP TABLE tallies")
    PublishedCheckpoints(published.file)
    assert published.verify().findings == ()
    published.table.run("DELETE FROM published_checkpoints WHERE size = ?", sizes[0])
    assert codes(published.verify().findings) == ["published.missing"]


def test_the_file_refuses_what_it_must_never_do(published: Published, sizes: list[int]) -> None:
    """Update, delete and replace, in each of its tables."""
    for statement in (
        "UPDATE published_checkpoints SET note = ''",
        "DELETE FROM cosignatures",
        "DELETE FROM tallies",
        f"INSERT OR REPLACE INTO published_checkpoints VALUES ({sizes[0]}, '')",
        f"INSERT OR REPLACE INTO cosignatures VALUES ({sizes[0]}, '{ETHICS.vkey}', '')",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            published.table.schema(statement)
    PublishedCheckpoints(published.file).publish(sizes[0], "again")
    PublishedCheckpoints(published.file).add_cosignature(sizes[0], str(ETHICS.vkey), "again")
    assert published.verify().findings == ()


def test_further_lines_of_a_known_witness_are_no_damage(
    published: Published, sound: BuiltLedger, sizes: list[int]
) -> None:
    """Anybody may cosign at any time."""
    line = cosign(note_at(sound, sizes[2]), REGULATOR, time=1_900_000_000)
    PublishedCheckpoints(published.file).add_cosignature(sizes[2], str(REGULATOR.vkey), line)
    assert published.verify(ask_for("all")).notices == ()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(choice=st.integers(0, 10_000), seed=st.integers(0, 2**32))
def test_any_stored_value_that_is_altered_is_found(
    issued: Published, tmp_path: Path, choice: int, seed: int
) -> None:
    """Whichever cell of whichever table, by one character, bit or unit."""
    copy = issued.beside(tmp_path)
    cells = [
        (table, key, column)
        for table, key, columns in (
            ("published_checkpoints", "size", ("size", "note")),
            ("cosignatures", "size || vkey", ("size", "vkey", "line")),
            ("timestamps", "size", ("size", "time", "authority", "sha256", "response")),
            ("tallies", "kind || vkey", ("kind", "vkey", "number", "total")),
        )
        for (key,) in copy.table.ask(f"SELECT {key} FROM {table}")
        for column in columns
    ]
    table, key, column = cells[choice % len(cells)]
    expression = {"cosignatures": "size || vkey", "tallies": "kind || vkey"}.get(table, "size")
    where = f"FROM {table} WHERE {expression} = ?"
    ((value,),) = copy.table.ask(f"SELECT {column} {where}", key)
    copy.table.run(
        f"UPDATE {table} SET {column} = ? WHERE {expression} = ?",
        other_than(value, random.Random(seed)),
        key,
    )
    found = copy.verify().findings
    assert found
    assert {f.check for f in found} <= OF_PUBLICATION


def other_than(value: object, chance: random.Random) -> object:
    """A value next to another."""
    if isinstance(value, int):
        return value + chance.choice((1, 13, 700))
    if isinstance(value, bytes):
        place = chance.randrange(len(value))
        return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]
    text = str(value)
    place = chance.randrange(len(text)) if text else 0
    letter = "x" if text[place : place + 1] != "x" else "y"
    return text[:place] + letter + text[place + 1 :]

"""The head kept outside the database: what a start makes of each difference."""

from __future__ import annotations

import fcntl
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure, Unavailable
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.note import NoteSigner
from ledger.recording.genesis import Sponsor, open_trial
from ledger.storage.head_file import HeadFile
from tests.build_ledger import SPONSOR, START, identify
from tests.ledger.build_service import (
    answer,
    bag,
    code_of,
    database,
    open_copy,
    require_receipt,
    require_sound,
    without_triggers,
)

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger


def copy_database(built: BuiltLedger, directory: Path) -> Path:
    """A copy of the closed database, as a backup would hold it."""
    directory.mkdir()
    return Path(shutil.copy(database(built), directory / "ledger.sqlite3"))


def refusal_after_start(built: BuiltLedger) -> str:
    """The code under which a newly started ledger refuses to sign; empty when it signs."""
    built.reopen()
    return built.ledger.refusal.code if built.ledger.refusal else ""


def require_reads_go_on(built: BuiltLedger) -> None:
    """A ledger that refuses to sign still serves what it holds, and takes nothing in.

    It proves nothing of a history in doubt: nothing outside the database confirms it.
    """
    size = built.ledger.application.store.head().size
    with pytest.raises(Unavailable, match="only 0 entries are confirmed") as refused:
        built.ledger.receipt(3)
    assert refused.value.code == "receipt.unconfirmed"
    assert built.ledger.application.stream("access")
    assert code_of(built, bag(built, 900)) == "ledger.refuses-to-sign"
    assert built.ledger.application.store.head().size == size


def test_the_head_file_holds_the_head_before_the_receipt_is_given(built: BuiltLedger) -> None:
    """Its size covers the entry as soon as the sender is answered."""
    for number in range(3):
        given = answer(built, bag(built, number))
        kept = HeadFile(built.files.head).read(built.keys.vkey)
        assert kept is not None
        assert kept.size == given.size == given.outcome.seq + 1


def test_a_database_that_was_rolled_back_is_not_signed(built: BuiltLedger, tmp_path: Path) -> None:
    """An old copy put in place: the head file knows more."""
    built.close()
    old = copy_database(built, tmp_path / "old")
    built.reopen()
    answer(built, bag(built, 1))
    built.close()
    shutil.copy(old, database(built))
    assert refusal_after_start(built) == "head.rolled-back"
    refusal = built.ledger.refusal
    assert refusal is not None
    assert "36" in refusal.message
    assert "37" in refusal.message
    require_reads_go_on(built)


@pytest.mark.parametrize("more", [0, 1, 300])
def test_another_history_of_the_same_or_greater_length_is_not_signed(
    built: BuiltLedger, tmp_path: Path, more: int
) -> None:
    """Signed by the same keys, but not an extension of what was signed."""
    built.close()
    twin = open_copy(built, tmp_path / "twin")
    built.reopen()
    answer(built, bag(built, 1))
    built.close()
    twin.record_all([bag(twin, number) for number in range(2, 3 + more)])
    twin.close()
    shutil.copy(database(twin), database(built))
    assert refusal_after_start(built) == "head.forked"
    require_reads_go_on(built)


@pytest.mark.parametrize("count", [1, 2, 300])
def test_a_database_ahead_by_whole_commits_is_taken_over(built: BuiltLedger, count: int) -> None:
    """A death between commit and head file: nothing is lost, the head file is extended."""
    before = built.files.head.read_bytes()
    built.record_all([bag(built, number) for number in range(count)])
    answer(built, signed := identify(built, 2))
    built.close()
    built.files.head.write_bytes(before)
    assert refusal_after_start(built) == ""
    kept = HeadFile(built.files.head).read(built.keys.vkey)
    assert kept is not None
    assert kept.size == built.ledger.application.store.head().size
    require_receipt(built, answer(built, signed), signed)
    require_sound(built)


def test_a_missing_head_file_is_not_made_up(built: BuiltLedger) -> None:
    """Deleting it must not be a way to sign a rolled-back database."""
    built.close()
    built.files.head.unlink()
    assert refusal_after_start(built) == "head.file-missing"
    require_reads_go_on(built)
    assert not built.files.head.exists()


def test_a_head_file_signed_by_another_key_is_refused(built: BuiltLedger) -> None:
    """Same origin, right root, other key."""
    built.close()
    kept = HeadFile(built.files.head).read(built.keys.vkey)
    assert kept is not None
    other = NoteSigner.from_seed(built.keys.origin, b"o" * 32)
    built.files.head.write_text(sign_checkpoint(kept, other))
    assert refusal_after_start(built).startswith("note.")
    require_reads_go_on(built)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"36\n", b"a\n36\nAAAA\n\n"])
def test_a_head_file_with_other_content_is_refused(built: BuiltLedger, content: bytes) -> None:
    """Never a crash, never a signature."""
    built.close()
    built.files.head.write_bytes(content)
    assert refusal_after_start(built) != ""
    require_reads_go_on(built)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("UPDATE stored_events SET state = CAST(replace(state, 'prev', 'perv') AS BLOB)"
         " WHERE seq = 35"), "head.last-entry"),
        ("UPDATE stored_events SET state = CAST(state AS TEXT) WHERE seq = 35",
         "storage.column-type"),
        ("UPDATE ledger_head SET size = 'many'", "storage.column-type"),
        ("DELETE FROM checkpoints WHERE size = 36", "head.no-checkpoint"),
        ("UPDATE ledger_head SET hash = 'x'", "head.last-entry"),
        ("UPDATE stored_events SET state = CAST(state || ' ' AS BLOB) WHERE seq = 20",
         "head.root"),
    ],
)  # fmt: skip
def test_a_damaged_end_is_found_before_anything_is_signed(
    built: BuiltLedger, change: str, code: str
) -> None:
    """Entry, checkpoint, head row and tree must agree at the start."""
    built.close()
    without_triggers(database(built), change)
    assert refusal_after_start(built) == code
    assert code_of(built, bag(built, 1)) == "ledger.refuses-to-sign"


def test_a_roll_back_under_a_running_ledger_is_found_and_stays_found(
    built: BuiltLedger,
) -> None:
    """The first statement after it is turned away, and so is every later one."""
    answer(built, bag(built, 1))
    without_triggers(
        database(built),
        "DELETE FROM stored_events WHERE seq = 36",
        "DELETE FROM checkpoints WHERE size = 37",
        "UPDATE ledger_head SET size = 36, hash = (SELECT json_extract(CAST(state AS TEXT),"
        " '$.prev') FROM stored_events WHERE seq = 35)",
    )
    assert code_of(built, bag(built, 2)) == "head.rolled-back"
    assert code_of(built, bag(built, 3)) == "head.rolled-back"
    assert built.ledger.application.store.head().size == 36


def test_another_history_under_a_running_ledger_is_found(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Longer than what was signed, so that its size alone gives nothing away."""
    built.close()
    twin = open_copy(built, tmp_path / "twin")
    twin.record_all([bag(twin, number) for number in range(2, 9)])
    twin.close()
    built.reopen()
    answer(built, bag(built, 1))
    built.ledger.application.close()
    for suffix in ("-wal", "-shm"):
        database(built).with_name(f"ledger.sqlite3{suffix}").unlink(missing_ok=True)
    shutil.copy(database(twin), database(built))
    assert code_of(built, bag(built, 10)) in ("head.forked", "storage.unavailable")


def test_a_smaller_head_never_replaces_a_larger_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes write after their commits, in whatever order they get there."""
    # On a slow disk the last of them waits for the syncs of all others.
    monkeypatch.setattr("ledger.storage.head_file.TURN_SECONDS", 120.0)
    signer = NoteSigner.from_seed("log.example", b"k" * 32)
    file = HeadFile(tmp_path / "head")
    notes = [
        sign_checkpoint(Checkpoint("log.example", size, bytes([size]) * 32), signer)
        for size in range(1, 33)
    ]
    threads = [threading.Thread(target=file.write, args=(note,)) for note in reversed(notes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
    kept = file.read(signer.verifier)
    assert kept is not None
    assert kept.size == 32
    assert not (tmp_path / "head.new").exists()


def test_a_head_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    """The caller decides what that means."""
    signer = NoteSigner.from_seed("log.example", b"k" * 32)
    assert HeadFile(tmp_path / "head").read(signer.verifier) is None


def test_a_trial_is_opened_once(built: BuiltLedger) -> None:
    """A second opening is refused and leaves the log as it is."""
    root = built.parties[SPONSOR]
    with pytest.raises(RejectedInput) as refused:
        open_trial(
            built.ledger.application,
            built.definition,
            built.keys,
            Sponsor(root.id, root.name, root.key),
            head_file=HeadFile(built.files.head),
            at=START,
            demonstration=True,
        )
    assert refused.value.code == "genesis.not-empty"
    require_sound(built)


def test_reading_a_forged_head_names_what_is_wrong(tmp_path: Path) -> None:
    """IntegrityFailure for what is no checkpoint, TrustFailure for whose signature is missing."""
    signer = NoteSigner.from_seed("log.example", b"k" * 32)
    other = NoteSigner.from_seed("log.example", b"o" * 32)
    file = HeadFile(tmp_path / "head")
    file.path.write_text("no note")
    with pytest.raises(IntegrityFailure):
        file.read(signer.verifier)
    file.path.write_text(sign_checkpoint(Checkpoint("log.example", 1, b"r" * 32), other))
    with pytest.raises(TrustFailure):
        file.read(signer.verifier)


def test_a_head_file_that_somebody_holds_is_not_waited_for_without_end(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender is told to come again; once it is let go the retry gets its receipt."""
    monkeypatch.setattr("ledger.storage.head_file.TURN_SECONDS", 0.1)
    signed = bag(built, 1)
    lock = built.files.head.with_name(f"{built.files.head.name}.lock")
    with lock.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert code_of(built, signed) == "head.locked"
    require_receipt(built, answer(built, signed), signed)

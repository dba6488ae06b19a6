"""Backups and what comes back from them: whole, verified, and never a second history."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, Unavailable
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.note import split_note
from ledger.publication.bundling import Beside, write_bundle
from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.backup import MANIFEST, Backup, read_backup, write_backup
from ledger.storage.evidence import DatabaseEvidence, verify_ledger
from ledger.storage.restoring import Restored, restore
from ledger.storage.supplies import BundleSupply, FileSupply, ReceiptSupply
from ledger.verification.bundle import BundleEvidence
from tests.build_ledger import START, identify
from tests.ledger.build_service import (
    answer,
    bag,
    code_of,
    database,
    open_copy,
    receipt_of,
    require_receipt,
    require_sound,
    without_triggers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ledger.recording.outcomes import Receipted
    from ledger.storage.supplies import Supply
    from tests.build_ledger import BuiltLedger, Signed

SOFTWARE = "trial-ledger test"
KEPT_APART = (".kek", ".allocation.kek", ".concealed")


def back_up(built: BuiltLedger, out: Path, *, secrets: bool = False) -> Backup:
    """A backup of a ledger that is open."""
    return write_backup(
        database(built), built.files, out, now=START, software=SOFTWARE, secrets=secrets
    )


def put_back(
    backup: Backup, directory: Path, *supplies: Supply, notes: Sequence[str] = ()
) -> Restored:
    """A restore to a directory, beside what is there already."""
    path = directory / "ledger.sqlite3"
    return restore(backup, path, LedgerFiles.beside(path), supplies=supplies, notes=notes)


@contextmanager
def opened(template: BuiltLedger, directory: Path) -> Iterator[BuiltLedger]:
    """The restored ledger, open, as its senders see it."""
    path = directory / "ledger.sqlite3"
    files = LedgerFiles.beside(path)
    if not files.keys.exists():
        shutil.copy(template.files.keys, files.keys)
    for suffix in KEPT_APART:  # as they come back from backups of their own
        there = directory / f"ledger.sqlite3{suffix}"
        if not there.exists():
            shutil.copy(template.files.keys.with_name(f"ledger.sqlite3{suffix}"), there)
    with closing(TrialLedger(f"sqlite:///{path}", files)) as ledger:
        yield type(template)(
            directory, f"sqlite:///{path}", files, template.keys, template.definition, ledger,
            now=template.now, made=template.made,
        )  # fmt: skip


def lose_database(built: BuiltLedger) -> Path:
    """All but the head file and what is backed up apart is gone; the directory that is left."""
    built.close()
    for path in built.directory.glob("ledger.sqlite3*"):
        if path != built.files.head and not path.name.endswith(KEPT_APART):
            path.unlink()
    return built.directory


def keep_receipts(
    built: BuiltLedger, folder: Path, given: Sequence[tuple[Signed, Receipted]]
) -> None:
    """What a client keeps: each entry with its receipt, of commands the result's too."""
    folder.mkdir(exist_ok=True)
    for signed, one in given:
        for seq in (one.outcome.seq, one.outcome.result_seq):
            if seq is not None:
                data = built.ledger.application.store.entry(seq)
                assert data is not None
                name = f"{signed.event.id}-{seq}"
                (folder / f"{name}.entry.json").write_bytes(data)
                (folder / f"{name}.tlog-proof").write_text(receipt_of(one, seq).text())


def bundle_of(built: BuiltLedger, out: Path) -> Path:
    """A bundle of the whole log."""
    with out.open("wb") as file, DatabaseEvidence(database(built)) as source:
        write_bundle(file, source, Beside(SOFTWARE, {}))
    return out


def test_a_backup_is_a_ledger_that_verifies_on_its_own(built: BuiltLedger, tmp_path: Path) -> None:
    """Database and head agree, the manifest says what they are, no key is among the files."""
    given = answer(built, bag(built, 1))
    backup = back_up(built, tmp_path / "backup")
    report = verify_ledger(backup.database, head_file=backup.file("head"))
    names = {path.name for path in backup.directory.iterdir()}

    assert (report.findings, report.size) == ((), given.size)
    assert (backup.size, backup.manifest["root"]) == (report.size, report.root)
    assert backup.manifest["vkey"] == built.vkey
    assert names == {"backup.json", "ledger.sqlite3", "ledger.sqlite3.head", "protocol"}
    assert {"allocation", "keys"} <= set(backup.left_out)
    assert {path.stat().st_mode & 0o077 for path in backup.directory.iterdir()} == {0}


def test_secrets_are_copied_only_when_asked_for(built: BuiltLedger, tmp_path: Path) -> None:
    """Then a new machine needs nothing more but the keys of what is concealed, kept apart."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    done = put_back(backup, tmp_path / "elsewhere")
    assert backup.left_out == ["allocation.kek", "concealed", "kek"] == sorted(done.absent)
    assert set(done.placed) >= {"keys", "allocation"}
    with opened(built, tmp_path / "elsewhere") as again:
        assert again.ledger.refusal is None
        require_receipt(again, answer(again, signed := bag(again, 7)), signed)


def test_a_backup_while_others_write_is_of_one_instant(built: BuiltLedger, tmp_path: Path) -> None:
    """Taken again and again under load: each is whole, none stops the writer."""
    stop, sizes = threading.Event(), list[int]()

    def write() -> None:
        for number in range(1, 2000):
            if stop.is_set():
                return
            answer(built, bag(built, number))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        until = time.monotonic() + 60
        while len(sizes) < 4 or (sizes[0] == sizes[-1] and time.monotonic() < until):
            sizes.append(back_up(built, tmp_path / f"backup-{len(sizes)}").size)
    finally:
        stop.set()
        writer.join(30)
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] <= built.ledger.application.store.head().size


def test_a_damaged_ledger_is_not_backed_up_as_a_sound_one(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """The first finding is named, and nothing is left that could be taken for a backup."""
    without_triggers(database(built), "UPDATE stored_events SET topic = 'a.b.v1' WHERE seq = 7")
    with pytest.raises(IntegrityFailure) as refused:
        back_up(built, tmp_path / "backup")
    assert refused.value.code == "backup.damaged"
    assert "seq 7" in refused.value.message
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def test_a_ledger_that_was_rolled_back_is_not_backed_up(built: BuiltLedger, tmp_path: Path) -> None:
    """The head file knows more than the database: a copy of it would hide that."""
    old = back_up(built, tmp_path / "old")
    answer(built, bag(built, 1))
    built.close()
    shutil.copy(old.database, database(built))
    with pytest.raises(IntegrityFailure) as refused:
        back_up(built, tmp_path / "new")
    assert "head-file.rolled-back" in refused.value.message


@pytest.mark.parametrize("name", ["ledger.sqlite3", "ledger.sqlite3.head", MANIFEST])
@pytest.mark.parametrize("how", ["flip", "cut", "gone"])
def test_an_altered_backup_is_named_before_it_is_used(
    built: BuiltLedger, tmp_path: Path, name: str, how: str
) -> None:
    """One bit, the end, or the whole of any file."""
    path = back_up(built, tmp_path / "backup").directory / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if how != "gone":
        path.write_bytes(content if how == "flip" else content[: len(content) // 2])
    with pytest.raises(LedgerError) as refused:
        put_back(read_backup(tmp_path / "backup"), tmp_path / "elsewhere")
    assert refused.value.code.startswith(("backup.", "evidence.")) or name == MANIFEST


def test_neither_backup_nor_restore_overwrites(built: BuiltLedger, tmp_path: Path) -> None:
    """A second run says what is there."""
    backup = back_up(built, tmp_path / "backup")
    with pytest.raises(RejectedInput) as refused:
        back_up(built, tmp_path / "backup")
    assert refused.value.code == "backup.exists"
    with pytest.raises(RejectedInput) as refused:
        put_back(backup, built.directory)
    assert refused.value.code == "restore.exists"
    require_sound(built)


def test_something_else_is_no_backup(tmp_path: Path) -> None:
    """An empty directory, and one with a manifest of another kind."""
    with pytest.raises(Unavailable):
        read_backup(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps({"format": "other"}))
    with pytest.raises(Unavailable):
        read_backup(tmp_path)


def test_a_backup_as_new_as_the_head_file_goes_on_signing(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Nothing is missing: senders get their old receipts again and new ones too."""
    first = receipt_of(answer(built, signed := bag(built, 1))).text()
    backup = back_up(built, tmp_path / "backup", secrets=True)
    done = put_back(backup, lose_database(built))
    assert (done.refusal, done.missing) == (None, None)
    with opened(built, built.directory) as again:
        assert receipt_of(answer(again, signed)).text() == first
        require_receipt(again, answer(again, new := bag(again, 2)), new)
        require_sound(again)


def test_an_older_backup_refuses_to_sign_and_names_what_is_missing(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """The head file outlived the database; reads go on."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    last = [answer(built, bag(built, number)) for number in range(5)][-1]
    done = put_back(backup, lose_database(built))
    assert done.refusal is not None
    assert done.refusal.code == "head.rolled-back"
    assert done.missing == (backup.size, last.size - 1)
    with opened(built, built.directory) as again:
        assert again.ledger.refusal is not None
        assert again.ledger.refusal.code == "head.rolled-back"
        assert again.ledger.application.record(3).seq == 3
        assert code_of(again, bag(again, 9)) == "ledger.refuses-to-sign"


def test_a_head_that_somebody_kept_makes_a_stale_restore_refuse(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Database and head file are both lost; one receipt's checkpoint is enough to know."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    given = answer(built, bag(built, 1))
    built.close()
    assert put_back(backup, tmp_path / "unknowing").refusal is None
    done = put_back(backup, tmp_path / "knowing", notes=[given.note])
    assert done.missing == (backup.size, backup.size)
    with opened(built, tmp_path / "knowing") as again:
        assert again.ledger.refusal is not None


def test_a_bundle_brings_everything_back_to_the_same_root(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Entries, openings, tiles and each checkpoint; old receipts are given again as they were."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    sent = [identify(built, number) if number % 50 == 9 else bag(built, number)
            for number in range(2, 300)]  # fmt: skip
    given = [receipt_of(answer(built, one)).text() for one in sent]
    whole = verify_ledger(database(built), head_file=built.files.head)
    bundle = bundle_of(built, tmp_path / "bundle.zip")
    with BundleEvidence(bundle) as evidence:
        done = put_back(backup, lose_database(built), BundleSupply(evidence))
    assert (done.refusal, done.missing) == (None, None)
    assert (done.report.root, done.report.size) == (whole.root, whole.size)
    assert done.regained == whole.size - backup.size
    with opened(built, built.directory) as again:
        for one, first in zip(sent[::20], given[::20], strict=True):
            assert receipt_of(answer(again, one)).text() == first
        require_receipt(again, answer(again, new := bag(again, 900)), new)
        require_sound(again)


def test_the_receipts_of_all_sites_bring_back_what_they_were_given_for(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Two clients' folders complete each other; what both lack stays missing and is named."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    sent = [bag(built, number) for number in range(12)]
    given = [(one, answer(built, one)) for one in sent]
    texts = [receipt_of(one).text() for _, one in given]
    keep_receipts(built, tmp_path / "even", given[::2])
    keep_receipts(built, tmp_path / "odd", given[1::2])
    directory = lose_database(built)

    half = ReceiptSupply(built.keys.vkey)
    half.read(tmp_path / "even")
    done = put_back(backup, directory, half)
    assert done.regained == 1
    assert done.missing == (backup.size + 1, backup.size + 11)
    assert half.beyond(backup.size + 1)[0] == backup.size + 2
    for suffix in ("", "-wal", "-shm"):
        (directory / f"ledger.sqlite3{suffix}").unlink(missing_ok=True)

    half.read(tmp_path / "odd")
    done = put_back(backup, directory, half)
    assert (done.regained, done.missing, done.refusal) == (12, None, None)
    with opened(built, directory) as again:
        for one, first in zip(sent, texts, strict=True):
            assert receipt_of(answer(again, one)).text() == first
        require_sound(again)


def test_a_mirrors_entries_come_back_under_the_head_that_was_kept(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """A bare entries.jsonl holds no signature; the head file does, and proves them all."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    given = [(one := bag(built, number), answer(built, one)) for number in range(6)]
    entries = built.ledger.application.store.entries(0, 10_000)
    mirror = tmp_path / "entries.jsonl"
    mirror.write_bytes(b"".join(data + b"\n" for _, data in entries))
    done = put_back(backup, lose_database(built), FileSupply(mirror))
    assert (done.regained, done.refusal) == (6, None)
    with opened(built, built.directory) as again:
        for signed, first in given:
            now = answer(again, signed)
            assert now.outcome.seq == first.outcome.seq
            require_receipt(again, now, signed)
        require_sound(again)


def test_entries_that_no_head_was_signed_over_do_not_come_back(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Whoever holds a statement could have chained it; only what was signed returns."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    given = [answer(built, bag(built, number)) for number in range(4)]
    entries = built.ledger.application.store.entries(0, 10_000)
    built.close()
    mirror = tmp_path / "entries.jsonl"
    mirror.write_bytes(b"".join(data + b"\n" for _, data in entries))
    done = put_back(backup, tmp_path / "new", FileSupply(mirror), notes=[given[1].note])
    assert (done.regained, done.missing, done.refusal) == (2, None, None)


def test_another_history_does_not_come_back(built: BuiltLedger, tmp_path: Path) -> None:
    """The same keys signed both; the head that was kept decides, and nothing is put in place."""
    backup = back_up(built, tmp_path / "backup", secrets=True)
    built.close()
    twin = open_copy(built, tmp_path / "twin")
    built.reopen()
    answer(built, bag(built, 1))
    answer(twin, bag(twin, 2))
    bundle = bundle_of(twin, tmp_path / "bundle.zip")
    twin.close()
    directory = lose_database(built)
    with BundleEvidence(bundle) as evidence, pytest.raises(IntegrityFailure) as refused:
        put_back(backup, directory, BundleSupply(evidence))
    assert refused.value.code == "restore.other-history"
    assert not database(built).exists()
    assert put_back(backup, directory).missing == (backup.size, backup.size)


def test_a_head_file_of_another_history_is_named_after_a_restore(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """The backup is of a twin of the same length or longer: refused as forked."""
    built.close()
    twin = open_copy(built, tmp_path / "twin")
    built.reopen()
    answer(built, bag(built, 1))
    twin.record_all([bag(twin, number) for number in range(2, 5)])
    backup = back_up(twin, tmp_path / "backup", secrets=True)
    twin.close()
    note = built.files.head.read_text()
    done = put_back(backup, lose_database(built))
    assert done.refusal is not None
    assert done.refusal.code == "head.forked"
    with opened(built, built.directory) as again:
        assert again.ledger.refusal is not None
        assert again.ledger.refusal.code == "head.forked"
    assert parse_checkpoint(split_note(note)[0]).size == backup.size - 2

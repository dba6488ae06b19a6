"""What is refused of the copies that others hold, each with the place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger.errors import IntegrityFailure, LedgerError
from ledger.log.chain import ChainHead, Draft, append
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.cosignature import add_signatures, cosign
from ledger.log.entry import entry_hash, parse_entry
from ledger.log.tree import leaf_hash, root_of
from ledger.publication.bundling import Beside, write_bundle
from ledger.service import LedgerFiles
from ledger.signing.statement import parse_statement
from ledger.storage.backup import Backup, write_backup
from ledger.storage.evidence import DatabaseEvidence
from ledger.storage.restoring import Restored, restore
from ledger.storage.supplies import BundleSupply, FileSupply
from ledger.verification.bundle import BundleEvidence
from tests.build_ledger import EDC, START
from tests.ledger.build_service import answer, bag, database
from tests.ledger.verification.forge import Forger
from tests.ledger.verification.publish import ETHICS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ledger.storage.supplies import Supply
    from tests.build_ledger import BuiltLedger


def back_up(built: BuiltLedger, out: Path) -> Backup:
    """A backup of a ledger that is open."""
    return write_backup(database(built), built.files, out, now=START, software="test")


def put_back(
    backup: Backup, directory: Path, *supplies: Supply, notes: Sequence[str] = ()
) -> Restored:
    """A restore to a new directory."""
    path = directory / "ledger.sqlite3"
    return restore(backup, path, LedgerFiles.beside(path), supplies=supplies, notes=notes)


def bundle_of(built: BuiltLedger, out: Path) -> Path:
    """A bundle of the whole log."""
    with out.open("wb") as file, DatabaseEvidence(database(built)) as source:
        write_bundle(file, source, Beside("test", {}))
    return out


def test_an_entry_that_nobody_signed_does_not_come_back_though_the_log_signed_its_head(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Whoever holds the log's key cannot bring in a statement of another; its place is named."""
    backup = back_up(built, tmp_path / "backup")
    for number in range(20):
        answer(built, bag(built, number))
    built.close()
    forger = Forger(built)
    forged, other = bag(built, 100), bag(built, 101)
    stolen = other.statement.text.rpartition(".")[2]
    text = f"{forged.statement.text.rpartition('.')[0]}.{stolen}"
    seq = forger.write(replace(forged, statement=parse_statement(text))).seq
    forger.close()
    bundle = bundle_of(built, tmp_path / "bundle.zip")
    with BundleEvidence(bundle) as evidence, pytest.raises(IntegrityFailure) as refused:
        put_back(backup, tmp_path / "new", BundleSupply(evidence))
    assert refused.value.code == "backup.damaged"
    assert f"seq {seq}" in refused.value.message
    assert not list((tmp_path / "new").iterdir())


def test_an_altered_entry_of_a_mirror_is_named_with_its_position(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """An entry that does not name the one before it ends the restore; nothing is put in place."""
    backup = back_up(built, tmp_path / "backup")
    for number in range(3):
        answer(built, bag(built, number))
    data = [entry for _, entry in built.ledger.application.store.entries(0, backup.size + 3)]
    data[backup.size + 1] = data[backup.size + 1].replace(b'"prev":"', b'"prev":"0', 1)
    mirror = tmp_path / "entries.jsonl"
    mirror.write_bytes(b"".join(entry + b"\n" for entry in data))
    with pytest.raises(LedgerError) as refused:
        put_back(backup, tmp_path / "new", FileSupply(mirror))
    assert refused.value.code.startswith("entry.")
    data[backup.size + 1] = data[backup.size + 2]
    mirror.write_bytes(b"".join(entry + b"\n" for entry in data))
    with pytest.raises(LedgerError) as refused:
        put_back(backup, tmp_path / "new", FileSupply(mirror))
    assert (refused.value.code, refused.value.where) == ("chain.seq", str(backup.size + 1))
    assert not list((tmp_path / "new").iterdir())


def test_a_statement_that_stands_twice_does_not_come_back(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Though chain and signed root hold; what was begun is gone, and it can be done again."""
    backup = back_up(built, tmp_path / "backup")
    given = answer(built, bag(built, 1))
    store = built.ledger.application.store
    data = [entry for _, entry in store.entries(0, given.size)]
    last = parse_entry(data[-1])
    head = ChainHead(last.seq + 1, entry_hash(data[-1]), last.recorded_at)
    again = append(
        head,
        store.stream_head(last.stream),
        Draft(last.stream, last.statement),
        recorded_at=last.recorded_at,
    )
    data.append(again.data)
    root = root_of(leaf_hash(entry) for entry in data)
    checkpoint = Checkpoint(built.keys.origin, len(data), root)
    note = sign_checkpoint(checkpoint, built.keys.checkpoint_signer)
    mirror = tmp_path / "entries.jsonl"
    mirror.write_bytes(b"".join(entry + b"\n" for entry in data))
    with pytest.raises(IntegrityFailure) as refused:
        put_back(backup, tmp_path / "new", FileSupply(mirror), notes=[note])
    assert (refused.value.code, refused.value.where) == ("restore.repeated", str(backup.size))
    assert not list((tmp_path / "new").iterdir())
    assert put_back(backup, tmp_path / "new").report.size == backup.size


def test_a_payload_that_its_type_does_not_allow_comes_back_and_is_named(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """The log holds it as it was signed; that it does not conform is told."""
    backup = back_up(built, tmp_path / "backup")
    built.close()
    forger = Forger(built)
    plain = bag(built, 1).event
    odd = built.sign(plain.type, plain.subject, {**plain.data, "colour": "red"}, by=EDC)
    seq = forger.write(odd).seq
    forger.close()
    bundle = bundle_of(built, tmp_path / "bundle.zip")
    with BundleEvidence(bundle) as evidence:
        done = put_back(backup, tmp_path / "new", BundleSupply(evidence))
    assert done.report.size == backup.size + 1
    (told,) = done.nonconforming
    assert told.startswith(f"schema.invalid at seq {seq} ")


def test_a_cosigned_head_proves_entries_and_is_kept_with_the_logs_own_line_alone(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """A head that was published holds further lines, which a ledger's own checkpoints do not."""
    backup = back_up(built, tmp_path / "backup")
    given = answer(built, bag(built, 1))
    mirror = tmp_path / "entries.jsonl"
    entries = built.ledger.application.store.entries(0, given.size)
    mirror.write_bytes(b"".join(data + b"\n" for _, data in entries))
    note = add_signatures(given.note, [cosign(given.note, ETHICS, time=1_800_000_000)])
    done = put_back(backup, tmp_path / "new", FileSupply(mirror), notes=[note])
    assert (done.regained, done.report.findings) == (1, ())
    with DatabaseEvidence(tmp_path / "new" / "ledger.sqlite3") as source:
        assert [one.note for one in source.checkpoints(given.size - 1, 9)] == [given.note]

"""The open ledger as doors and projections use it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ledger.errors import RejectedInput, TrustFailure, Unavailable
from ledger.log.proof import verify_receipt
from ledger.recording import waiting
from ledger.service import TrialLedger
from ledger.storage.published import PublishedCheckpoints
from tests.build_ledger import START, open_ledger
from tests.ledger.build_service import answer, bag, code_of, database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger


def test_each_entry_has_a_receipt_under_the_first_checkpoint_that_covers_it(
    built: BuiltLedger,
) -> None:
    """Entry 0 and results included; later commits do not change it."""
    store = built.ledger.application.store
    texts = {}
    for seq, data in store.entries(0, store.head().size):
        receipt = built.ledger.receipt(seq)
        verify_receipt(receipt, data, built.keys.vkey)
        texts[seq] = receipt.text()
    answer(built, bag(built, 1))
    built.reopen()
    assert texts == {seq: built.ledger.receipt(seq).text() for seq in texts}


def test_a_receipt_for_what_is_not_there_is_told(built: BuiltLedger) -> None:
    """The position after the last."""
    with pytest.raises(Unavailable):
        built.ledger.receipt(built.ledger.application.store.head().size)


def refused_beyond(built: BuiltLedger, size: int) -> list[str]:
    """What becomes of each entry's receipt, which must be given for the first ``size`` alone."""
    codes = []
    for seq in range(built.ledger.application.store.head().size):
        try:
            built.ledger.receipt(seq)
        except Unavailable as error:
            codes.append(error.code)
        else:
            codes.append("")
    assert codes == [""] * size + ["receipt.unconfirmed"] * (len(codes) - size)
    return codes


def test_a_ledger_in_doubt_gives_no_receipt_beyond_the_kept_head(built: BuiltLedger) -> None:
    """What the head file does not cover may be of a history that was lost; before, all is given."""
    kept = built.files.head.read_text()
    size = built.ledger.application.store.head().size
    answer(built, bag(built, 1))
    built.files.head.write_text(kept)
    built.ledger.refuse(TrustFailure("head.witness-holds-another", "Two histories."))
    assert len(refused_beyond(built, size)) > size


def test_a_rolled_back_ledger_gives_receipts_for_what_was_published(built: BuiltLedger) -> None:
    """A shorter database may end in entries that were lost; a published checkpoint tells."""
    size = built.ledger.application.store.head().size
    PublishedCheckpoints(built.files.published).publish(size, built.ledger.checkpoint())
    answer(built, bag(built, 1))
    built.close()
    older = built.directory / "older.sqlite3"
    shutil.copy(database(built), older)
    built.reopen()
    answer(built, bag(built, 2))
    built.close()
    shutil.copy(older, database(built))
    built.reopen()
    assert built.ledger.refusal is not None
    assert built.ledger.refusal.code == "head.rolled-back"
    assert len(refused_beyond(built, size)) > size


def test_the_position_at_an_instant_counts_what_had_been_recorded(built: BuiltLedger) -> None:
    """By a search over ``recorded_at``, compared with counting."""
    times = [built.ledger.application.record(seq).recorded_at for seq in
             range(built.ledger.application.store.head().size)]  # fmt: skip
    tick = timedelta(microseconds=1)
    for instant in {START - tick, *times, *(t - tick for t in times), *(t + tick for t in times)}:
        assert built.ledger.application.position_at(instant) == sum(t <= instant for t in times)


def test_records_are_found_by_their_event_id(built: BuiltLedger) -> None:
    """And nothing is found under another one."""
    record = built.ledger.application.record(5)
    found = built.ledger.find(record.id)
    assert found is not None
    assert found.seq == 5
    assert built.ledger.find("018d61f7-1800-7e07-8085-62bedb8b60ce") is None


def test_a_full_queue_turns_senders_away_instead_of_growing(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back-pressure: the sender is told to come again, nobody's entry is lost."""
    signed = bag(built, 1)
    with monkeypatch.context() as patch:
        patch.setattr(waiting, "QUEUE_LIMIT", 0)
        assert code_of(built, signed) == "writer.busy"
    assert code_of(built, signed) == ""


def test_a_database_without_a_trial_is_not_served(tmp_path: Path) -> None:
    """The operator is told to open one."""
    empty = tmp_path / "empty.sqlite3"
    empty.touch()
    with pytest.raises(TrustFailure) as refused:
        TrialLedger(f"sqlite:///{empty}")
    assert refused.value.code == "genesis.missing"


def test_a_mistyped_database_is_not_created(tmp_path: Path) -> None:
    """A path without a ledger is told as such, and nothing appears there."""
    with pytest.raises(RejectedInput) as refused:
        TrialLedger(f"sqlite:///{tmp_path / 'typo.sqlite3'}")
    assert refused.value.code == "settings.no-database"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["postgresql://h/", "mysql://h/d", "sqlite://", "sqlite:///", "ledger.db", ""]
)
def test_a_database_url_of_another_kind_is_told(url: str) -> None:
    """Before any file is touched."""
    with pytest.raises(RejectedInput) as refused:
        TrialLedger(url)
    assert refused.value.code == "settings.database-url"


def test_a_restart_changes_nothing(built: BuiltLedger) -> None:
    """Head, checkpoint, register and streams are what they were."""
    answer(built, bag(built, 1))

    def seen() -> tuple[object, ...]:
        ledger = built.ledger
        assert ledger.writer is not None
        return (
            ledger.application.store.head(),
            ledger.checkpoint(),
            ledger.writer.state.register.keys,
            ledger.writer.state.register.grants,
            [record.sha256 for record in ledger.application.stream("access")],
        )

    before = seen()
    built.reopen()
    assert seen() == before


def test_the_same_seed_opens_the_same_trial(tmp_path: Path) -> None:
    """Entry 0, checkpoint and head file byte for byte, demonstration or not told apart."""
    heads = []
    for name, demonstration in (("a", True), ("b", True), ("c", False)):
        (tmp_path / name).mkdir()
        opened = open_ledger(tmp_path / name, demonstration=demonstration)
        heads.append((opened.ledger.application.store.entry(0), opened.files.head.read_bytes()))
        assert opened.ledger.genesis.demonstration is demonstration
        opened.close()
    assert heads[0] == heads[1] != heads[2]


def test_the_keys_lie_beside_the_database_for_its_owner_alone(built: BuiltLedger) -> None:
    """What could sign in the ledger's name is in no other file."""
    secrets = [built.keys.statement_seed, built.keys.checkpoint_seed, built.keys.salt_secret]
    assert built.files.keys.stat().st_mode & 0o077 == 0
    built.close()
    for path in (database(built), built.files.head):
        data = path.read_bytes()
        assert not any(s in data or s.hex().encode() in data for s in secrets)

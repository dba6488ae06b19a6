"""A real ledger driven at random against a model that is nothing but what senders were told.

The model is a table from event id to what its sender holds, and a count of entries. Whatever the
order of posts, repetitions, conflicts, crashes, restarts, rebuilt projections, revoked keys,
corrections, backups and restores, the ledger must agree with it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger.errors import LedgerError
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.backup import Backup, write_backup
from ledger.storage.evidence import verify_ledger
from ledger.storage.head_file import HeadFile
from ledger.storage.restoring import restore
from ledger.storage.supplies import ReceiptSupply
from projections.reading import Projections
from tests.apart import bring_apart
from tests.build_ledger import COORDINATOR, EDC, REGISTRAR, BuiltLedger, Signed, build_ledger
from tests.faults.kept import receipts_of
from tests.ledger.build_service import bag, bilirubin, correction, open_copy, with_subject

if TYPE_CHECKING:
    from ledger.recording.outcomes import Receipted
    from ledger.recording.submission import Submission

SOAK = bool(os.environ.get("LEDGER_SOAK"))


@dataclass(frozen=True, slots=True)
class Told:
    """What a sender holds: the statement, the receipts, the entries they prove."""

    signed: Signed
    receipts: tuple[str, ...]
    entries: tuple[bytes, ...]
    refused: bool


class LedgerMachine(RuleBasedStateMachine):
    """One ledger, its senders, its operator and its misfortunes."""

    template: ClassVar[BuiltLedger]
    posted = Bundle("posted")
    backups = Bundle("backups")

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="model-"))
        self.built: BuiltLedger
        self.told: dict[str, Told] = {}
        self.size = 0
        self.revoked = False
        self.values: dict[str, str] = {}
        self.number = 0

    @initialize()
    def begin(self) -> None:
        """A copy of the template, open."""
        self.built = open_copy(self.template, self.place / "ledger-0")
        self.size = self.built.ledger.application.store.head().size

    def teardown(self) -> None:
        """Verify everything, then throw it away."""
        try:
            if hasattr(self, "built"):
                self.built.close()
                report = verify_ledger(
                    self.built.directory / "ledger.sqlite3", head_file=self.built.files.head
                )
                assert [str(found) for found in report.findings] == []
                assert report.size == self.size
        finally:
            shutil.rmtree(self.place, ignore_errors=True)

    @rule(target=posted, count=st.integers(1, 4))
    def post_facts(self, count: int) -> object:
        """Facts of the site's system, one group; turned away once its key is revoked."""
        found = [bag(self.built, self._next()) for _ in range(count)]
        if self.revoked:
            for one in found:
                assert self._code(one) == "authority.revoked-key"
            return multiple()
        self._record(found, [1] * count)
        return multiple(*found)

    @rule(target=posted, value=st.integers(1, 99))
    def post_result(self, value: int) -> object:
        """A laboratory result by a person."""
        one = bilirubin(self.built, f"{value}.5")
        self._record([one], [1])
        self.values[one.event.id] = f"{value}.5"
        return one

    @rule(target=posted, value=st.integers(1, 99), right=st.booleans())
    @precondition(lambda self: self.values)
    def correct(self, value: int, right: bool) -> object:  # noqa: FBT001 - drawn
        """A correction of the newest result; refused where its old value is not the current.

        One that changes nothing is turned away.
        """
        target, current = list(self.values.items())[-1]
        record = self.built.ledger.find(target)
        assert record is not None
        new = f"{value}.7"
        change = ("/data/value/value", current if right else "0.1", new)
        one = correction(self.built, record, change, by=COORDINATOR)
        if right and new == current:
            assert self._code(one) == "schema.invalid-member"
            return multiple()
        given = self._record([one], [2])[0]
        assert given.outcome.refused == (not right)
        if not given.outcome.refused:
            self.values[target] = new
        return one

    @rule(one=posted)
    def send_again(self, one: Signed) -> None:
        """The same again: the receipt first given, nothing new."""
        self._again(one)

    @rule(one=posted)
    def send_other_content(self, one: Signed) -> None:
        """Another event under an id that is taken."""
        other = bilirubin(self.built, "1.1")
        clash = self.built.sign(
            other.event.type, other.event.subject, other.event.data, by=COORDINATOR,
            meaning="authorship", id=one.event.id,
        )  # fmt: skip
        assert self._code(clash) == "event.id-conflict"

    @rule()
    @precondition(lambda self: not self.revoked)
    def revoke_key(self) -> None:
        """The key of the site's system is revoked, for good."""
        data = {
            "kid": self.built.parties[EDC].key.kid,
            "reason": {"code": "lost", "text": "The server was replaced."},
        }
        one = self.built.sign("key.revoked.v1", "access", data, by=REGISTRAR)  # type: ignore[arg-type]
        self._record([one], [2])
        self.revoked = True

    @rule(target=posted, done=st.booleans())
    def crash_while_posting(self, done: bool) -> object:  # noqa: FBT001 - drawn
        """The process dies before or after the commit; the sender has no answer, and asks again."""
        one = bilirubin(self.built, "7.7")
        submission = self.built.receive(one)
        self._die_at_head_file(submission) if done else self._abandon()
        self._open()
        if done:
            assert self.built.ledger.find(one.event.id) is not None
        else:
            assert self.built.ledger.find(one.event.id) is None
        given = self.built.ledger.submit(self.built.receive(one), self.built.now)
        assert given.repeated == done
        self.size += 1
        self._keep(one, given)
        self.values[one.event.id] = "7.7"
        return one

    @rule()
    def crash(self) -> None:
        """The process is gone without having closed anything; its files are what is left."""
        self._abandon()
        self._open()

    @rule()
    def restart(self) -> None:
        """An orderly stop and start."""
        self.built.reopen()
        assert self.built.ledger.refusal is None

    @rule()
    def rebuild_projections(self) -> None:
        """Thrown away and built again, they agree with the log and with themselves."""
        with closing(Projections(self.built.ledger)) as views:
            views.follow()
            assert list(views.check()) == []

    @rule(target=backups)
    def back_up(self) -> object:
        """A backup while the ledger is open."""
        self.number += 1
        return write_backup(
            self._database, self.built.files, self.place / f"backup-{self.number}",
            now=self.built.now, software="model", secrets=True,
        )  # fmt: skip

    @rule(backup=consumes(backups))
    def lose_the_database_and_restore(self, backup: Backup) -> None:
        """Only head file and backup are left: what is missing is named, and senders bring it."""
        self.built.close()
        kept = self.built.files.head.read_bytes()
        directory = self._new_place()
        path = directory / "ledger.sqlite3"
        files = LedgerFiles.beside(path)
        files.head.write_bytes(kept)
        bring_apart(self.built, directory)
        done = restore(backup, path, files)
        missing = (backup.size, self.size - 1) if backup.size < self.size else None
        assert done.missing == missing
        if missing is not None:
            with closing(TrialLedger(f"sqlite:///{path}", files)) as ledger:
                assert ledger.refusal is not None
            path.unlink()
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            done = restore(backup, path, files, supplies=[self._receipts()])
        assert (done.missing, done.refusal) == (None, None)
        self._moved_to(directory)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        """The log has as many entries as the model, and each is where its receipt says."""
        if not hasattr(self, "built"):
            return
        store = self.built.ledger.application.store
        assert store.head().size == self.size
        for event, told in self.told.items():
            for text, data in zip(told.receipts, told.entries, strict=True):
                assert store.entry(parse_receipt(text).index) == data
            assert store.position_of(event) == parse_receipt(told.receipts[0]).index

    @property
    def _database(self) -> Path:
        return self.built.directory / "ledger.sqlite3"

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _record(self, found: list[Signed], entries: list[int]) -> list[Receipted]:
        given = []
        for one, answer in zip(found, self.built.record_all(found), strict=True):
            if isinstance(answer, LedgerError):
                raise answer
            given.append(answer)
            self._keep(one, answer)
        self.size += sum(entries)
        return given

    def _keep(self, one: Signed, given: Receipted) -> None:
        receipts = receipts_of(given)
        entries = []
        for text in receipts:
            receipt = parse_receipt(text)
            data = self.built.ledger.application.store.entry(receipt.index)
            assert data is not None
            verify_receipt(receipt, data, self.built.keys.vkey)
            entries.append(data)
        told = Told(one, receipts, tuple(entries), given.outcome.refused)
        assert self.told.setdefault(one.event.id, told) == told

    def _again(self, one: Signed) -> None:
        given = self.built.ledger.submit(self.built.receive(one), self.built.now)
        assert given.repeated
        self._keep(one, given)

    def _code(self, one: Signed) -> str:
        with pytest.raises(LedgerError) as refused:
            self.built.ledger.submit(self.built.receive(one), self.built.tick())
        return refused.value.code

    def _die_at_head_file(self, submission: Submission) -> None:
        """Commit, then die before the head file and the receipt."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(HeadFile, "write", _gone)
            with suppress(LedgerError):
                self.built.ledger.submit(submission, self.built.now)
        self._abandon()

    def _abandon(self) -> None:
        """Leave the open ledger to itself and go on with a copy of its files as they are."""
        directory = self._new_place()
        for path in self.built.directory.glob("ledger.sqlite3*"):
            if not path.name.endswith("-shm"):
                shutil.copy2(path, directory / path.name)
        self.built.ledger.close()
        self._moved_to(directory, opened=False)

    def _new_place(self) -> Path:
        directory = self.place / f"ledger-{self._next()}"
        directory.mkdir()
        return directory

    def _moved_to(self, directory: Path, *, opened: bool = True) -> None:
        path = directory / "ledger.sqlite3"
        self.built = replace(
            self.built,
            directory=directory,
            url=f"sqlite:///{path}",
            files=LedgerFiles.beside(path),
        )
        if opened:
            self._open()

    def _open(self) -> None:
        self.built.ledger = TrialLedger(self.built.url, self.built.files)
        assert self.built.ledger.refusal is None, self.built.ledger.refusal

    def _receipts(self) -> ReceiptSupply:
        supply = ReceiptSupply(self.built.keys.vkey)
        folder = self.place / f"receipts-{self._next()}"
        folder.mkdir()
        for told in self.told.values():
            for text, data in zip(told.receipts, told.entries, strict=True):
                name = f"{parse_receipt(text).index}"
                (folder / f"{name}.entry.json").write_bytes(data)
                (folder / f"{name}.tlog-proof").write_text(text)
        supply.read(folder)
        assert supply.left_out == 0
        return supply


def _gone(_self: HeadFile, _note: str) -> None:
    """Stand for a process that dies between commit and head file."""
    raise OSError(5, "gone")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> type[LedgerMachine]:
    """The machine over a template of its own."""
    built = with_subject(build_ledger(tmp_path_factory.mktemp("model")))
    built.close()
    LedgerMachine.template = built
    return LedgerMachine


def run(machine: type[LedgerMachine], *, examples: int, steps: int) -> None:
    """So many courses of so many steps."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_a_ledger_is_what_its_senders_were_told(machine: type[LedgerMachine]) -> None:
    """A few courses, others on each run."""
    run(machine, examples=6, steps=20)


@pytest.mark.long
def test_a_ledger_is_what_its_senders_were_told_over_long_courses(
    machine: type[LedgerMachine],
) -> None:
    """Many long courses; ten times as many under LEDGER_SOAK."""
    run(machine, examples=300 if SOAK else 40, steps=40)

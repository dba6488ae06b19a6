"""The running ledger keeps what is sealed from thieves, and erases it from every file."""

from __future__ import annotations

import base64
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ledger.allocation.sealed_list import SealedList
from ledger.clock import SystemClock
from ledger.concealment.evidence import revealing
from ledger.concealment.key_file import FileKey, read_key_file, replace_key_file
from ledger.concealment.settings import open_ring
from ledger.concealment.vault import Vault
from ledger.errors import Unavailable
from ledger.service import TrialLedger
from ledger.storage.backup import write_backup
from ledger.storage.open_evidence import open_evidence
from ledger.verification.coverage import ENCRYPTED
from ledger.verification.run import verify
from projections.reading import Projections
from tests.api.build_last_slots import small_trial, waiting
from tests.build_ledger import INVESTIGATOR, SPONSOR
from tests.ledger.build_service import SUBJECT, database, look, open_copy, without_triggers
from tests.ledger.concealment.orders import erasure, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ledger.verification.report import VerificationReport
    from tests.build_ledger import BuiltLedger

WORDS = "Took prednisone until the fifth of May."
LATER = "Said so again in June."
APART = (".kek", ".concealed")
"""The files a thief does not have."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> BuiltLedger:
    """Give a small trial with two randomized subjects and words about the first."""
    built = small_trial(tmp_path_factory.mktemp("small"))
    for request in waiting(built, 2):
        built.record(request)
    built.record(said(built, WORDS))
    follow(built.ledger)
    built.close()
    return built


@pytest.fixture
def built(template: BuiltLedger, tmp_path: Path) -> Iterator[BuiltLedger]:
    """Give a copy of it, open."""
    one = open_copy(template, tmp_path / "copy")
    yield one
    one.close()


def follow(ledger: TrialLedger) -> dict[str, object]:
    """Bring the projections up to the head; the first subject's replay."""
    with closing(Projections(ledger)) as views:
        views.follow()
        views.wait_for(ledger.application.store.head().size, 30)
        found = views.replay(SUBJECT)
        assert found is not None
        audit = [row for row in views.audit_entries() if row["subject"] == SUBJECT]
        return {**found, "audit": audit}


def spellings(text: str) -> set[bytes]:
    """A text as it may lie in a file: plain, hexadecimal, base64 at each of three alignments."""
    data = text.encode()
    found = {data, data.hex().encode()}
    for shift in range(3):
        encoded = base64.urlsafe_b64encode(bytes(shift) + data)
        found.add(encoded[(0, 2, 3)[shift] : len(encoded) // 4 * 4 - 4])
    return found


def everything(directory: Path, *, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The bytes of all files of a directory, by their place in it."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith(without)
    }


def places(directory: Path, texts: set[bytes], *, without: tuple[str, ...] = ()) -> list[str]:
    """The files in which one of the texts lies."""
    held = everything(directory, without=without)
    return [name for name, data in held.items() if any(text in data for text in texts)]


def checked(built: BuiltLedger, *, with_keys: bool = True) -> VerificationReport:
    """Verify the database as an auditor with or without keys would."""
    openings = built.ledger.application.openings
    reveal = revealing(openings) if with_keys and openings is not None else None
    with open_evidence(built.url, head_file=built.files.head, reveal=reveal) as source:
        return verify(source)


def test_a_thief_of_everything_but_the_keys_reads_nothing_sealed(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Neither words, birth dates, arms nor coming slots: in no file, and in no backup."""
    ledger = built.ledger
    assert WORDS in str(follow(ledger))
    write_backup(
        database(built), built.files, tmp_path / "backup", now=SystemClock().now(),
        software="test", secrets=False,
    )  # fmt: skip
    opened = [
        f'"{name}","{value}"'
        for record in ledger.application.records(0, ledger.application.store.head().size)
        for name, value in record.opened.items()
        if isinstance(value, str)
    ]
    assert any("arm" in text for text in opened)
    drawn = SealedList.load(built.files.allocation)
    list_ = drawn.revelation()
    strata = list_["strata"] if isinstance(list_["strata"], list) else []
    slots = [drawn.opening(str(name), slot).slot.salt for name in strata for slot in range(1, 4)]
    assert slots
    secrets = [WORDS, "1968-05-02", *opened, *slots, str(list_["seed"])]
    for secret in secrets:
        assert places(tmp_path, spellings(secret), without=APART) == [], secret


def test_what_was_erased_is_in_no_file_and_everything_still_proves(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """Before and after: the same chain, the same receipts; only the words are gone."""
    ledger, head = built.ledger, built.ledger.application.store.head()
    before = {seq: ledger.receipt(seq).text() for seq in range(0, head.size, 7)}
    openings = ledger.application.openings
    assert openings is not None
    told = ledger.application.record(head.size - 1)
    assert WORDS in str(told.data)

    act = built.record(erasure(built, "identity", "text"))
    built.record(said(built, LATER))

    again = ledger.application.record(told.seq)
    assert again.sha256 == told.sha256
    assert (again.withheld, again.erased) == (told.withheld + len(told.opened), (act.id,))
    assert {seq: ledger.receipt(seq).text() for seq in before} == before
    report = checked(built)
    assert report.status.value == "sound", report.findings
    assert {f.code for f in report.notices} >= {"openings.erased"}
    shown = str(follow(ledger))
    assert WORDS not in shown
    assert "1968-05-02" not in shown
    assert LATER in shown
    assert act.id in shown
    for text in (WORDS, "1968-05-02"):
        assert places(tmp_path, spellings(text)) == [], text


def test_a_crash_between_commit_and_destruction_is_made_good_at_the_next_start(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is the order; until then the sender has his answer and the words are retired."""

    def unable(self: Vault, act: str) -> None:
        raise Unavailable("concealment.store-busy", f"Not now ({act}).")

    with monkeypatch.context() as patched:
        patched.setattr(Vault, "destroy", unable)
        act = built.record(erasure(built, "text"))
        assert WORDS in str(follow(built.ledger))
    ledger = built.reopen()
    openings = ledger.application.openings
    assert openings is not None
    assert openings.vault.status().unfinished == ()
    shown = str(follow(ledger))
    assert WORDS not in shown
    assert act.id in shown


@pytest.mark.parametrize("cleaned", [True, False])
def test_rows_followed_while_keys_are_destroyed_hold_nothing_erased(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch, *, cleaned: bool
) -> None:
    """Between the keys' end and the clean files somebody folds; the files may never get clean."""
    openings = built.ledger.application.openings
    assert openings is not None
    with closing(Projections(built.ledger)) as views:
        views.follow()
        scrub = openings.vault.store.scrub

        def meanwhile(gone: Sequence[bytes]) -> None:
            views.follow()
            if not cleaned:
                raise Unavailable("concealment.store-busy", "Somebody reads.")
            scrub(gone)

        with monkeypatch.context() as patched:
            patched.setattr(openings.vault.store, "scrub", meanwhile)
            act = built.record(erasure(built, "text"))
        views.wait_for(views.follow(), 5)
        shown = str([*views.audit_entries()])
    assert WORDS not in shown
    assert act.id in shown


def test_an_old_key_store_gives_nothing_back(built: BuiltLedger, tmp_path: Path) -> None:
    """Put back as it was, it is erased again; after a rotation it cannot be unwrapped at all."""
    store = database(built).with_name(f"{database(built).name}.concealed")
    built.ledger.close()
    shutil.copy(store, tmp_path / "old.concealed")
    built.reopen()
    built.record(erasure(built, "text"))
    built.ledger.close()
    for path in store.parent.glob(f"{store.name}*"):
        path.unlink()
    shutil.copy(tmp_path / "old.concealed", store)
    assert WORDS not in str(follow(built.reopen()))


def test_the_key_is_rotated_while_the_ledger_runs(built: BuiltLedger) -> None:
    """The ledger goes on reading and writing; a copy of the store from before opens nothing."""
    path = database(built).with_name(f"{database(built).name}.kek")
    openings = built.ledger.application.openings
    assert openings is not None
    fresh = FileKey(bytes(range(32)))
    replace_key_file(path, [fresh, *read_key_file(path)])
    with closing(TrialLedger(built.url, built.files)) as other:
        assert other.application.openings is not None
        other.application.openings.vault.rotate(open_ring([str(path)]))
    replace_key_file(path, [fresh])
    built.record(said(built, LATER))
    shown = str(follow(built.ledger))
    assert WORDS in shown
    assert LATER in shown
    assert openings.vault.status().wrapped_under.keys() == {fresh.id}


def test_verification_without_the_key_says_what_it_could_not_check(built: BuiltLedger) -> None:
    """Each encrypted opening stands beside its digest, so an exchanged one shows even so."""
    report = checked(built, with_keys=False)
    assert report.status.value == "sound", report.findings
    assert ENCRYPTED in report.not_checked
    assert ENCRYPTED not in checked(built).not_checked


def test_an_opening_put_beside_another_entry_is_named(built: BuiltLedger) -> None:
    """With the keys and without."""
    rows = look(built, "SELECT seq, number, disclosure FROM openings ORDER BY seq DESC LIMIT 1")
    seq = rows[0][0]
    built.ledger.close()
    without_triggers(
        database(built), f"UPDATE openings SET disclosure = replace(disclosure, 'c1.', 'c1.AAAA')"
        f" WHERE seq = {seq}",
    )  # fmt: skip
    built.reopen()
    for with_keys in (True, False):
        report = checked(built, with_keys=with_keys)
        assert {f.code for f in report.findings} & {"openings.altered", "openings.foreign"}


def test_an_erasure_finds_no_fault_with_what_was_decided_before(built: BuiltLedger) -> None:
    """Rules that read the birth date can no longer tell; that is nobody's deviation."""

    def found() -> set[str]:
        with closing(Projections(built.ledger)) as views:
            views.follow()
            return {f"{row['rule']} {row['subject']}" for row in views.deviations()}

    before = found()
    built.record(erasure(built, "identity", "text"))
    assert found() == before


def test_two_persons_are_named_in_the_record_of_the_act(built: BuiltLedger) -> None:
    """The act itself is never erased: ground, decision and who ordered it stay readable."""
    act = built.record(erasure(built, "identity", "text"))
    assert act.data["approver"] == SPONSOR
    assert act.event.source == INVESTIGATOR

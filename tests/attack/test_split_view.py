"""Two heads shown to two witnesses: whoever holds both notes proves that the log has forked."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
import urllib3
from click.testing import CliRunner

from api.cli import cli
from ledger.log.cosignature import open_cosigned
from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.bundle import BundleEvidence
from ledger.verification.evidence import HeadNote
from ledger.verification.held import check_held
from tests.attack.on_histories import EARLIER, back_with_everything, forked
from tests.attack.stand import SIZE
from tests.attack.tampered import TamperedLedger
from tests.running_witness import RunningWitness, start_witness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.attack.stand import Stand


@dataclass(frozen=True, slots=True)
class SplitView:
    """Two whole copies of one log that went apart, and the note each one's witness cosigned."""

    one: TamperedLedger
    other: TamperedLedger
    notes: tuple[str, str]


def cosigned(ledger: TamperedLedger, witness: RunningWitness) -> tuple[int, str]:
    """Ask a witness, as if it knew nothing yet, for its line under the newest checkpoint."""
    note = ledger.note_at(SIZE)
    answer = urllib3.request(
        "POST", f"http://127.0.0.1:{witness.port}/add-checkpoint", body=f"old 0\n\n{note}".encode(),
        retries=False, timeout=60,
    )  # fmt: skip
    return answer.status, answer.data.decode()


@pytest.fixture
def witnesses(stand: Stand, tmp_path: Path) -> Iterator[tuple[RunningWitness, RunningWitness]]:
    """Two witnesses that know the log and do not know each other."""
    made = tuple(
        start_witness(tmp_path, name, [stand.built.keys.vkey]) for name in ("ethics", "regulator")
    )
    yield made[0], made[1]
    for one in made:
        one.stop()


@pytest.fixture
def split(
    stand: Stand, tmp_path: Path, witnesses: tuple[RunningWitness, RunningWitness]
) -> SplitView:
    """Each witness was shown another copy, and cosigned it in good faith."""
    one = TamperedLedger.copy_of(stand, tmp_path / "one")
    other = TamperedLedger.copy_of(stand, tmp_path / "other")
    forked(other)
    for suffix in (".projections", ".published"):
        other.beside(suffix).unlink()
    notes = []
    for ledger, witness in zip((one, other), witnesses, strict=True):
        status, lines = cosigned(ledger, witness)
        assert status == HTTPStatus.OK
        notes.append(ledger.note_at(SIZE) + lines)
    return SplitView(one, other, (notes[0], notes[1]))


def held(ledger: TamperedLedger, note: str, where: str = "note") -> list[tuple[str, int | None]]:
    """What a comparison of the database with a note says."""
    with DatabaseEvidence(ledger.database) as source:
        found = check_held(source, [HeadNote(note.encode(), where)], ledger.stand.built.keys.vkey)
    return [(one.code, one.first) for one in found]


def test_each_history_is_sound_by_itself(split: SplitView) -> None:
    """Nothing that lies with one of them tells: that is what witnesses are for."""
    assert split.one.verify().status == 0
    assert split.other.verify().status == 0


def test_each_note_is_the_logs_own_and_its_witnesss(
    split: SplitView, witnesses: tuple[RunningWitness, RunningWitness]
) -> None:
    """Under one key, of one size, and with two roots: the two notes alone are the proof."""
    keys = split.one.stand.built.keys
    opened = [
        open_cosigned(note.encode(), keys.vkey, [witness.vkey])
        for note, witness in zip(split.notes, witnesses, strict=True)
    ]
    assert [len(one.cosignatures) for one in opened] == [1, 1]
    assert {one.checkpoint.size for one in opened} == {SIZE}
    assert len({one.checkpoint.root for one in opened}) == 2


def test_the_fork_shows_when_a_note_meets_the_other_copy(split: SplitView) -> None:
    """Either way round; with its own note each copy is at peace."""
    assert held(split.one, split.notes[0]) == held(split.other, split.notes[1]) == []
    assert held(split.one, split.notes[1]) == [("head-file.held-forked", SIZE - 1)]
    assert held(split.other, split.notes[0]) == [("head-file.held-forked", SIZE - 1)]


def test_the_command_names_the_fork(split: SplitView, tmp_path: Path) -> None:
    """``verify --checkpoint``: status 1 with the other history's note, 0 with one's own."""
    trust = split.one.trust
    for number, status in ((0, 0), (1, 1)):
        note = tmp_path / "note"
        note.write_text(split.notes[number], encoding="utf-8")
        for where in (["--database", split.one.url], [str(split.one.issued / "bundle.zip")]):
            shown = CliRunner().invoke(cli, ["verify", *where, *trust, "--checkpoint", str(note)])
            assert shown.exit_code == status
            assert ("head-file.held-forked" in shown.output) == bool(status)


def test_a_witness_that_saw_one_refuses_the_other(
    split: SplitView, witnesses: tuple[RunningWitness, RunningWitness]
) -> None:
    """So the second history needs a second witness: a quorum of all leaves no room for it."""
    status, _ = cosigned(split.other, witnesses[0])
    assert status == HTTPStatus.CONFLICT


def test_a_bundle_is_held_against_a_note_as_well(split: SplitView) -> None:
    """The inspector needs no database: the bundle received and a witness's note."""
    vkey = split.one.stand.built.keys.vkey
    with BundleEvidence(split.one.issued / "bundle.zip") as source:
        found = check_held(source, [HeadNote(split.notes[1].encode(), "regulator's note")], vkey)
        assert check_held(source, [HeadNote(split.notes[0].encode(), "")], vkey) == ()
    assert [(one.code, one.field) for one in found] == [
        ("head-file.held-forked", "regulator's note")
    ]


def test_a_receipt_shows_a_roll_back_that_nothing_else_shows(tampered: TamperedLedger) -> None:
    """Database, head file and what was published, all set back to one moment, agree in all."""
    newest = tampered.note_at(SIZE)
    receipt = (tampered.issued / "100.tlog-proof").read_text("utf-8")
    back_with_everything(tampered)
    tampered.beside(".projections").unlink()
    assert tampered.verify().status == 0
    assert held(tampered, newest) == [("head-file.held-rolled-back", tampered.size())]
    assert held(tampered, receipt) == []  # it is older than what was cut


def test_an_altered_entry_is_told_apart_by_the_other_findings(tampered: TamperedLedger) -> None:
    """A held checkpoint then disagrees too; its remedy asks whether anything else was found."""
    note = tampered.note_at(SIZE)
    tampered.rows.run("DELETE FROM stored_events WHERE seq = 50")
    assert held(tampered, note) == [("head-file.held-forked", SIZE - 1)]


@pytest.mark.parametrize("text", ["", "x", "c2sp.org/tlog-proof@v1\nindex 1\n\nx", "\udc80"])
def test_what_is_no_checkpoint_of_this_log_is_named(tampered: TamperedLedger, text: str) -> None:
    """It says nothing of the log."""
    with DatabaseEvidence(tampered.database) as source:
        data = text.encode("utf-8", "surrogateescape")
        (found,) = check_held(source, [HeadNote(data, "file")], tampered.stand.built.keys.vkey)
    assert (found.code, found.field) == ("head-file.held-signature", "file")


def test_a_note_of_an_earlier_size_is_contained(tampered: TamperedLedger) -> None:
    """Every checkpoint the log ever signed is a prefix of it, with or without cosignatures."""
    note = tampered.note_at(EARLIER)
    assert held(tampered, note) == []

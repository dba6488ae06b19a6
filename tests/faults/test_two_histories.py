"""Two nodes on diverged copies, and stale copies: who signs, who refuses, and the way back."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger.log.checkpoint import open_checkpoint
from ledger.log.policy import Policy, parse_policy
from ledger.publication.bundling import Beside, write_bundle
from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.backup import write_backup
from ledger.storage.evidence import DatabaseEvidence, verify_ledger
from ledger.storage.head_file import HeadFile
from ledger.storage.restoring import restore
from ledger.storage.supplies import BundleSupply
from ledger.verification.bundle import BundleEvidence
from tests.apart import bring_apart
from tests.build_ledger import START
from tests.faults.kept import TALLY
from tests.ledger.build_service import answer, bag, code_of, database, open_copy, require_sound
from tests.running_witness import RunningWitness, start_witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

INTERVAL = 0.02
SECONDS = 60


@pytest.fixture
def witness(template: BuiltLedger, tmp_path: Path) -> Iterator[RunningWitness]:
    """A witness that knows the log."""
    one = start_witness(tmp_path, "ethics", [template.keys.vkey])
    yield one
    one.stop()


def asking(witness: RunningWitness) -> Policy:
    """A policy of this one witness."""
    return parse_policy(f"{witness.policy_line}quorum {witness.name}\n".encode())


def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread is about to do."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def publish_and_wait(built: BuiltLedger, witness: RunningWitness) -> None:
    """Have the witness cosign all there is."""
    built.ledger.publish(asking(witness), interval=INTERVAL)
    size = built.ledger.application.store.head().size

    def cosigned() -> bool:
        publisher = built.ledger.publisher
        head = publisher.cosigned() if publisher is not None else None
        return head is not None and head.size >= size

    until(cosigned)


def require_refusal(built: BuiltLedger, code: str, *told: str) -> None:
    """It signs nothing, says why with both heads, and still serves what it holds."""
    until(lambda: built.ledger.refusal is not None)
    refusal = built.ledger.refusal
    assert refusal is not None
    assert refusal.code == code
    for text in told:
        assert text in refusal.message
    size = built.ledger.application.store.head().size
    assert built.ledger.application.record(3).seq == 3
    assert built.ledger.application.stream("access")
    assert code_of(built, bag(built, 900)) == "ledger.refuses-to-sign"
    assert built.ledger.application.store.head().size == size
    TALLY[f"refused to sign: {code}"] += 1


def root_of(built: BuiltLedger) -> str:
    """The root of the newest checkpoint, hex."""
    last = built.ledger.application.store.last_checkpoint()
    assert last is not None
    return open_checkpoint(last[1], built.keys.vkey).root.hex()


@pytest.fixture
def twins(template: BuiltLedger, tmp_path: Path) -> Iterator[tuple[BuiltLedger, BuiltLedger]]:
    """Two nodes on copies of one database; each has recorded something the other has not."""
    one = open_copy(template, tmp_path / "one")
    other = open_copy(template, tmp_path / "other")
    answer(one, bag(one, 501))
    answer(other, bag(other, 502))
    yield one, other
    one.close()
    other.close()


def test_diverged_nodes_meet_at_a_witness_and_the_later_one_stops(
    twins: tuple[BuiltLedger, BuiltLedger], witness: RunningWitness
) -> None:
    """Of two histories of one length the witness knows one; the other node names both roots."""
    one, other = twins
    publish_and_wait(one, witness)
    other.ledger.publish(asking(witness), interval=INTERVAL)
    require_refusal(other, "head.witness-holds-another", root_of(one), root_of(other))
    assert one.ledger.refusal is None
    assert code_of(one, bag(one, 503)) == ""


def test_a_diverged_node_that_is_longer_stops_as_well(
    twins: tuple[BuiltLedger, BuiltLedger], witness: RunningWitness
) -> None:
    """Length does not make a history the right one."""
    one, other = twins
    publish_and_wait(one, witness)
    other.record_all([bag(other, number) for number in range(600, 640)])
    other.ledger.publish(asking(witness), interval=INTERVAL)
    require_refusal(other, "head.witness-holds-another", root_of(one))


def test_diverged_nodes_meet_by_a_head_file(twins: tuple[BuiltLedger, BuiltLedger]) -> None:
    """The head that one node kept, put beside the other's database, stops it at its start."""
    one, other = twins
    told = root_of(one), root_of(other)
    shutil.copy(one.files.head, other.files.head)
    other.reopen()
    require_refusal(other, "head.forked", *told)


def test_a_stale_copy_of_database_and_head_comes_back_whole_with_the_witnesss_help(
    template: BuiltLedger, tmp_path: Path, witness: RunningWitness
) -> None:
    """Both files old, so they agree; the witness knows more, and a mirror's bundle mends it."""
    built = open_copy(template, tmp_path / "served")
    backup = write_backup(
        database(built), built.files, tmp_path / "backup", now=START, software="t", secrets=True
    )
    given = [answer(built, bag(built, number)).outcome.seq for number in range(700, 705)]
    publish_and_wait(built, witness)
    with (tmp_path / "bundle.zip").open("wb") as file, DatabaseEvidence(database(built)) as source:
        write_bundle(file, source, Beside("t", {}))
    built.close()

    def put_back(place: Path, *, notes: list[str], bundle: bool) -> str:
        path = place / "ledger.sqlite3"
        with BundleEvidence(tmp_path / "bundle.zip") as evidence:
            supplies = [BundleSupply(evidence)] if bundle else []
            restore(backup, path, LedgerFiles.beside(path), supplies=supplies, notes=notes)
        bring_apart(built, place)
        return f"sqlite:///{path}"

    stale = tmp_path / "stale"
    url = put_back(stale, notes=[], bundle=False)
    files = LedgerFiles.beside(stale / "ledger.sqlite3")
    with closing(TrialLedger(url, files)) as ledger:
        assert ledger.refusal is None  # nothing on this machine could tell
        ledger.publish(asking(witness), interval=INTERVAL)
        refusal = ledger.refusal
        assert refusal is not None
        assert refusal.code == "head.witness-knows-more"
        for size in (backup.size, given[-1] + 1):
            assert str(size) in refusal.message
    kept = HeadFile(files.head).read(built.keys.vkey)
    assert kept is not None
    assert kept.size == given[-1] + 1  # so that the next start refuses by itself
    TALLY["refused to sign: head.witness-knows-more"] += 1

    whole = tmp_path / "whole"
    whole.mkdir()
    shutil.copy(files.head, whole / files.head.name)  # what the witness told
    url = put_back(whole, notes=[], bundle=True)
    files = LedgerFiles.beside(whole / "ledger.sqlite3")
    again = replace(built, directory=whole, url=url, files=files, ledger=TrialLedger(url, files))
    publish_and_wait(again, witness)
    assert again.ledger.refusal is None
    assert code_of(again, bag(again, 990)) == ""
    require_sound(again)
    again.close()
    assert verify_ledger(database(again), head_file=again.files.head).findings == ()

"""Publishing with real witnesses over HTTP: cosigned, out of reach, rolled back, forked."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ledger.errors import TrustFailure, Unavailable
from ledger.log.checkpoint import open_checkpoint
from ledger.log.cosignature import open_cosigned, verify_cosignature
from ledger.log.note import NoteSigner
from ledger.log.policy import Policy, parse_policy
from ledger.service import TrialLedger
from ledger.storage.published import PublishedCheckpoints
from tests.build_ledger import REGISTRAR, SPONSOR, BuiltLedger, open_ledger
from tests.running_witness import RunningWitness, start_witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

INTERVAL = 0.02


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for some seconds is no outage of a witness."""
    for name in (
        "witnessing.CONNECT_SECONDS", "witnessing.ANSWER_SECONDS", "publishing.START_SECONDS"
    ):  # fmt: skip
        monkeypatch.setattr(f"ledger.publication.{name}", 60.0)


@pytest.fixture
def built(tmp_path: Path) -> Iterator[BuiltLedger]:
    """A ledger with entry 0 and the registrar's key."""
    one = open_ledger(tmp_path)
    one.register(REGISTRAR, by=SPONSOR)
    yield one
    one.close()


@pytest.fixture
def witness(tmp_path: Path, built: BuiltLedger) -> Iterator[RunningWitness]:
    """A witness that knows the log."""
    one = start_witness(tmp_path, "ethics", [built.keys.vkey])
    yield one
    one.stop()


def policy(*witnesses: RunningWitness, quorum: str = "all") -> Policy:
    """A policy in which a quorum of these witnesses must have cosigned."""
    names = " ".join(one.name for one in witnesses)
    lines = "".join(one.policy_line for one in witnesses)
    return parse_policy(f"{lines}group q {quorum} {names}\nquorum q\n".encode())


def grant(built: BuiltLedger, role: str) -> None:
    """One more entry."""
    built.grant(REGISTRAR, role, "trial", by=SPONSOR)


def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread is about to do; a witness that failed is asked ever later."""
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def cosigned_size(ledger: TrialLedger) -> int:
    """The size of the newest head with a quorum."""
    head = ledger.publisher.cosigned() if ledger.publisher else None
    return head.size if head else 0


def errors(ledger: TrialLedger) -> list[str | None]:
    """The code of what is wrong with each witness."""
    publisher = ledger.publisher
    assert publisher is not None
    return [one.error.code if one.error else None for one in publisher.standings()]


def copy_of(built: BuiltLedger, directory: Path) -> BuiltLedger:
    """The same ledger's files on another disk, opened there."""
    built.ledger.close()
    directory.mkdir()
    for file in built.directory.glob("ledger.sqlite3*"):
        shutil.copy2(file, directory / file.name)
    built.ledger = TrialLedger(built.url, built.files)
    url = f"sqlite:///{directory / 'ledger.sqlite3'}"
    files = replace(
        built.files,
        **{
            name: directory / getattr(built.files, name).name
            for name in ("keys", "head", "allocation", "published")
        },
    )
    other = replace(built, directory=directory, url=url, files=files)
    other.ledger = TrialLedger(url, files)
    return other


def test_a_published_checkpoint_bears_both_keys_of_the_log(built: BuiltLedger) -> None:
    """Ed25519 as at the commit, ML-DSA-44 from publishing."""
    built.ledger.publish()
    ed25519, ml_dsa = built.keys.vkeys
    opened = open_cosigned(built.ledger.checkpoint(), ed25519, [ml_dsa])
    assert opened.checkpoint.size == 3
    assert [one.vkey for one in opened.cosignatures] == [ml_dsa]


def test_new_checkpoints_are_published_as_they_come(built: BuiltLedger) -> None:
    """By a thread, without being asked."""
    built.ledger.publish(interval=INTERVAL)
    grant(built, "registrar")
    size = built.ledger.application.store.head().size
    publisher = built.ledger.publisher
    until(lambda: publisher is not None and (n := publisher.newest()) and n.size == size)
    assert verify_cosignature(built.ledger.checkpoint(), built.keys.cosigner.vkey)


def test_checkpoints_are_published_at_most_once_an_interval(built: BuiltLedger) -> None:
    """What comes in between is signed with Ed25519 alone, and served at once."""
    built.ledger.publish(interval=30)
    for role in ("registrar", "sponsor"):
        grant(built, role)
    time.sleep(0.3)
    published = PublishedCheckpoints(built.files.published).after(0, limit=10)
    assert len(published) <= 2
    newest = open_checkpoint(built.ledger.checkpoint(), built.keys.vkey)
    assert newest.size == built.ledger.application.store.head().size


def test_a_witness_cosigns_at_start_and_follows(
    built: BuiltLedger, witness: RunningWitness
) -> None:
    """With consistency proofs from the stored tree."""
    built.ledger.publish(policy(witness), interval=INTERVAL)
    assert cosigned_size(built.ledger) == 3
    for role in ("registrar", "sponsor", "statistician"):
        grant(built, role)
    size = built.ledger.application.store.head().size
    until(lambda: cosigned_size(built.ledger) == size)
    note = built.ledger.checkpoint()
    assert abs(verify_cosignature(note, witness.vkey) - time.time()) < 60
    assert errors(built.ledger) == [None]


def test_a_forgotten_last_size_is_learned_from_409(
    built: BuiltLedger, witness: RunningWitness
) -> None:
    """The file of published checkpoints may be lost; the witness says where it stands."""
    built.ledger.publish(policy(witness), interval=INTERVAL)
    grant(built, "registrar")
    size = built.ledger.application.store.head().size
    until(lambda: cosigned_size(built.ledger) == size)
    built.ledger.close()
    built.files.published.unlink()
    built.ledger = TrialLedger(built.url, built.files)
    grant(built, "sponsor")
    built.ledger.publish(policy(witness), interval=INTERVAL)
    assert cosigned_size(built.ledger) == size + 2 == built.ledger.application.store.head().size


def test_an_outage_stops_nothing_and_shows(built: BuiltLedger, witness: RunningWitness) -> None:
    """Recording goes on, the cosigned head stays behind, and catches up afterwards."""
    built.ledger.publish(policy(witness), interval=INTERVAL)
    witness.stop()
    grant(built, "registrar")
    until(lambda: errors(built.ledger) == ["witness.unreachable"])
    assert built.ledger.refusal is None
    assert cosigned_size(built.ledger) == 3
    witness.start()
    grant(built, "sponsor")
    size = built.ledger.application.store.head().size
    until(lambda: cosigned_size(built.ledger) == size)
    until(lambda: errors(built.ledger) == [None])  # said a moment after the line is kept


def test_a_service_starts_without_its_witness(built: BuiltLedger, witness: RunningWitness) -> None:
    """An outage at start is an outage, no refusal."""
    chosen = policy(witness)
    witness.stop()
    built.ledger.publish(chosen, interval=INTERVAL)
    grant(built, "registrar")
    assert built.ledger.refusal is None
    assert errors(built.ledger) == ["witness.unreachable"]


def test_a_quorum_waits_for_all_it_needs(
    built: BuiltLedger, witness: RunningWitness, tmp_path: Path
) -> None:
    """Who is missing is named."""
    other = start_witness(tmp_path, "regulator", [built.keys.vkey])
    both, either = policy(witness, other), policy(witness, other, quorum="any")
    other.stop()
    built.ledger.publish(both, interval=INTERVAL)
    assert cosigned_size(built.ledger) == 0
    built.reopen().publish(either, interval=INTERVAL)
    publisher = built.ledger.publisher
    assert publisher is not None
    head = publisher.cosigned()
    assert head is not None
    assert (head.size, [*head.times], head.missing) == (3, ["ethics"], ("regulator",))


def test_a_witness_that_does_not_know_the_log_is_named(built: BuiltLedger, tmp_path: Path) -> None:
    """404 and 403 are for its operator; recording goes on."""
    stranger = NoteSigner.from_seed("log.example/other", bytes(32)).verifier
    double = NoteSigner.from_seed(built.keys.origin, bytes(32)).verifier
    unaware = start_witness(tmp_path, "unaware", [stranger])
    misled = start_witness(tmp_path, "misled", [double])
    built.ledger.publish(policy(unaware, misled), interval=INTERVAL)
    assert errors(built.ledger) == ["witness.unknown-log", "witness.untrusted-key"]
    grant(built, "registrar")
    unaware.stop()
    misled.stop()


def test_what_another_witness_answers_is_no_cosignature(
    built: BuiltLedger, witness: RunningWitness, tmp_path: Path
) -> None:
    """The key of the policy decides, not who answers at the address."""
    other = start_witness(tmp_path, "regulator", [built.keys.vkey])
    line = witness.policy_line.replace(f":{witness.port}\n", f":{other.port}\n")
    built.ledger.publish(parse_policy(f"{line}quorum ethics\n".encode()), interval=INTERVAL)
    assert errors(built.ledger) == ["witness.bad-cosignature"]
    assert cosigned_size(built.ledger) == 0
    other.stop()


def test_a_stale_copy_of_database_and_head_file_refuses_to_sign(
    built: BuiltLedger, witness: RunningWitness, tmp_path: Path
) -> None:
    """Both heads are named, reads are served, nothing is recorded; also without the witness."""
    built.ledger.publish(policy(witness), interval=INTERVAL)
    stale = copy_of(built, tmp_path / "backup")
    built.ledger.publish(policy(witness), interval=INTERVAL)
    grant(built, "registrar")
    size = built.ledger.application.store.head().size
    until(lambda: cosigned_size(built.ledger) == size)
    theirs = open_checkpoint(built.ledger.checkpoint(), built.keys.vkey)

    assert stale.ledger.refusal is None
    ours = open_checkpoint(stale.ledger.checkpoint(), built.keys.vkey)
    stale.ledger.publish(policy(witness), interval=INTERVAL)
    refusal = stale.ledger.refusal
    assert refusal is not None
    assert refusal.code == "head.witness-knows-more"
    for head in (ours, theirs):
        assert f"size {head.size}" in refusal.message
        assert head.root.hex() in refusal.message
    with pytest.raises(Unavailable) as refused:
        grant(stale, "sponsor")
    assert refused.value.code == "ledger.refuses-to-sign"
    assert stale.ledger.application.store.head().size == ours.size
    assert open_checkpoint(stale.ledger.checkpoint(), built.keys.vkey) == ours

    witness.stop()
    again = stale.reopen().refusal
    assert again is not None
    assert again.code == "head.rolled-back"
    stale.close()


def test_two_nodes_on_diverged_databases_do_not_both_sign(
    built: BuiltLedger, witness: RunningWitness, tmp_path: Path
) -> None:
    """Whoever comes second to the witness is stopped while it runs."""
    other = copy_of(built, tmp_path / "second")
    other.now = built.now
    built.ledger.publish(policy(witness), interval=INTERVAL)
    other.ledger.publish(policy(witness), interval=INTERVAL)
    grant(built, "registrar")
    size = built.ledger.application.store.head().size
    until(lambda: cosigned_size(built.ledger) == size)
    grant(other, "sponsor")
    with suppress(Unavailable):  # when the witness was asked between the two
        grant(other, "statistician")
    until(lambda: other.ledger.refusal is not None)
    refusal = other.ledger.refusal
    assert refusal is not None
    assert refusal.code in {"head.witness-holds-another", "head.witness-knows-more"}
    assert built.ledger.refusal is None
    with pytest.raises(Unavailable):
        grant(other, "registrar")
    other.close()


def test_another_history_grown_longer_than_the_witness_saw_is_found(
    built: BuiltLedger, witness: RunningWitness, tmp_path: Path
) -> None:
    """The refused proof leads to the head that the witness holds."""
    other = copy_of(built, tmp_path / "second")
    other.now = built.now
    built.ledger.publish(policy(witness), interval=INTERVAL)
    grant(built, "registrar")
    size = built.ledger.application.store.head().size
    until(lambda: cosigned_size(built.ledger) == size)
    for role in ("sponsor", "statistician"):
        grant(other, role)
    other.ledger.publish(policy(witness), interval=INTERVAL)
    refusal = other.ledger.refusal
    assert refusal is not None
    assert refusal.code == "head.witness-holds-another"
    other.close()


def test_a_database_older_than_what_was_published_refuses_to_sign(
    built: BuiltLedger, tmp_path: Path
) -> None:
    """The file of published checkpoints is one more head outside the database."""
    stale = copy_of(built, tmp_path / "backup")
    grant(built, "registrar")
    built.ledger.publish()
    shutil.copy2(built.files.published, stale.files.published)
    stale.ledger.publish()
    assert stale.ledger.refusal is not None
    assert stale.ledger.refusal.code == "head.rolled-back"
    stale.close()


def test_a_policy_of_another_log_is_refused(built: BuiltLedger, witness: RunningWitness) -> None:
    """An operator took the wrong file."""
    stranger = NoteSigner.from_seed("log.example/other", bytes(32)).verifier
    text = f"log {stranger}\n{witness.policy_line}quorum ethics\n"
    with pytest.raises(TrustFailure) as refused:
        built.ledger.publish(parse_policy(text.encode()))
    assert refused.value.code == "policy.other-log"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE published_checkpoints SET note = ''",
        "DELETE FROM published_checkpoints",
        "UPDATE cosignatures SET line = ''",
        "DELETE FROM cosignatures",
    ],
)
def test_what_was_published_cannot_be_changed_by_accident(
    built: BuiltLedger, witness: RunningWitness, change: str
) -> None:
    """The file itself refuses."""
    built.ledger.publish(policy(witness))
    connection = sqlite3.connect(built.files.published)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change)
    connection.close()

"""A witness with its files: what it cosigns, keeps, never forgets, and does not start with."""

from __future__ import annotations

import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ledger.errors import IntegrityFailure, LedgerError, TrustFailure, Unavailable
from ledger.log.checkpoint import parse_checkpoint
from ledger.log.cosignature import CosignerKey, open_cosigned, time_of, verify_cosignature
from ledger.log.note import open_note, split_note
from ledger.witness import state as state_module
from ledger.witness.keys import WitnessKeys, new_key_file
from ledger.witness.logs import trusted_logs
from ledger.witness.state import origin_digest
from ledger.witness.witness import Answer, Witness, inspect_witness, open_witness
from tests.ledger.witness.build_log import ORIGIN, Log

if TYPE_CHECKING:
    from pathlib import Path

LOG = Log.of(300)
FORK = Log.of(300, branch="other", since=5)
SECOND = Log.of(20, origin="log.example/second")
LOGS = trusted_logs([LOG.signer.verifier, SECOND.signer.verifier])
START = 1_700_000_000


@dataclass
class SetClock:
    """A clock that stands where it is set."""

    seconds: int = START

    def now(self) -> datetime:
        """The instant it is set to."""
        return datetime.fromtimestamp(self.seconds, UTC)


@dataclass
class Place:
    """The directory of one witness, and its clock."""

    directory: Path
    clock: SetClock = field(default_factory=SetClock)

    @property
    def key(self) -> Path:
        """The key file."""
        return self.directory / "w.key"

    @property
    def state(self) -> Path:
        """The state file."""
        return self.directory / "w.sqlite3"

    def open(self) -> Witness:
        """Start the witness."""
        return open_witness(self.key, self.state, logs=LOGS, clock=self.clock)

    def ask(self, *bodies: bytes) -> list[Answer]:
        """Start the witness, ask, stop it."""
        with closing(self.open()) as witness:
            return [witness.add_checkpoint(body) for body in bodies]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A witness that has a key and has not begun."""
    new_key_file(tmp_path / "w.key", "witness.example/w", ml_dsa_44=True)
    return Place(tmp_path)


def refusal(place: Place) -> str:
    """The code of the error the witness does not start with."""
    with pytest.raises(LedgerError) as caught:
        place.open().close()
    return caught.value.code


def test_both_keys_cosign_the_head_at_the_clock_s_time(place: Place) -> None:
    """A client that adds the answer to its note can verify each line with the vkey alone."""
    (answer,) = place.ask(LOG.request(0))
    vkeys = WitnessKeys.load(place.key).vkeys
    opened = open_cosigned(LOG.note() + answer.body, LOG.signer.verifier, vkeys)

    assert answer.status == 200
    assert [one.vkey.type for one in opened.cosignatures] == [4, 6]
    assert {one.time for one in opened.cosignatures} == {START}


def test_a_witness_without_an_ml_dsa_44_key_gives_one_line(tmp_path: Path) -> None:
    """Ed25519 alone is what the public network asks for."""
    keys = new_key_file(tmp_path / "w.key", "witness.example/w", ml_dsa_44=False)
    (answer,) = Place(tmp_path).ask(LOG.request(0))
    assert answer.body.count("\n") == 1
    assert verify_cosignature(LOG.note() + answer.body, keys.vkeys[0]) == START


def test_the_newest_head_is_served_with_its_cosignatures_and_no_others(place: Place) -> None:
    """The read side gives the log's own signature and both of the witness."""
    with closing(place.open()) as witness:
        assert witness.state.note(origin_digest(ORIGIN)) is None
        witness.add_checkpoint(LOG.request(0, 8))
        witness.add_checkpoint(LOG.request(8))
        served = witness.state.note(origin_digest(ORIGIN))
    assert served is not None
    text, signatures = split_note(served)
    assert text == LOG.note().partition("\n\n")[0] + "\n"
    assert [line.name for line in signatures] == [ORIGIN, *["witness.example/w"] * 2]
    open_note(served, [CosignerKey(vkey) for vkey in WitnessKeys.load(place.key).vkeys])


def test_logs_are_kept_apart(place: Place) -> None:
    """Each log has its own newest size."""
    answers = place.ask(LOG.request(0), SECOND.request(0, 3), SECOND.request(3), LOG.request(3))
    assert [(one.status, one.code) for one in answers[:3]] == [(200, "witness.cosigned")] * 3
    assert (answers[3].status, answers[3].media_type, answers[3].body) == (
        409, "text/x.tlog.size", "300\n",
    )  # fmt: skip


def test_what_was_cosigned_holds_after_a_restart(place: Place) -> None:
    """The fork is refused by the next process as it would have been by the first."""
    place.ask(LOG.request(0, 8))
    fork, other, grown = place.ask(FORK.request(8), FORK.request(8, 8), LOG.request(8))
    assert (fork.status, other.status, grown.status) == (422, 422, 200)


@pytest.mark.parametrize("processes", [1, 4])
def test_of_many_conflicting_heads_at_once_one_history_is_cosigned(
    place: Place, processes: int
) -> None:
    """Twenty forks of one size and more, by threads and by several openings of the file."""
    place.ask(LOG.request(0, 4))
    forks = [Log.of(12, branch=str(i), since=4) for i in range(20)]
    opened = [place.open() for _ in range(processes)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(
                lambda i: opened[i % processes].add_checkpoint(forks[i].request(4, 12)), range(20)
            )
        )
    for witness in opened:
        witness.close()
    assert sorted(one.status for one in answers) == [200] + [409] * 19
    assert {one.body for one in answers if one.status == 409} == {"12\n"}


def test_heads_of_growing_size_race_without_a_step_back(place: Place) -> None:
    """The race of the specification: a smaller head is never kept after a larger one."""
    with closing(place.open()) as witness:
        witness.add_checkpoint(LOG.request(0, 4))
        with ThreadPoolExecutor(20) as pool:
            answers = list(
                pool.map(
                    lambda size: witness.add_checkpoint(LOG.request(4, size)), range(299, 279, -1)
                )
            )
        (kept,) = witness.state.cosigned()
    (winner,) = [size for size, one in zip(range(299, 279, -1), answers, strict=True)
                 if one.status == 200]  # fmt: skip
    assert kept.head.size == winner
    assert {one.body for one in answers if one.status == 409} == {f"{winner}\n"}


def test_two_heads_of_one_size_are_kept_as_evidence_that_proves_itself(place: Place) -> None:
    """Both notes carry the log's signature: nobody has to believe the witness."""
    place.ask(LOG.request(0, 8), FORK.request(8, 8), FORK.request(0, 8))
    with closing(inspect_witness(place.key, place.state, clock=place.clock)) as witness:
        (evidence,) = witness.state.refused()
    told = [parse_checkpoint(open_note(note, [LOG.signer.verifier]).text)
            for note in (evidence.note, evidence.kept)]  # fmt: skip
    assert evidence.contradiction
    assert told[0].size == told[1].size == 8
    assert told[0].root != told[1].root


def test_a_growth_without_proof_is_kept_as_doubtful_and_once(place: Place) -> None:
    """It can be a fork or a client's fault; the head is there for whoever asks the log."""
    place.ask(LOG.request(0, 8), FORK.request(8), FORK.request(8), LOG.request(3))
    with closing(place.open()) as witness:
        (evidence,) = witness.state.refused()
    assert (evidence.size, evidence.contradiction) == (300, False)


def test_evidence_does_not_fill_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log gone bad can sign as many heads as it likes; contradictions keep their own room."""
    monkeypatch.setattr(state_module, "MAX_REFUSED_PER_LOG", 3)
    forks = [Log.of(12, branch=str(i), since=4) for i in range(6)]
    doubtful = [fork.request(8, 12) for fork in forks]
    place.ask(LOG.request(0, 8), *doubtful, *[fork.request(8, 8) for fork in forks])
    with closing(place.open()) as witness:
        kinds = [one.contradiction for one in witness.state.refused()]
    assert sorted(kinds) == [False] * 3 + [True] * 3


def test_a_clock_a_little_behind_is_held_at_the_last_cosignature(place: Place) -> None:
    """A later cosignature is never of an earlier time, across logs and restarts."""
    place.ask(LOG.request(0, 8))
    place.clock.seconds -= 60
    (answer,) = place.ask(SECOND.request(0))
    lines = split_note(SECOND.note() + answer.body)[1][1:]
    assert {time_of(line.signature) for line in lines} == {START}


def test_a_clock_far_behind_stops_cosigning_until_it_is_right_again(place: Place) -> None:
    """A time known to be wrong is not attested; nothing is kept of the attempt."""
    place.ask(LOG.request(0, 8))
    place.clock.seconds -= 3600
    (behind,) = place.ask(LOG.request(8, 9))
    place.clock.seconds += 7200
    (right,) = place.ask(LOG.request(8, 9))
    assert (behind.status, behind.code) == (503, "witness.clock-behind")
    assert right.status == 200


def test_a_key_that_has_begun_does_not_begin_again_without_its_state(place: Place) -> None:
    """A lost, emptied or other state would let the same key cosign a second history."""
    place.ask(LOG.request(0, 8))
    place.state.rename(place.directory / "kept")
    assert refusal(place) == "witness.state-missing"
    place.state.touch()
    assert refusal(place) == "witness.state-missing"
    (place.directory / "w.key.state").rename(place.directory / "mark")
    place.state.unlink()
    place.ask(LOG.request(0, 8))  # another state of the same key
    shutil.copy(place.directory / "mark", place.directory / "w.key.state")
    assert refusal(place) == "witness.state-of-another-key"


def test_the_state_of_another_witness_is_refused(place: Place, tmp_path: Path) -> None:
    """Each key has its own state."""
    place.ask(LOG.request(0, 8))
    place.key.unlink()
    (place.directory / "w.key.state").unlink()
    new_key_file(place.key, "witness.example/w", ml_dsa_44=True)
    assert refusal(place) == "witness.state-of-another-key"


DAMAGE = {
    "smaller size": "UPDATE head SET size = 7",
    "larger size": "UPDATE head SET size = 9",
    "root": "UPDATE head SET root = zeroblob(32)",
    "time": "UPDATE head SET time = time + 1",
    "origin": "UPDATE head SET origin = 'log.example/second'",
    "note": "UPDATE head SET note = replace(note, char(10) || '8' || char(10), char(10) || '7' || char(10))",  # noqa: E501
    "end of the note": "UPDATE head SET note = substr(note, 1, length(note) - 3300)",
    "no note": "UPDATE head SET note = ''",
    "format": "PRAGMA user_version = 2",
    "keys": "UPDATE witness SET keys = ''",
    "identity": "UPDATE witness SET identity = ''",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_state_altered_behind_the_witness_s_back_is_not_started_with(
    place: Place, damage: str
) -> None:
    """Each kept head must be what this witness's own signatures say."""
    place.ask(LOG.request(0, 8))
    with closing(sqlite3.connect(place.state)) as connection, connection:
        connection.execute("DROP TRIGGER head_only_grows")
        connection.execute(damage)
    assert refusal(place) in {"witness.state-damaged", "witness.state-of-another-key"}


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM head", "UPDATE head SET size = 7", "UPDATE head SET root = zeroblob(32)",
     "UPDATE head SET time = time - 1", "UPDATE head SET origin = 'x'",
     "REPLACE INTO head VALUES ('log.example/trial', 7, zeroblob(32), 1, '')"],
)  # fmt: skip
def test_the_file_itself_refuses_a_step_back(place: Place, change: str) -> None:
    """Also when somebody works on it with the sqlite3 command."""
    place.ask(LOG.request(0, 8))
    with closing(sqlite3.connect(place.state)) as connection:
        connection.execute("PRAGMA recursive_triggers = ON")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(change)


def test_a_file_that_is_no_state_is_refused(place: Place) -> None:
    """Neither text nor another database is taken for a state."""
    place.state.write_text("hello, this is not a database, only a text that is long enough\n" * 20)
    assert refusal(place) == "witness.state"
    place.state.unlink()
    with closing(sqlite3.connect(place.state)) as connection:
        connection.execute("CREATE TABLE other (x)")
    assert refusal(place) == "witness.state-damaged"


def test_nothing_is_answered_when_the_head_cannot_be_kept(place: Place) -> None:
    """While another process holds the lock no signature leaves; the next request is fresh."""
    with closing(place.open()) as witness:
        witness.add_checkpoint(LOG.request(0, 8))
        witness.state._connection.execute("PRAGMA busy_timeout = 50")
        with closing(sqlite3.connect(place.state, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable):
                witness.add_checkpoint(LOG.request(8, 9))
            other.execute("ROLLBACK")
        assert witness.add_checkpoint(LOG.request(8, 9)).status == 200


def test_an_inspection_needs_a_witness_that_has_begun(place: Place) -> None:
    """Looking makes no state."""
    with pytest.raises(TrustFailure):
        inspect_witness(place.key, place.state, clock=place.clock)
    assert not place.state.exists()


def test_a_key_is_for_its_owner_alone_and_never_overwritten(place: Place) -> None:
    """Mode 0600 from the first byte."""
    assert place.key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        new_key_file(place.key, "witness.example/w", ml_dsa_44=False)
    place.key.chmod(0o640)
    assert refusal(place) == "witness.key-open-to-others"
    place.key.unlink()
    assert refusal(place) == "witness.key-missing"


@pytest.mark.parametrize(
    "change",
    [{"name": "with space"}, {"name": 1}, {"ed25519_seed": "00"}, {"ed25519_seed": "G" * 64},
     {"ml_dsa_44_seed": None}, {"more": 1}],
)  # fmt: skip
def test_a_malformed_key_file_is_named_as_such(place: Place, change: dict[str, object]) -> None:
    """No seed is guessed from something that looks like one."""
    place.key.write_text(json.dumps(json.loads(place.key.read_text()) | change))
    assert refusal(place) == "witness.key-malformed"


def test_a_witness_needs_logs_whose_names_fit() -> None:
    """No key at all, and an origin ML-DSA-44 could not name, are refused."""
    long = Log((b"",), origin="l" * 256).signer.verifier
    for vkeys, code in (([], "witness.no-logs"), ([long], "witness.origin-length")):
        with pytest.raises(TrustFailure) as caught:
            trusted_logs(vkeys)
        assert caught.value.code == code


def test_a_witness_s_key_is_not_taken_for_a_log_s(place: Place) -> None:
    """Its lines carry a time and say something else."""
    with pytest.raises(TrustFailure) as caught:
        trusted_logs(WitnessKeys.load(place.key).vkeys[:1])
    assert caught.value.code == "witness.log-key-type"


def test_a_kept_head_that_lost_one_of_our_lines_is_not_started_with(place: Place) -> None:
    """Both keys have signed it: a note with one of the lines was not written here."""
    place.ask(LOG.request(0, 8))
    with closing(sqlite3.connect(place.state)) as connection, connection:
        ((note,),) = connection.execute("SELECT note FROM head")
        shorter = "".join(note.splitlines(keepends=True)[:-1])
        connection.execute("UPDATE head SET note = ?", (shorter,))
    assert refusal(place) == "witness.state-damaged"


def test_a_damaged_state_names_the_log_concerned(place: Place) -> None:
    """The operator learns which log's head it was."""
    place.ask(LOG.request(0, 8))
    with closing(sqlite3.connect(place.state)) as connection, connection:
        connection.execute("UPDATE head SET time = time + 1")
    with pytest.raises(IntegrityFailure) as caught:
        place.open()
    assert caught.value.where == ORIGIN

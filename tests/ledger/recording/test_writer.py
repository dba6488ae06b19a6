"""Group commit, the same again, and what one sender's fault means for the others."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from eventsourcing.sqlite import SQLiteConnection

from ledger.errors import LedgerError, Unavailable
from ledger.log.checkpoint import open_checkpoint
from ledger.recording import log_end
from ledger.recording.outcomes import Receipted
from ledger.rules.guards import GUARDS
from ledger.signing.event_id import event_id
from ledger.signing.jwk import SigningKey
from ledger.signing.statement import Meaning, Signer
from ledger.storage.head_file import HeadFile
from tests.build_ledger import COORDINATOR, EDC, INVESTIGATOR, SITE, identify
from tests.ledger.build_service import (
    STREAM,
    again,
    answer,
    bag,
    bilirubin,
    code_of,
    correction,
    open_copy,
    receipt_of,
    refusals,
    require_receipt,
    require_sound,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.rules.guards.request import Request
    from tests.build_ledger import BuiltLedger, Signed


def submit(built: BuiltLedger, signed: Signed) -> Receipted:
    """Submit at the present time of the test, from any thread."""
    return built.ledger.submit(built.receive(signed), built.now)


def test_the_ends_of_streams_are_asked_for_anew_once_many_are_known(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand subjects must not fill the writer's memory; no link breaks by it."""
    monkeypatch.setattr(log_end, "MOST_STREAMS", 2)
    built.record(identify(built, 2))
    for value in ("34.2", "31.0", "30.5"):
        built.record_all([bilirubin(built, value), bag(built, int(value[:2]))])
    require_sound(built)


def test_64_senders_at_once_each_get_their_own_receipt(built: BuiltLedger) -> None:
    """Each receipt proves that sender's statement; few commits carry them all."""
    events = [bag(built, number) for number in range(64)]
    barrier = threading.Barrier(64)

    def post(signed: Signed) -> Receipted:
        barrier.wait(60)
        return submit(built, signed)

    before = len(built.ledger.application.store.checkpoints(after=0, limit=1000))
    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(post, events))
    for signed, given in zip(events, answers, strict=True):
        require_receipt(built, given, signed)
    assert len({given.outcome.seq for given in answers}) == 64
    commits = len(built.ledger.application.store.checkpoints(after=0, limit=1000)) - before
    assert commits < 64
    require_sound(built)


def test_a_group_over_several_tiles_is_proved_entry_by_entry(built: BuiltLedger) -> None:
    """600 entries complete two tiles; the receipts around their edges hold."""
    answers = built.record_all([bag(built, number) for number in range(600)])
    for given in (answers[0], answers[220], answers[221], answers[222], answers[-1]):
        assert isinstance(given, Receipted)
        data = built.ledger.application.store.entry(given.outcome.seq)
        assert data is not None
    size = built.ledger.application.store.head().size
    for seq in (0, 1, 254, 255, 256, 257, 511, 512, size - 1):
        receipt = built.ledger.receipt(seq)
        checkpoint = open_checkpoint(receipt.checkpoint_note, built.keys.vkey)
        assert seq < checkpoint.size
    require_sound(built)
    built.reopen()
    assert built.ledger.refusal is None
    require_receipt(built, answer(built, signed := bag(built, 601)), signed)


def test_bad_statements_in_a_group_never_fail_their_neighbours(built: BuiltLedger) -> None:
    """A forged signature, a foreign source, a wrong stream, a future event, all in one group."""
    stranger = SigningKey.from_seed(b"x" * 32)
    good = [bag(built, number) for number in range(4)]
    bad = [
        again(bag(built, 10), Signer(key=stranger)),
        built.sign("lot.received.v1", "lot/L-9", bag(built, 11).event.data, by=EDC),
        built.sign("lot.received.v1", "lot/L-2024-01", bag(built, 12).event.data, by=EDC,
                   source="/sites/SY01/systems/other"),
        built.sign("lot.received.v1", "lot/L-2024-01", bag(built, 13).event.data, by=EDC,
                   time="2024-12-24T00:00:00Z"),
    ]  # fmt: skip
    answers = built.record_all([one for pair in zip(good, bad, strict=True) for one in pair])
    for signed, given in zip(good, answers[::2], strict=True):
        assert isinstance(given, Receipted)
        require_receipt(built, given, signed)
    assert [error.code for error in answers[1::2] if isinstance(error, LedgerError)] == [
        "authority.unknown-key",
        "event.wrong-stream",
        "authority.foreign-source",
        "event.in-the-future",
    ]
    require_sound(built)


def test_a_guard_that_breaks_down_fails_one_statement_alone(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in one decision does not fail the group it came in."""
    poisoned = identify(built, 66)

    def broken(request: Request) -> list[object]:
        if request.event.id == poisoned.event.id:
            raise KeyError("fault")
        return []

    guards = {**GUARDS, "subject.identified.v1": (broken,)}
    monkeypatch.setattr("ledger.recording.admission.GUARDS", guards)
    events = [identify(built, 50), poisoned, identify(built, 51), bag(built, 1)]
    answers = built.record_all(events)
    assert [isinstance(given, Receipted) for given in answers] == [True, False, True, True]
    assert isinstance(answers[1], Unavailable)
    require_sound(built)


def test_a_correction_that_takes_the_time_away_is_refused_and_not_a_fault(
    built: BuiltLedger,
) -> None:
    """``new: null`` on ``/time`` leaves no record that could be read."""
    target = built.record(bilirubin(built, "34.2"))
    changed = correction(built, target, ("/time", target.event.time, None), by=COORDINATOR)
    assert refusals(built, changed) == ["GD-03"]


def test_a_refusal_fits_an_entry_however_much_was_wrong(built: BuiltLedger) -> None:
    """A hundred changes with long pointers; the answer stays an entry and the log sound."""
    target = built.record(bilirubin(built, "34.2"))
    deep = "".join(f"/{'a' * 60}" for _ in range(5))
    changes = [(f"/data{deep}/{number}", 1, 2) for number in range(100)]
    signed = correction(built, target, *changes, by=COORDINATOR)
    given, neighbour = built.record_all([signed, bag(built, 1)])
    assert isinstance(given, Receipted)
    assert given.outcome.refused
    assert isinstance(neighbour, Receipted)
    assert answer(built, signed).outcome.result_seq == given.outcome.result_seq
    require_sound(built)


def test_the_same_statement_again_gets_the_first_receipt_byte_for_byte(
    built: BuiltLedger,
) -> None:
    """In the same group, later, and after a restart; nothing more is recorded."""
    signed = bag(built, 1)
    group = built.record_all([signed, signed, bag(built, 2), signed])
    assert all(isinstance(given, Receipted) for given in group)
    texts = {receipt_of(group[n]).text() for n in (0, 1, 3)}  # type: ignore[arg-type]
    size = built.ledger.application.store.head().size
    answer(built, bag(built, 3))
    texts.add(receipt_of(answer(built, signed)).text())
    built.reopen()
    later = answer(built, signed)
    texts.add(receipt_of(later).text())
    assert len(texts) == 1
    assert later.repeated
    assert built.ledger.application.store.head().size == size + 1


def test_only_the_first_of_equal_statements_in_a_group_is_new(built: BuiltLedger) -> None:
    """The door answers 201 once and 200 afterwards."""
    signed = identify(built, 2)
    answers = built.record_all([signed, signed])
    assert [given.repeated for given in answers if isinstance(given, Receipted)] == [False, True]


def test_a_command_again_gets_the_result_of_the_first_time(built: BuiltLedger) -> None:
    """Both positions, before and after a restart."""
    signed = identify(built, 2)
    first = answer(built, signed).outcome
    assert answer(built, signed).outcome.result_seq == first.result_seq
    built.reopen()
    assert answer(built, signed).outcome == replace(first, repeated=False)


def test_other_signature_bytes_of_the_same_key_are_the_same_again(built: BuiltLedger) -> None:
    """ES256 signs randomly; what counts is who signed what with which meaning."""
    key = built.parties["/sites/SY01/persons/ph-01"].key
    first = built.sign("lot.received.v1", "lot/L-2024-01", bag(built, 1).event.data,
                       by="/sites/SY01/persons/ph-01", meaning="authorship")  # fmt: skip
    iat = int(built.now.timestamp())
    second = again(first, Signer(key=key, meaning=Meaning.AUTHORSHIP, iat=iat + 5))
    assert first.text != second.text
    one, two = answer(built, first), answer(built, second)
    assert (one.outcome.seq, two.repeated) == (two.outcome.seq, True)


@pytest.mark.parametrize("in_one_group", [True, False])
def test_an_id_with_other_content_or_signers_is_a_conflict(
    built: BuiltLedger, *, in_one_group: bool
) -> None:
    """Other payload, other signer, other meaning: each under the id that was taken."""
    first = bilirubin(built, "34.2")
    person = built.parties[COORDINATOR]
    others = [
        built.sign("lab-result.recorded.v1", STREAM, bilirubin(built, "43.2").event.data,
                   by=COORDINATOR, meaning="authorship", id=first.event.id),
        again(first, person.signer("authorship", built.now),
              built.parties[INVESTIGATOR].signer("authorship", built.now)),
        again(first, person.signer("responsibility", built.now)),
    ]  # fmt: skip
    if in_one_group:
        codes = [getattr(given, "code", "") for given in built.record_all([first, *others])]
    else:
        codes = [code_of(built, one) for one in (first, *others)]
    assert codes == ["", *["event.id-conflict"] * 3]


def test_a_refused_command_stays_refused_under_its_id(built: BuiltLedger) -> None:
    """What forbade it may be gone; the decision stands, a new id decides anew."""
    target = built.record(bilirubin(built, "34.2"))
    early = correction(built, target, ("/data/value/value", "43.2", "44.2"), by=COORDINATOR)
    assert refusals(built, early) == ["GD-02"]
    first = answer(built, early)
    change = ("/data/value/value", "34.2", "43.2")
    assert refusals(built, correction(built, target, change, by=COORDINATOR)) == []
    for _ in range(2):
        assert answer(built, early).outcome.refused
        assert receipt_of(answer(built, early)).text() == receipt_of(first).text()
        built.reopen()
    change = ("/data/value/value", "43.2", "44.2")
    assert refusals(built, correction(built, target, change, by=COORDINATOR)) == []


def test_each_command_in_a_group_sees_what_the_one_before_did(built: BuiltLedger) -> None:
    """The same subject id twice in one group: the second is refused."""
    answers = built.record_all([identify(built, 7), identify(built, 7)])
    assert [given.outcome.refused for given in answers if isinstance(given, Receipted)] == [
        False,
        True,
    ]


def test_a_commit_whose_acknowledgement_was_lost_is_a_success(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database commits and reports a failure; the sender still gets the one receipt."""
    commit = SQLiteConnection.commit

    def commit_and_fail(connection: SQLiteConnection) -> None:
        commit(connection)
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(SQLiteConnection, "commit", commit_and_fail)
    signed = bag(built, 1)
    given = answer(built, signed)
    require_receipt(built, given, signed)
    built.reopen()
    assert built.ledger.refusal is None
    assert receipt_of(answer(built, signed)).text() == receipt_of(given).text()
    require_sound(built)


def test_a_commit_that_failed_leaves_nothing_behind_and_can_be_retried(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the file nor in what later decisions see."""

    def fail(_connection: SQLiteConnection) -> None:
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(SQLiteConnection, "commit", fail)
    signed = identify(built, 2)
    assert code_of(built, signed) == "storage.unavailable"
    early = built.sign("consent.withdrawn.v1", f"subject/{SITE}-0002", {}, by=EDC)
    assert code_of(built, early) == "event.unknown-subject"
    given = answer(built, signed)
    assert not given.outcome.refused
    require_receipt(built, given, signed)
    require_sound(built)


def test_no_receipt_is_given_while_the_head_file_is_behind(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of the head file is full: the sender asks again and the head is written first."""

    def full(_file: HeadFile, _note: str) -> None:
        raise OSError("No space left on device")

    signed = bag(built, 1)
    with monkeypatch.context() as patch:
        patch.setattr(HeadFile, "write", full)
        assert code_of(built, signed) == "storage.unavailable"
        assert code_of(built, signed) == "storage.unavailable"
    given = answer(built, signed)
    kept = HeadFile(built.files.head).read(built.keys.vkey)
    assert given.repeated
    assert kept is not None
    assert kept.size == given.outcome.seq + 1


def test_a_clock_that_jumps_back_is_held_at_the_head(built: BuiltLedger) -> None:
    """``recorded_at`` never decreases; guards and results see the held time too."""
    last = built.ledger.application.store.head().recorded_at
    built.now -= timedelta(days=400)
    signed = identify(built, 3)
    given = answer(built, signed)
    record = built.ledger.application.record(given.outcome.seq)
    assert given.outcome.result_seq is not None
    result = built.ledger.application.record(given.outcome.result_seq)
    assert record.entry.recorded_at == result.entry.recorded_at == last
    assert result.event.time == last
    require_sound(built)


def test_closing_answers_everyone_who_was_let_in(built: BuiltLedger) -> None:
    """Senders race with the shutdown; each gets a receipt or is told, none waits for ever."""
    events = [bag(built, number) for number in range(60)]
    submissions = [built.receive(signed) for signed in events]
    outcomes: list[object] = []

    def post(part: int) -> None:
        for submission in submissions[part::6]:
            try:
                outcomes.append(built.ledger.submit(submission, built.now))
            except Unavailable as error:
                outcomes.append(error.code)

    threads = [threading.Thread(target=post, args=(part,)) for part in range(6)]
    for thread in threads:
        thread.start()
    assert built.ledger.writer is not None
    built.ledger.writer.close()
    for thread in threads:
        thread.join(20)
    assert len(outcomes) == 60
    recorded = sum(isinstance(outcome, Receipted) for outcome in outcomes)
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {"writer.stopped"}
    assert built.ledger.application.store.head().size == 36 + recorded


def test_an_id_of_the_ledgers_own_result_cannot_be_taken(built: BuiltLedger) -> None:
    """Result ids follow from the request and a secret; a sender who names one is refused."""
    outcome = answer(built, identify(built, 4)).outcome
    assert outcome.result_seq is not None
    taken = built.ledger.application.record(outcome.result_seq).id
    signed = built.sign("consent.withdrawn.v1", STREAM, {}, by=EDC, id=taken)
    assert code_of(built, signed) == "event.id-conflict"


def test_results_are_the_same_when_decided_twice(built: BuiltLedger, tmp_path: Path) -> None:
    """Same log, same statements, same clock: the same bytes, results and ids included."""
    signed = identify(built, 5)
    at = built.tick()
    built.ledger.close()
    twin = open_copy(built, tmp_path / "twin")
    built.reopen()
    for one in (built, twin):
        one.ledger.submit(one.receive(signed), at)
    heads = {one.ledger.application.store.head() for one in (built, twin)}
    twin.close()
    assert len(heads) == 1


def test_ids_are_made_for_the_instant_of_the_request(built: BuiltLedger) -> None:
    """A result's id carries the recorded time of its request (RFC 9562 section 5.7)."""
    outcome = answer(built, identify(built, 6)).outcome
    assert outcome.result_seq is not None
    result = built.ledger.application.record(outcome.result_seq)
    assert result.id[:13] == event_id(result.recorded_at, b"")[:13]

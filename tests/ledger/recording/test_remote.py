"""A writer in a process of its own answers as the one in the process does."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Listener
from typing import TYPE_CHECKING

import pytest

from ledger.errors import LedgerError
from ledger.recording.admission import Commitment
from ledger.recording.remote import CONNECT_SECONDS, RemoteWriter
from ledger.recording.writer import Writer
from ledger.recording.writing import WritingService
from ledger.signing.jwk import SigningKey
from ledger.signing.statement import Signer
from ledger.storage.head_file import HeadFile
from tests.build_ledger import identify, party, seed_of
from tests.ledger.build_service import (
    STREAM,
    again,
    bag,
    bilirubin,
    receipt_of,
    require_receipt,
    require_sound,
)
from tests.ledger.recording.socket_key import KEY
from tests.ledger.recording.worker import connected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.recording.outcomes import Receipted
    from tests.build_ledger import BuiltLedger, Signed


@pytest.fixture
def remote(built: BuiltLedger, service: WritingService, address: str) -> Iterator[RemoteWriter]:
    """A worker's end of it."""
    writer = connected(RemoteWriter(built.ledger.application, address, key=KEY))
    yield writer
    writer.close()


def submit(built: BuiltLedger, remote: RemoteWriter, signed: Signed) -> Receipted:
    """Submit through the socket."""
    return remote.submit(built.receive(signed), built.tick()).result(timeout=20)


def test_receipts_come_back_whole(built: BuiltLedger, remote: RemoteWriter) -> None:
    """A fact, and a command with its result, each proven by what came over the socket."""
    fact, command = bilirubin(built, "34.2"), identify(built, 2)
    given, decided = submit(built, remote, fact), submit(built, remote, command)
    require_receipt(built, given, fact)
    require_receipt(built, decided, command)
    assert decided.outcome.result_seq == decided.outcome.seq + 1
    assert receipt_of(decided, decided.outcome.result_seq).index == decided.outcome.result_seq
    assert given.entries[given.outcome.seq] == built.ledger.application.store.entry(
        given.outcome.seq
    )


def test_the_same_again_gets_the_first_receipt(built: BuiltLedger, remote: RemoteWriter) -> None:
    """Once through the socket and once within the process: one entry, one receipt."""
    signed = bag(built, 1)
    first = submit(built, remote, signed)
    repeated = built.ledger.submit(built.receive(signed), built.tick())
    assert repeated.repeated
    assert receipt_of(repeated).text() == receipt_of(first).text()
    assert submit(built, remote, signed).repeated


def test_an_error_keeps_its_family_and_code(built: BuiltLedger, remote: RemoteWriter) -> None:
    """A stranger's statement is kept aside, and his error is the one he would get here."""
    signed = again(bag(built, 1), Signer(key=SigningKey.from_seed(seed_of("stranger"))))
    assert built.ledger.writer is not None
    said = []
    for writer in (remote, built.ledger.writer):
        with pytest.raises(LedgerError) as caught:
            writer.submit(built.receive(signed), built.tick()).result(timeout=20)
        error = caught.value
        said.append((type(error), error.code, error.message, error.where, error.remedy))
    assert said[0] == said[1]


def test_many_threads_of_many_workers_are_served(
    built: BuiltLedger, service: WritingService, address: str
) -> None:
    """Two workers with eight threads each; everybody gets his own receipt, the log is sound."""
    workers = [
        connected(RemoteWriter(built.ledger.application, address, key=KEY)) for _ in range(2)
    ]
    events = [bag(built, number) for number in range(80)]
    with ThreadPoolExecutor(16) as pool:
        futures = [
            pool.submit(lambda n, one: workers[n % 2].submit(built.receive(one), built.now), n, one)
            for n, one in enumerate(events)
        ]
        answers = [future.result(20).result(20) for future in futures]
    for signed, given in zip(events, answers, strict=True):
        require_receipt(built, given, signed)
    for worker in workers:
        worker.close()
    require_sound(built)


def test_a_commitment_of_the_ledgers_own_goes_the_same_way(
    built: BuiltLedger, remote: RemoteWriter
) -> None:
    """A dossier is asked for in a web worker, and committed to by the writer."""
    given = remote.submit(Commitment(STREAM, "inspection"), built.tick()).result(20)
    assert built.ledger.application.record(given.outcome.seq).type == "dossier.issued.v1"


def test_a_writer_that_is_away_is_told_and_found_again(built: BuiltLedger, address: str) -> None:
    """Nothing waits for ever; when the writer is back the next submission reaches it."""
    remote = RemoteWriter(built.ledger.application, address, key=KEY)
    signed = bag(built, 1)
    with pytest.raises(LedgerError, match="does not answer"):
        submit(built, remote, signed)
    assert isinstance(built.ledger.writer, Writer)
    service = WritingService(built.ledger.writer, address, key=KEY)
    require_receipt(built, submit(built, connected(remote), signed), signed)
    remote.close()
    service.close()


def test_a_batch_waits_for_an_absent_writer_once_not_once_a_statement(
    built: BuiltLedger, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a thousand lines would hold a web thread for five minutes to say that they failed."""
    remote = RemoteWriter(built.ledger.application, address, key=KEY)
    batch = [built.receive(bag(built, number)) for number in range(40)]
    waits: list[float] = []
    wait = remote._connected.wait

    def counted(seconds: float) -> bool:
        waits.append(seconds)
        return wait(seconds)

    monkeypatch.setattr(remote._connected, "wait", counted)
    said = remote.submit_all(batch, built.tick())
    assert waits == [CONNECT_SECONDS]
    assert [one.code for one in said if isinstance(one, LedgerError)] == ["writer.away"] * 40
    remote.close()


@pytest.mark.parametrize(
    "parcel", [b"no parcel", pickle.dumps(None), pickle.dumps([None]), b"\x80\x04\x95"]
)
def test_a_parcel_that_cannot_be_read_counts_as_a_writer_that_is_away(
    parcel: bytes, built: BuiltLedger, address: str
) -> None:
    """Who waits is told at once, and the next submission finds the writer that came since."""
    signed = bag(built, 1)
    with Listener(address, family="AF_UNIX", authkey=KEY) as listener:
        remote = RemoteWriter(built.ledger.application, address, key=KEY)
        with listener.accept() as broken:
            future = connected(remote).submit(built.receive(signed), built.tick())
            broken.recv()
            broken.send_bytes(parcel)
            error = future.exception(timeout=20)
    assert isinstance(error, LedgerError)
    assert error.code == "writer.away"
    assert isinstance(built.ledger.writer, Writer)
    service = WritingService(built.ledger.writer, address, key=KEY)
    require_receipt(built, _in_the_end(built, remote, signed), signed)
    remote.close()
    service.close()


def _in_the_end(built: BuiltLedger, remote: RemoteWriter, signed: Signed) -> Receipted:
    """Submit until the writer is found again."""
    until = time.monotonic() + 60
    while True:
        try:
            return submit(built, remote, signed)
        except LedgerError as error:
            if error.code != "writer.away" or time.monotonic() > until:
                raise


def test_a_sender_who_gave_up_does_not_end_the_answers_of_his_worker(
    built: BuiltLedger, remote: RemoteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of the same worker get theirs, and so does his retry."""
    kept, write = threading.Event(), HeadFile.write

    def slowly(file: HeadFile, note: str) -> None:
        assert kept.wait(20)
        write(file, note)

    left, waiting = bag(built, 1), bag(built, 2)
    with monkeypatch.context() as patch:
        patch.setattr(HeadFile, "write", slowly)
        mine, other = (
            remote.submit(built.receive(signed), built.tick()) for signed in (left, waiting)
        )
        assert mine.cancel()
        kept.set()
        require_receipt(built, other.result(20), waiting)
    require_receipt(built, submit(built, remote, left), left)


def test_a_stranger_without_the_key_is_not_served(
    built: BuiltLedger, service: WritingService, address: str
) -> None:
    """Whoever reaches the socket must know the key; the others are served on."""
    stranger = RemoteWriter(built.ledger.application, address, key=b"another key")
    with pytest.raises(LedgerError) as caught:
        submit(built, stranger, bag(built, 1))
    assert caught.value.code == "writer.away"
    remote = connected(RemoteWriter(built.ledger.application, address, key=KEY))
    signed = bag(built, 2)
    require_receipt(built, submit(built, remote, signed), signed)
    remote.close()


def test_a_key_registered_meanwhile_is_known_to_the_worker(
    built: BuiltLedger, remote: RemoteWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown key is looked for anew; until then the writer verifies in the worker's place."""
    built.parties["/sites/SY01/persons/si-09"] = party("/sites/SY01/persons/si-09", "Dr New")
    kid = built.parties["/sites/SY01/persons/si-09"].key.kid
    assert remote.key(kid) is None
    built.register("/sites/SY01/persons/si-09")
    monkeypatch.setattr("ledger.recording.remote.REFRESH_SECONDS", 0.0)
    time.sleep(0.001)
    found = remote.key(kid)
    assert found is not None
    assert found.owner == "/sites/SY01/persons/si-09"


def test_a_submission_arrives_as_it_was_sent(built: BuiltLedger) -> None:
    """The row of the vocabulary stands on both sides; everything else travels."""
    sent = built.receive(identify(built, 3))
    assert pickle.loads(pickle.dumps(sent)) == sent

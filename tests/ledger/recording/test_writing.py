"""The writer's side of the socket outlives what goes wrong with one worker or one telling."""

from __future__ import annotations

import time
from multiprocessing.connection import Client, Connection
from typing import TYPE_CHECKING, Any

from ledger.errors import Unavailable
from ledger.recording.remote import RemoteWriter
from ledger.recording.wire import Asked, Failed, Standing
from ledger.recording.writer import Writer
from ledger.recording.writing import STANDING_SECONDS, WritingService
from tests.ledger.build_service import bag, require_receipt
from tests.ledger.recording.socket_key import KEY
from tests.ledger.recording.worker import connected

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pytest

    from tests.build_ledger import BuiltLedger

PATIENCE = 60


def require_served(built: BuiltLedger, address: str, number: int) -> None:
    """A worker that comes now records and gets its receipt."""
    worker = connected(RemoteWriter(built.ledger.application, address, key=KEY))
    signed = bag(built, number)
    given = worker.submit(built.receive(signed), built.tick()).result(PATIENCE)
    require_receipt(built, given, signed)
    worker.close()


def worker_of(address: str) -> AbstractContextManager[Connection[Any, Any]]:
    """A bare end of a worker's connection."""
    return Client(address, family="AF_UNIX", authkey=KEY)


def gone(connection: Connection[Any, Any]) -> bool:
    """Whether the service lets a connection go; what it tells until then is passed over."""
    until = time.monotonic() + PATIENCE
    try:
        while connection.poll(max(until - time.monotonic(), 0)):
            connection.recv()
    except (EOFError, OSError):
        return True
    return False


def test_workers_are_heard_though_how_the_writer_stands_cannot_be_told(
    built: BuiltLedger, address: str
) -> None:
    """Neither the first telling, by the thread that reads, nor those after it end anything."""
    assert isinstance(built.ledger.writer, Writer)
    told: list[int] = []

    def broken() -> Standing:
        told.append(len(told))
        if len(told) < 3:
            raise RuntimeError("Nobody knows.")
        return Standing(waiting=7)

    heard: list[Standing | None] = []
    service = WritingService(built.ledger.writer, address, key=KEY, standing=broken)
    worker = connected(RemoteWriter(built.ledger.application, address, key=KEY, heard=heard.append))
    signed = bag(built, 1)
    given = worker.submit(built.receive(signed), built.tick()).result(PATIENCE)
    require_receipt(built, given, signed)
    until = time.monotonic() + PATIENCE
    while Standing(waiting=7) not in heard and time.monotonic() < until:
        time.sleep(STANDING_SECONDS / 10)
    assert Standing(waiting=7) in heard
    assert len(told) >= 3
    worker.close()
    service.close()


def test_a_worker_that_sends_what_cannot_be_read_is_let_go_alone(
    built: BuiltLedger, service: WritingService, address: str
) -> None:
    """The others are heard on."""
    with worker_of(address) as stranger:
        stranger.send_bytes(b"no parcel")
        assert gone(stranger)
    require_served(built, address, 1)


def test_an_answer_that_cannot_be_sent_costs_its_worker_and_not_the_thread(
    built: BuiltLedger, service: WritingService, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever sending raises; what was recorded is found by the retry."""
    signed = bag(built, 1)
    send = Connection.send

    def broken(self: Connection[Any, Any], parcel: Any) -> None:
        if any(getattr(one, "number", 0) == 13 for one in parcel):
            raise TypeError("an integer is required")
        send(self, parcel)

    with worker_of(address) as worker, monkeypatch.context() as patch:
        submission, now = built.receive(signed), built.tick()
        patch.setattr(Connection, "send", broken)  # before anything can be answered
        send(worker, [Asked(13, submission, now)])
        assert gone(worker)
    assert built.ledger.submit(built.receive(signed), built.tick()).repeated
    require_served(built, address, 2)


class _Slow:
    """A writer that answers when it is told to."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.told: Any = None

    def take(self, submission: Any, now: Any, reply: Any) -> None:
        """Keep the reply."""
        self.taken.append(reply)

    def on_told(self, told: Any) -> None:
        """Keep whom to tell."""
        self.told = told


def test_an_answer_for_a_worker_that_went_never_reaches_one_that_came_since(
    built: BuiltLedger, address: str
) -> None:
    """The number of a connection is not given to another while an answer is on its way to it."""
    slow = _Slow()
    service = WritingService(slow, address, key=KEY)
    with worker_of(address) as first:
        submission = built.receive(bag(built, 1))
        first.send([Asked(1, submission, built.tick())])
        while not slow.taken:
            time.sleep(0.01)
    held = slow.taken[0].connection
    while held in service._connections:
        time.sleep(0.01)
    assert not held.closed
    with worker_of(address) as second:
        second.recv()  # how the writer stands
        slow.taken[0].set_exception(Unavailable("a.code", "Told too late."))
        slow.told()
        until = time.monotonic() + 2 * STANDING_SECONDS
        parcels: list[Any] = []
        while time.monotonic() < until:
            if second.poll(0.05):
                parcels += second.recv()
        assert not any(isinstance(one, Failed) for one in parcels)
    service.close()

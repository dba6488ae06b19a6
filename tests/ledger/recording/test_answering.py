"""Answers: whoever gives up waiting for his own keeps nobody else from theirs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ledger.storage.head_file import HeadFile
from tests.ledger.build_service import answer, bag, require_receipt

if TYPE_CHECKING:
    import pytest

    from tests.build_ledger import BuiltLedger

PATIENCE = 20


def test_a_sender_who_gave_up_does_not_end_the_answers_of_others(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His statement is recorded; those behind him are answered, and so is his retry."""
    assert built.ledger.writer is not None
    kept, write = threading.Event(), HeadFile.write

    def slowly(file: HeadFile, note: str) -> None:
        assert kept.wait(PATIENCE)
        write(file, note)

    left, waiting = bag(built, 1), bag(built, 2)
    with monkeypatch.context() as patch:
        patch.setattr(HeadFile, "write", slowly)
        futures = [
            built.ledger.writer.submit(built.receive(signed), built.tick())
            for signed in (left, waiting)
        ]
        assert futures[0].cancel()
        kept.set()
        require_receipt(built, futures[1].result(PATIENCE), waiting)
    again = answer(built, left)
    assert again.repeated
    require_receipt(built, again, left)


def test_a_sender_who_gave_up_does_not_end_the_writer_that_fails_his_group(
    built: BuiltLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next group is recorded."""
    assert built.ledger.writer is not None
    begun, go_on = threading.Event(), threading.Event()

    def full(*_: object, **__: object) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        raise OSError("No space left on device")

    signed = bag(built, 1)
    with monkeypatch.context() as patch:
        patch.setattr(type(built.ledger.application), "record_group", full)
        future = built.ledger.writer.submit(built.receive(signed), built.tick())
        assert begun.wait(PATIENCE)
        assert future.cancel()
        go_on.set()
        # One writer, one group after the other: this one fails behind the first.
        assert built.ledger.writer.submit(built.receive(bag(built, 2)), built.tick()).exception(
            PATIENCE
        )
    require_receipt(built, answer(built, signed), signed)

"""kill -9 of the real service at random, under load, with clients that keep their receipts."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from ledger.log.proof import parse_receipt
from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.evidence import verify_ledger
from tests.faults.kept import TALLY, copy_files
from tests.faults.serving import Sender, Service, sending

if TYPE_CHECKING:
    from pathlib import Path

    from tests.build_ledger import BuiltLedger

SOAK = bool(os.environ.get("LEDGER_SOAK"))
KILLS = 200 if SOAK else 20
SENDERS = 4


def kill_and_restart(service: Service, path: Path, kills: int) -> None:
    """Kill it so many times at random moments; verify what each death left."""
    for _ in range(kills):
        time.sleep(random.uniform(0.05, 0.9))
        service.kill(one_first=random.random() < 0.3)
        TALLY["service killed"] += 1
        report = verify_ledger(path, head_file=LedgerFiles.beside(path).head)
        assert [str(found) for found in report.findings] == []
        service.start()
    time.sleep(0.3)


def require_all_honoured(senders: list[Sender], path: Path) -> None:
    """Send everything once more; nothing lost, nothing twice, every answer the same as ever."""
    acknowledged = {event: one for sender in senders for event, one in sender.given.items()}
    for sender in senders:
        unanswered = sender.unanswered()
        TALLY["sent again after no answer"] += len(unanswered)
        for event in (*unanswered, *random.sample(sender.events, min(60, len(sender.events)))):
            assert sender.post(event, attempts=8), event.id
        assert sender.faults == []
    ledger = TrialLedger(f"sqlite:///{path}", LedgerFiles.beside(path))
    try:
        seen = Counter(
            record.id
            for start in range(0, ledger.application.store.head().size, 500)
            for record in ledger.application.records(start, start + 500)
        )
        lost = []
        for known, receipts in acknowledged.items():
            found = ledger.find(known)
            if found is None or found.seq != parse_receipt(receipts[0]).index:
                lost.append(known)
    finally:
        ledger.close()
    doubled = [event for event, count in seen.items() if count > 1]
    TALLY["acknowledged"] += len(acknowledged)
    TALLY["lost"] += len(lost)
    TALLY["doubled"] += len(doubled)
    assert (lost, doubled) == ([], [])
    report = verify_ledger(path, head_file=LedgerFiles.beside(path).head)
    assert [str(found) for found in report.findings] == []


def run(template: BuiltLedger, directory: Path, kills: int) -> None:
    """The whole course on a copy of the ledger."""
    url = copy_files(template.directory, directory)
    path = directory / "ledger.sqlite3"
    service = Service(url).start()
    senders = [Sender(number, [service.address], template.vkey) for number in range(1, SENDERS + 1)]
    try:
        with sending(senders):
            kill_and_restart(service, path, kills)
        require_all_honoured(senders, path)
    finally:
        service.stop()
    TALLY["longest stall of a client, ms"] = max(
        TALLY["longest stall of a client, ms"], *(int(s.longest * 1000) for s in senders)
    )


@pytest.mark.long
def test_kill_9_at_random_loses_and_doubles_nothing(template: BuiltLedger, tmp_path: Path) -> None:
    """Some 20 kills; 200 under LEDGER_SOAK."""
    run(template, tmp_path / "served", KILLS)


def test_one_kill_under_load_loses_and_doubles_nothing(
    template: BuiltLedger, tmp_path: Path
) -> None:
    """The same once, for every day."""
    run(template, tmp_path / "served", 1)


@pytest.mark.long
def test_two_services_on_one_database_make_one_log(template: BuiltLedger, tmp_path: Path) -> None:
    """Two processes write at once, one of them is killed again and again: no fork."""
    directory = tmp_path / "served"
    url = copy_files(template.directory, directory)
    path = directory / "ledger.sqlite3"
    first, second = Service(url).start(), Service(url).start()
    senders = [
        Sender(1, [first.address], template.vkey),
        Sender(2, [second.address], template.vkey),
        Sender(3, [first.address, second.address], template.vkey),
        Sender(4, [second.address, first.address], template.vkey),
    ]
    try:
        with sending(senders):
            kill_and_restart(first, path, KILLS // 4)
        require_all_honoured(senders, path)
        assert (first.is_ready(), second.is_ready()) == (True, True)
    finally:
        first.stop()
        second.stop()

"""A process that works on a ledger in PostgreSQL or SQLite and forks itself for each task.

Tasks come as lines of JSON on standard input. ``post``: post statements, singly and as one group,
with one step of the recorder broken, and write down each receipt. ``fold``: follow the log with
projections until a signal ends it after ``seconds``. Each is answered ``met`` and ``ended STATUS``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger.errors import LedgerError
from ledger.service import TrialLedger
from ledger.storage.database import Database
from projections.projector import Projector
from projections.reading import Projections
from tests.faults.kept import Sent, post, receipts_of
from tests.faults.postgres_steps import break_at
from tests.whole_group import whole_groups

ATTEMPTS = 4
SINGLY = 4
"""So many of the statements are posted one by one, the others as one group."""


def main() -> None:
    """Take tasks until there are none; one child each, waited for."""
    for line in sys.stdin:
        task = json.loads(line)
        child = os.fork()
        if child == 0:
            _work(task)
        _, status = os.waitpid(child, 0)
        _say(f"ended {os.waitstatus_to_exitcode(status)}")


def _say(text: str) -> None:
    sys.stdout.write(text.replace("\n", " ") + "\n")
    sys.stdout.flush()


def _work(task: dict[str, Any]) -> None:
    signal.alarm(60)
    status = 1
    try:
        database = Database.parse(task["url"], files=Path(task["files"]))
        with TrialLedger(database) as ledger:
            if ledger.refusal is not None:
                _say(f"refused {ledger.refusal}")
            elif task["work"] == "post":
                _post_all(ledger, task)
            else:
                _fold(ledger, task)
            status = 3 if ledger.refusal is not None else 0
    except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
        _say(f"fault {type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _post_all(ledger: TrialLedger, task: dict[str, Any]) -> None:
    now = datetime.fromisoformat(task["now"])
    sent = [Sent(one["id"], one["text"], tuple(one["disclosures"])) for one in task["statements"]]
    out = os.open(task["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    once = break_at(*task["step"])
    for one in sent[:SINGLY]:
        for attempt in range(ATTEMPTS):
            try:
                _write(out, one, post(ledger, one, now))
            except LedgerError:
                time.sleep(0.01 * attempt)
                continue
            break
    for _ in range(ATTEMPTS):
        group = sent[SINGLY:]
        offers = [one.offer(ledger) for one in group]
        with whole_groups():  # parts of it may be too small for COPY
            answers = ledger.submit_all(offers, now)
        for one, given in zip(group, answers, strict=True):
            if not isinstance(given, LedgerError):
                _write(out, one, receipts_of(given))
        if not any(isinstance(given, LedgerError) for given in answers):
            break
    if once.met:
        _say("met")


def _write(out: int, sent: Sent, receipts: tuple[str, ...]) -> None:
    os.write(out, (json.dumps({"id": sent.id, "receipts": receipts}) + "\n").encode())


def _fold(ledger: TrialLedger, task: dict[str, Any]) -> None:
    with closing(Projections(ledger)) as views:
        projector = Projector(
            ledger.application, ledger.genesis.definition, views.store, page=task["page"]
        )
        signal.setitimer(signal.ITIMER_REAL, task["seconds"])  # SIGALRM ends it where it stands
        projector.follow()
        if task["rebuild"]:
            projector.rebuild()
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()

"""A process that opens a ledger and posts, started often: it forks itself for each task.

Tasks come as lines of JSON on standard input, ``{directory, statements, out, now, traced}``. The
child of a task answers ``ready PID``, waits for a line in the FIFO ``go``, does its work and
writes each receipt it was given to ``out``, durable as soon as the line is there.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger.errors import LedgerError
from ledger.service import LedgerFiles, TrialLedger
from tests.faults.kept import Sent, post
from tests.faults.steps import break_at

ATTEMPTS = 4
_PR_SET_PTRACER = 0x59616D61
_ANY = -1


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
    # Where a kernel lets only ancestors trace, this child allows it to anybody of its user.
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANY), 0, 0, 0)
    signal.alarm(60)
    status = 1
    try:
        if task["traced"] == "start":
            _wait(task)
            ledger = _open(task)
        else:
            ledger = _open(task)
            _wait(task)
        if task["step"] is not None:
            break_at(*task["step"])
        _post_all(ledger, task)
        ledger.close()
        status = 0
    except LedgerError as error:
        _say(f"refused {error.code}")
        status = 3
    except Exception as error:  # noqa: BLE001 - told to the test, whatever it is
        _say(f"fault {type(error).__name__}: {error}")
    finally:
        os._exit(status)


def _open(task: dict[str, Any]) -> TrialLedger:
    path = Path(task["directory"]) / "ledger.sqlite3"
    ledger = TrialLedger(f"sqlite:///{path}", LedgerFiles.beside(path))
    if ledger.refusal is not None:
        raise ledger.refusal
    return ledger


def _wait(task: dict[str, Any]) -> None:
    _say(f"ready {os.getpid()}")
    with Path(task["go"]).open("rb") as fifo:
        fifo.read(1)


def _post_all(ledger: TrialLedger, task: dict[str, Any]) -> None:
    now = datetime.fromisoformat(task["now"])
    out = os.open(task["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for one in task["statements"]:
        sent = Sent(one["id"], one["text"], tuple(one["disclosures"]))
        for attempt in range(ATTEMPTS):
            try:
                receipts = post(ledger, sent, now)
            except LedgerError:
                time.sleep(0.01 * attempt)
                continue
            line = json.dumps({"id": sent.id, "receipts": receipts}) + "\n"
            os.write(out, line.encode())
            break


if __name__ == "__main__":
    main()

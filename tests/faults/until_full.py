"""A process that posts while no file may grow beyond a limit, or the disk is full.

Its task comes as JSON on standard input. It writes the receipts it was given, then one line that
says whether reads still work and by which codes it was turned away.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from datetime import datetime
from pathlib import Path

from ledger.errors import LedgerError
from ledger.service import LedgerFiles, TrialLedger
from tests.faults.kept import Sent, post


def main() -> None:
    """Post everything once."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    task = json.load(sys.stdin)
    path = Path(task["directory"]) / "ledger.sqlite3"
    ledger = TrialLedger(f"sqlite:///{path}", LedgerFiles.beside(path))
    if task["limit"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["limit"], resource.RLIM_INFINITY))
    now, codes = datetime.fromisoformat(task["now"]), set()
    for event, text, disclosures in task["statements"]:
        try:
            receipts = post(ledger, Sent(event, text, tuple(disclosures)), now)
        except LedgerError as error:
            codes.add(error.code)
        else:
            _say({"id": event, "receipts": receipts})
    reads = ledger.receipt(3).index == 3 and ledger.application.stream("access")
    _say({"id": "reads go on" if reads else "reads fail", "receipts": sorted(codes)})


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

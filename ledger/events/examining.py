"""The process beside a verification that checks payloads as well (`ledger.verification.crew`)."""

from __future__ import annotations

from ledger.events.conformance import conforms
from ledger.verification.worker import main

if __name__ == "__main__":
    main(conforms)

"""The process beside a verification that examines pages; started by `ledger.verification.crew`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ledger.verification.frames import framed, received
from ledger.verification.sound import Examiner

if TYPE_CHECKING:
    from ledger.verification.payloads import Conforms


def main(conforms: Conforms | None = None) -> None:
    """Examine the rows that come until there are no more."""
    examiner = Examiner(conforms)
    while True:
        try:
            rows, keys = received(sys.stdin.buffer)
            examiner.learn(keys)
            sys.stdout.buffer.write(framed(examiner.examine(rows)))
            sys.stdout.buffer.flush()
        except (EOFError, OSError):
            return  # nobody asks any more


if __name__ == "__main__":
    main()

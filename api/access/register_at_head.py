"""The register as of the newest entry, asked for at each request that carries a token."""

from __future__ import annotations

import heapq
import threading
from typing import TYPE_CHECKING, Final

from ledger.signing.register import Register

if TYPE_CHECKING:
    from ledger.application import LedgerApplication
    from ledger.record import Record

_STREAMS: Final = ("trial", "access")


class RegisterAtHead:
    """Follows the two streams the register is a fold of; it does not wait for any projection."""

    def __init__(self, application: LedgerApplication) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._register = Register()
        self._position = 0

    def __call__(self) -> Register:
        """The register with everything recorded before this call."""
        head = self._application.store.head().size
        with self._lock:
            if head > self._position:
                streams = [self._application.stream(name) for name in _STREAMS]
                if any(records and records[-1].seq >= self._position for records in streams):
                    # Made anew: whoever still reads the one before reads it whole.
                    merged = heapq.merge(*streams, key=_position)
                    self._register = Register(record for record in merged if record.seq < head)
                self._position = head
            return self._register


def _position(record: Record) -> int:
    return record.seq

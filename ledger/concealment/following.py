"""The restrictions of a ledger, followed as it grows: which personal data are no longer served."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from ledger.concealment.restricted import RESTRICTED, Restrictions
from ledger.errors import LedgerError
from ledger.history import CORRECTED, kind_of
from ledger.record import Record, read_record
from ledger.vocabulary import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ledger.storage.store import LedgerStore

_RESULTS: Final = 1
"""The result of a command is the entry behind it."""


class FollowedRestrictions:
    """Reads what the log adds to the restrictions, and nothing else; safe for several threads."""

    def __init__(self, store: Callable[[], LedgerStore]) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._seen = 0
        self._found = 0
        self._targets: set[str] = set()
        self.restrictions = Restrictions()

    def recorded(self, records: Sequence[Record]) -> None:
        """Go on behind what this process recorded itself, where that restricts nothing.

        Else the log is read for it like for what others recorded.
        """
        if any(record.type in (RESTRICTED, CORRECTED) for record in records):
            return
        with self._lock:
            if records and records[0].seq == self._seen:
                self._seen = records[-1].seq + 1

    def follow(self, size: int | None = None) -> int:
        """Take in what is new; the number of times something was found to be restricted.

        ``size`` is that of the log, for who has just read it.
        """
        if size is None:
            size = self._store().head().size
        if size == self._seen:
            return self._found
        with self._lock:
            if size <= self._seen:
                return self._found
            acts = self._store().positions_of_types((RESTRICTED,), start=self._seen)
            repeated = bool(self._targets) and self._corrections(self._seen)
            for seq in acts:
                self._restrict(seq)
            self._found += bool(acts) or repeated
            self._seen = size
            return self._found

    def _restrict(self, seq: int) -> None:
        act = self._read(seq)
        if act is None:
            return
        if not self._targets:
            self._targets.add(act.id)
            self._corrections(0)  # they may repeat the words, and stand before the act
        self.restrictions.apply(act)
        result = self._read(seq + _RESULTS)
        if result is not None and kind_of(result.type) is Kind.RESULT:
            self.restrictions.apply(result)

    def _corrections(self, start: int) -> bool:
        """Take in corrections; True when one is of what is restricted, and may repeat the words."""
        repeated = False
        for seq in self._store().positions_of_types((CORRECTED,), start=start):
            record = self._read(seq)
            if record is not None:
                self.restrictions.apply(record)
                repeated = repeated or self.restrictions.concerns(record.id) is not None
        return repeated

    def _read(self, seq: int) -> Record | None:
        data = self._store().entry(seq)
        try:
            return None if data is None else read_record(data)
        except LedgerError:
            return None  # damaged; verification names it

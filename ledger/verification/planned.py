"""The planned number of subjects as the protocol and its amendments state it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.errors import LedgerError
from ledger.history import History
from ledger.signing.rfc3339 import parse_rfc3339

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.history import Fact
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject

AMENDED: Final = "protocol.amended.v1"

# What folding a payload can raise that no schema would have let in; check 7 names it.
_UNFIT: Final = (LedgerError, LookupError, ValueError, TypeError, AttributeError)


class PlannedNumber:
    """Folds the trial stream: entry 0, amendments accepted, what was corrected or voided."""

    def __init__(self) -> None:
        self._trial = History()
        self._first: int | None = None

    def take(self, record: Record) -> None:
        """Take in one record of the log; those of other streams are passed over."""
        if record.seq == 0:
            self._first = _number(record.data)
        if record.stream != "trial":
            return
        try:
            self._trial.apply(record)
        except _UNFIT:
            return

    def at(self, instant: datetime) -> int | None:
        """The number in force at an instant, None when no protocol states one.

        The amendment that took force last holds; one that states no number changes none.
        """
        amendments = [(_in_force_since(f), f.seq, _number(f.data)) for f in self._trial.of(AMENDED)]
        stated = [
            (since, seq, number)
            for since, seq, number in amendments
            if since is not None and number is not None and since <= instant
        ]
        return max(stated)[2] if stated else self._first


def _number(data: JsonObject) -> int | None:
    configuration = data.get("protocol")
    inner = configuration.get("protocol") if isinstance(configuration, dict) else None
    protocol = inner if isinstance(inner, dict) else configuration
    number = protocol.get("planned_number") if isinstance(protocol, dict) else None
    return number if type(number) is int else None


def _in_force_since(fact: Fact) -> datetime | None:
    text = fact.data.get("effective_from")
    if text is None:
        return fact.occurred_at
    try:
        return parse_rfc3339(text if isinstance(text, str) else "")
    except LedgerError:
        return None

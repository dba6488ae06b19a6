"""The log up to a position, as a source of folds: what was known when it had so many entries."""

from __future__ import annotations

import heapq
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING, cast

from ledger.aggregates.trial_state import TrialState
from ledger.errors import LedgerError, Unavailable
from ledger.history import History
from ledger.log.entry import parse_entry
from ledger.signing.rfc3339 import parse_recorded_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from ledger.application import LedgerApplication
    from ledger.record import Record
    from ledger.rules.case import Case
    from ledger.trials.definition import TrialDefinition

FOLD_ERRORS = (
    LedgerError,
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
)
"""What folding a record raises when the record, or a rule that reads it, is not as expected."""

_SUBJECT_FAMILIES = ("subject/", "treatment/")

MOST_HELD = 256
"""Most folds of streams that a fold over the log holds; they are most of its memory."""


class Prefix:
    """The records before ``size`` without the parked ones; ``size`` moves on with its owner."""

    def __init__(
        self,
        application: LedgerApplication,
        size: int,
        parked: Iterable[int] = (),
        *,
        cached: bool = True,
    ) -> None:
        """``cached`` keeps the streams read in the application, for whoever asks for them again."""
        self._application = application
        self._cached = cached
        self.size = size
        self.parked = set(parked)
        self.unbegun: set[str] = set()
        """Streams that are known to begin behind ``size``, so that they are not looked for."""

    def stream(self, name: str) -> Sequence[Record]:
        """The records of one stream, in order."""
        if name in self.unbegun:
            return []
        try:
            records = self._before(name)
        except Unavailable:
            raise
        except LedgerError:
            records = [row for row in self._readable(name) if row.seq < self.size]
        return [row for row in records if row.seq not in self.parked]

    def merged(self, *streams: str) -> list[Record]:
        """The records of several streams, in order of the log."""
        return list(heapq.merge(*(self.stream(name) for name in streams), key=_position))

    def of_types(self, types: Sequence[str]) -> Sequence[Record]:
        """The records of some types over all streams, in order of the log."""
        return [
            self._application.record(seq)
            for seq in self._application.store.positions_of_types(types)
            if seq < self.size and seq not in self.parked
        ]

    def subjects_of(self, types: Sequence[str]) -> set[str]:
        """The subjects with an entry of some of these types."""
        found: set[str] = set()
        for seq in self._application.store.positions_of_types(types):
            if seq >= self.size or seq in self.parked:
                continue
            entry = self._application.store.entry(seq)
            family, _, name = _stream(entry).partition("/")
            if f"{family}/" in _SUBJECT_FAMILIES:
                found.add(name)
        return found

    def since(self, start: int) -> Iterator[Record]:
        """The records from a position on that can be read."""
        for seq in range(start, self.size):
            if seq not in self.parked:
                try:
                    yield self._application.record(seq)
                except Unavailable:
                    raise
                except LedgerError:
                    continue

    def subjects(self) -> list[str]:
        """The subjects any entry of the prefix belongs to, in order of their ids."""
        return sorted(
            {
                stream.removeprefix(family)
                for family in _SUBJECT_FAMILIES
                for stream in self._application.store.streams(family)
                if self._begins_before(stream)
            }
        )

    def lots(self) -> list[str]:
        """The lots any entry of the prefix belongs to, in order of their ids."""
        return [
            stream.removeprefix("lot/")
            for stream in self._application.store.streams("lot/")
            if self._begins_before(stream)
        ]

    def sites(self) -> list[str]:
        """The sites any entry of the prefix belongs to, in order of their ids."""
        return [
            stream.removeprefix("site/")
            for stream in self._application.store.streams("site/")
            if self._begins_before(stream)
        ]

    def recorded_at(self) -> datetime | None:
        """When the last entry of the prefix was recorded; None for an empty one."""
        found = self._application.store.entries(self.size - 1, self.size) if self.size else []
        return _recorded_at(found[0][1]) if found else None

    def _begins_before(self, stream: str) -> bool:
        if self.parked:
            return bool(self.stream(stream))
        first = self._application.store.select_events(stream, limit=1)
        try:
            return bool(first) and _seq(first[0].state) < self.size
        except LedgerError:  # damaged; the records behind it tell
            return bool(self.stream(stream))

    def _before(self, name: str) -> list[Record]:
        """A stream's records before ``size``; of what comes behind at most one is read."""
        if self._cached:
            return [row for row in self._application.stream(name) if row.seq < self.size]
        self._application.current()
        # The mapper gives our records, whatever the library calls them.
        records = cast("Iterator[Record]", self._application.events.get(name))
        return list(takewhile(lambda row: row.seq < self.size, records))

    def _readable(self, name: str) -> Iterator[Record]:
        """Each record of a stream that can be read; the projector parks and shows the others."""
        for stored in self._application.store.select_events(name):
            try:
                yield self._application.record(_seq(stored.state))
            except Unavailable:
                raise
            except LedgerError:
                continue


class PagedState(TrialState):
    """The state of a fold that goes through the log: it holds few streams, and reads others anew.

    Its source moves on with it, so whatever was applied is in the source at once.
    """

    def apply(self, record: Record) -> None:
        """Take a new record into every fold that holds its stream."""
        super().apply(record)
        self._uncommitted.clear()
        while len(self._streams) > MOST_HELD:
            del self._streams[next(iter(self._streams))]


class TrueHistory(History):
    """What is now known to have happened by an instant: later occurrences left out.

    Facts keep the corrections they have since received (DESIGN, Correction).
    """

    def __init__(self, known: History, at: datetime) -> None:
        super().__init__()
        for fact in known.facts.values():
            if fact.occurred_at <= at:
                self._enter(fact)
        self.pending = {key: row for key, row in known.pending.items() if row.occurred_at <= at}
        self.refused = [pair for pair in known.refused if pair[0].occurred_at <= at]


def true_case(case: Case, at: datetime) -> Case:
    """The case as it truly was at an instant; the register, which is by position, stays."""
    lots: Mapping[str, History] = {
        lot: TrueHistory(records, at) for lot, records in case.lots.items()
    }
    return replace(
        case,
        records=TrueHistory(case.records, at),
        trial=TrueHistory(case.trial, at),
        site=TrueHistory(case.site, at),
        lots=lots,
    )


def state_at(definition: TrialDefinition, prefix: Prefix) -> TrialState:
    """The trial's state over a prefix, loaded as it is asked for."""
    return TrialState(definition, prefix)


def _position(record: Record) -> int:
    return record.seq


def _stream(entry: bytes | None) -> str:
    try:
        return "" if entry is None else parse_entry(entry).stream
    except LedgerError:  # damaged; the projector parks it
        return ""


def _seq(entry: bytes) -> int:
    return parse_entry(entry).seq


def _recorded_at(entry: bytes) -> datetime:
    return parse_recorded_at(parse_entry(entry).recorded_at)

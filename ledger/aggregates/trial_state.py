"""The trial's state as guards see it: folds of exactly the streams a decision looks at."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Protocol

from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED, SEALED, Allocation
from ledger.history import ACCEPTED, CORRECTED, REFUSED, VOIDED, History
from ledger.rules.case import ACTIVATED, Case
from ledger.signing.register import Register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ledger.record import Record
    from ledger.trials.definition import TrialDefinition

PRODUCT_USES = ("bag.released.v1", "infusion.administered.v1")
MOST_FOLDS = 2_048
"""Most folds of single streams that are kept between commits; the rest is read anew when asked."""

IDENTIFIED = "subject.identified.v1"
_CHANGES = frozenset((CORRECTED, VOIDED, ACCEPTED, REFUSED))


class RecordSource(Protocol):
    """Where a state reads records it does not hold yet."""

    def stream(self, name: str) -> Sequence[Record]:
        """The records of one stream, in order."""

    def of_types(self, types: Sequence[str]) -> Sequence[Record]:
        """The records of some types over all streams, in order of the log."""


class TrialState:
    """Lazily loaded folds, kept current by ``apply``; drop the object to forget what failed.

    The source holds what is committed. What was applied since is kept, so that a fold first asked
    for in the midst of a group sees the group's earlier records too; ``committed`` lets it go.
    """

    def __init__(self, definition: TrialDefinition, source: RecordSource) -> None:
        self.definition = definition
        self._source = source
        self._uncommitted: list[Record] = []
        self._register: Register | None = None
        self._allocation: Allocation | None = None
        self._product_uses: History | None = None
        self._streams: dict[str, History] = {}

    @property
    def register(self) -> Register:
        """Keys, roles, delegations and training."""
        if self._register is None:
            self._register = Register(self._merged("trial", "access"))
            self._catch_up(self._register, lambda record: record.stream in ("trial", "access"))
        return self._register

    @property
    def trial(self) -> History:
        """The trial stream."""
        return self.fold("trial")

    @property
    def allocation(self) -> Allocation:
        """The list's commitment and all slots used."""
        if self._allocation is None:
            assigned = self._source.of_types((RANDOMIZED, ENVELOPE))
            opened = sorted({record.stream for record in assigned if record.type == ENVELOPE})
            changes = [
                [record for record in self._source.stream(name) if record.type in _CHANGES]
                for name in opened
            ]
            self._allocation = Allocation(
                heapq.merge(
                    self._source.stream("allocation/main"), assigned, *changes, key=_position
                )
            )
            self._catch_up(self._allocation, self._allocates)
        return self._allocation

    @property
    def product_uses(self) -> History:
        """Bags released and infused, over all subjects."""
        if self._product_uses is None:
            self._product_uses = History(self._source.of_types(PRODUCT_USES))
            self._catch_up(self._product_uses, lambda record: record.type in PRODUCT_USES)
        return self._product_uses

    def site(self, site: str) -> History:
        """A site's stream."""
        return self.fold(f"site/{site}")

    def lot(self, lot: str) -> History:
        """A lot's stream."""
        return self.fold(f"lot/{lot}")

    def subject(self, subject: str) -> History:
        """A subject's two streams, folded together."""
        key = f"subject/{subject}"
        fold = self._held(key)
        if fold is None:
            streams = (key, f"treatment/{subject}")
            fold = self._streams[key] = History(self._merged(*streams))
            self._catch_up(fold, lambda record: record.stream in streams)
        return fold

    def knows_subject(self, subject: str) -> bool:
        """Whether the subject was ever identified; what befalls a person is never lost.

        A voided identification still names somebody, whose death or withdrawal may yet come.
        """
        return _ever(self.subject(subject), IDENTIFIED)

    def knows_site(self, site: str) -> bool:
        """Whether the site was ever activated."""
        return _ever(self.site(site), ACTIVATED)

    def case(self, subject: str) -> Case:
        """The subject's case with the context the rules need."""
        records = self.subject(subject)
        return Case(
            subject=subject,
            definition=self.definition,
            records=records,
            trial=self.trial,
            site=self.site(subject.rsplit("-", 1)[0]),
            register=self.register,
            lots={lot: self.lot(lot) for lot in lots_named(records)},
        )

    def fold(self, stream: str) -> History:
        """The fold of one stream other than a subject's."""
        fold = self._held(stream)
        if fold is None:
            fold = self._streams[stream] = History(self._source.stream(stream))
            self._catch_up(fold, lambda record: record.stream == stream)
        return fold

    def apply(self, record: Record) -> None:
        """Take a new record into every fold that holds its stream."""
        self._uncommitted.append(record)
        stream = record.stream
        family, _, name = stream.partition("/")
        if self._register is not None and family in ("trial", "access"):
            self._register.apply(record)
        if self._allocation is not None and self._allocates(record):
            self._allocation.apply(record)
        if self._product_uses is not None and record.type in PRODUCT_USES:
            self._product_uses.apply(record)
        key = f"subject/{name}" if family in ("subject", "treatment") else stream
        fold = self._streams.get(key)
        if fold is not None:
            fold.apply(record)

    def committed(self) -> None:
        """All that was applied is in the source by now; folds not asked for of late are dropped."""
        self._uncommitted.clear()
        while len(self._streams) > MOST_FOLDS:
            del self._streams[next(iter(self._streams))]

    def roll_back(self) -> None:
        """Forget what was applied and not committed, with every fold that took it in."""
        dropped, self._uncommitted = self._uncommitted, []
        for record in dropped:
            family, _, name = record.stream.partition("/")
            if self._allocation is not None and self._allocates(record):
                self._allocation = None
            if record.type in PRODUCT_USES:
                self._product_uses = None
            key = f"subject/{name}" if family in ("subject", "treatment") else record.stream
            self._streams.pop(key, None)
        if any(record.stream in ("trial", "access") for record in dropped):
            # Made before it is put in place: web threads look keys up in it all the time.
            self._register = Register(self._merged("trial", "access"))

    def _held(self, stream: str) -> History | None:
        fold = self._streams.pop(stream, None)
        if fold is not None:  # the one asked for last stands last
            self._streams[stream] = fold
        return fold

    def _allocates(self, record: Record) -> bool:
        if record.stream == "allocation/main" or record.type in (RANDOMIZED, ENVELOPE, SEALED):
            return True
        name = record.stream.partition("/")[2]
        return record.type in _CHANGES and name in self.allocation.from_envelopes

    def _catch_up(self, fold: History, concerns: Callable[[Record], bool]) -> None:
        for record in self._uncommitted:
            if concerns(record):
                fold.apply(record)

    def _merged(self, *streams: str) -> Iterable[Record]:
        return heapq.merge(*(self._source.stream(name) for name in streams), key=_position)


def lots_named(records: History) -> set[str]:
    """The lots a subject's records name."""
    return {lot for fact in records.in_effect() if isinstance(lot := fact.data.get("lot"), str)}


def _ever(history: History, type_name: str) -> bool:
    return any(fact.type == type_name for fact in history.facts.values())


def _position(record: Record) -> int:
    return record.seq

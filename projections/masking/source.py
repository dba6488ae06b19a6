"""The masked source of folds: arm-neutral streams whole, of the others just what became of them.

``trial``, ``access``, ``site/…`` and ``subject/…`` are shown. Of ``treatment/X`` there is only the
outcome of commands on ``subject/X``, and that and when the subject was randomized; of
``allocation/…`` and ``lot/…`` nothing. Record times are days: each is the last instant of its day.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger.aggregates.allocation import ENVELOPE, RANDOMIZED
from ledger.history import ACCEPTED, REFUSED, History, kind_of
from ledger.log.entry import Entry, parse_entry
from ledger.rules.findings import start_of_day, start_of_day_after
from ledger.rules.members import instant_or_time, shapes, text
from ledger.signing.event_id import event_id
from ledger.signing.register import LEDGER
from ledger.signing.rfc3339 import parse_recorded_at
from ledger.vocabulary import Kind
from projections.allocation import ACCIDENTAL, BROKEN
from projections.times import utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from ledger.history import Fact
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.trials.definition import TrialDefinition
    from projections.prefix import Prefix

VISIBLE = frozenset({"trial", "access", "site", "subject"})
"""Families of streams whose records a masked reader sees; what is not named here is withheld."""

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Unblinding:
    """That a blind was broken: which way, on which day, and the record that says who did it."""

    kind: str
    day: date
    record: Record


def is_visible(stream: str) -> bool:
    """Whether the records of a stream are shown to a masked reader."""
    return stream.partition("/")[0] in VISIBLE


def record_zone(definition: TrialDefinition) -> ZoneInfo:
    """The zone in which days of record are counted: that of the protocol's first site."""
    return ZoneInfo(definition.protocol.sites[0].time_zone)


def last_instant(day: date, zone: ZoneInfo) -> datetime:
    """What a day of record reads as: its last instant in the zone, in UTC."""
    return start_of_day_after(day, zone) - _TICK


class MaskedSource:
    """The records a masked reader's folds read, up to a head and a day of record.

    ``known_on`` leaves out what was recorded on later days.
    """

    def __init__(self, prefix: Prefix, zone: ZoneInfo, known_on: date | None = None) -> None:
        self._prefix = prefix
        self._zone = zone
        self._known_on = known_on
        self._lengths: dict[str, int] = {}

    def stream(self, name: str) -> Sequence[Record]:
        """The masked records of one stream; none of a stream that is withheld.

        With those of ``subject/X`` stand the outcomes of its commands and the randomization.
        """
        if not is_visible(name):
            return []
        family, _, subject = name.partition("/")
        if family == "subject":
            return [*heapq.merge(self.shown(name), self._outcomes(subject), key=_order)]
        return [self._masked(record) for record in self._known(name)]

    def of_types(self, types: Sequence[str]) -> Sequence[Record]:  # noqa: ARG002 - see below
        """None: what is asked for over all streams is allocation and product alone."""
        return []

    def shown(self, name: str) -> list[Record]:
        """The records of a visible stream that are the stream's own links, masked."""
        return [
            self._masked(record)
            for record in self._known(name)
            if record.type not in (ACCEPTED, REFUSED)
        ]

    def length(self, name: str) -> int:
        """How many records a stream has up to the head, so that one can see whether it grew."""
        if name not in self._lengths:
            self._lengths[name] = len(self._prefix.stream(name))
        return self._lengths[name]

    def subjects(self) -> list[str]:
        """The subjects recorded so far, in order of their ids."""
        known = self._prefix.subjects()
        return [name for name in known if self._known(f"subject/{name}")]

    def sites(self) -> list[str]:
        """The sites recorded so far, in order of their ids."""
        return [name for name in self._prefix.sites() if self._known(f"site/{name}")]

    def unblindings(self, subject: str) -> list[Unblinding]:
        """Every breaking of the subject's blind, in order of occurrence."""
        return [
            Unblinding(_kind_of(fact), self._day(fact.occurred_at), self._masked(fact.record))
            for fact in self._whole(subject).of(BROKEN, ACCIDENTAL)
        ]

    def _known(self, name: str) -> list[Record]:
        found = self._prefix.stream(name)
        if self._known_on is None:
            return [*found]
        return [record for record in found if self._day(record.recorded_at) <= self._known_on]

    def _day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()

    def _whole(self, subject: str) -> History:
        """The unmasked fold, of which nothing is taken but outcomes and that things happened."""
        streams = (self._known(f"{family}/{subject}") for family in ("subject", "treatment"))
        return History(heapq.merge(*streams, key=_order))

    def _masked(self, record: Record) -> Record:
        """The same record without its place in the log, recorded at the end of its day."""
        recorded = last_instant(self._day(record.recorded_at), self._zone)
        entry = replace(record.entry, recorded_at="", prev="")
        event = record.event
        if event.source == LEDGER:
            # The ledger's own statements happen when they are recorded.
            event = replace(event, time=utc_text(recorded))
        data, request = record.data, record.data.get("request")
        if kind_of(record.type) is Kind.RESULT and isinstance(request, dict):
            # Its id is derived from a position, which the request it names holds as well.
            told = _outcome_data(data)
            data = told if record.type in (ACCEPTED, REFUSED) else {**data, **told}
            own = _own_id(recorded, record.stream, record.type, request)
            event = replace(event, id=own, data=data)
        return replace(record, entry=entry, event=event, data=data, sha256="", recorded_at=recorded)

    def _outcomes(self, subject: str) -> Iterator[Record]:
        """What became of the subject's commands, and its randomizations, in order of the log."""
        whole = self._whole(subject)
        found = [
            self._outcome(subject, fact.result, fact)
            for fact in whole.facts.values()
            if fact.result is not None and _neutral(fact)
        ]
        found += [
            self._stated(subject, result, result.type, _outcome_data(result.data), None)
            for command, result in whole.refused
            if command.stream == f"subject/{subject}"
        ]
        found += [self._envelope(subject, fact) for fact in whole.of(ENVELOPE)]
        yield from sorted(found, key=_order)

    def _outcome(self, subject: str, result: Record, command: Fact) -> Record:
        data: JsonObject = {"request": {"id": command.id}}
        return self._stated(
            subject, result, result.type, data, self._asked_at(command.record, result)
        )

    def _asked_at(self, request: Record, result: Record) -> datetime:
        """When a request reads as granted: its own time, on the day on which it was decided."""
        return max(request.occurred_at, start_of_day(self._day(result.recorded_at), self._zone))

    def _envelope(self, subject: str, fact: Fact) -> Record:
        return self._stated(
            subject, fact.record, RANDOMIZED, {}, instant_or_time(fact, "opened_at")
        )

    def _stated(
        self, subject: str, record: Record, type_name: str, data: JsonObject, at: datetime | None
    ) -> Record:
        """A record of what happened in a withheld stream, under an id of the masked view's own."""
        stream = f"subject/{subject}"
        recorded = last_instant(self._day(record.recorded_at), self._zone)
        request = data.get("request")
        about: JsonObject = request if isinstance(request, dict) else {"id": record.event.id}
        event = replace(
            record.event,
            id=_own_id(recorded, stream, type_name, about),
            source=LEDGER,
            type=type_name,
            subject=stream,
            time=utc_text(at or recorded),
            data=data,
        )
        return replace(
            record,
            entry=Entry(record.seq, "", "", stream, 0, "", ""),
            event=event,
            data=data,
            opened={},
            withheld=0,
            sha256="",
            recorded_at=recorded,
        )


def recorded_on(entry: bytes, zone: ZoneInfo) -> date:
    """The day on which an entry was recorded."""
    return parse_recorded_at(parse_entry(entry).recorded_at).astimezone(zone).date()


def _neutral(fact: Fact) -> bool:
    return fact.record.stream.startswith("subject/") and fact.result is not None


def _own_id(recorded: datetime, stream: str, type_name: str, about: JsonObject) -> str:
    return event_id(recorded, f"masked/{stream}/{type_name}/{about.get('id')}".encode())


def _outcome_data(data: JsonObject) -> JsonObject:
    """What a result may tell: which request it answers, and the ids of rules against it."""
    request = data.get("request")
    named = request.get("id") if isinstance(request, dict) else None
    rules: list[JsonValue] = [{"id": text(rule, "id")} for rule in shapes(data, "rules")]
    return {"request": {"id": named}, **({"rules": rules} if "rules" in data else {})}


def _kind_of(fact: Fact) -> str:
    if fact.type == ACCIDENTAL:
        return "accidental"
    return text(fact.data, "type") or "not stated"


def _order(record: Record) -> int:
    return record.seq

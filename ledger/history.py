"""Records in order of the log, read as they now stand: commands decided, corrected, voided.

Everything that asks what a record *means* (guards, rules, projections, the verifier) folds
through this one place, so that a correction or a refusal has the same effect everywhere.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.errors import RejectedInput
from ledger.signing.rfc3339 import is_plausible, parse_rfc3339
from ledger.signing.strict_json import JsonObject, JsonValue, canonical
from ledger.vocabulary import Kind, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from ledger.record import Record

ACCEPTED = "command.accepted.v1"
REFUSED = "command.refused.v1"
CORRECTED = "data.corrected.v1"
VOIDED = "data.voided.v1"
SIGNED = "record.signed.v1"
CHANGE_LISTS = ("changes", "identity_changes", "text_changes")


@dataclass(slots=True)
class Fact:
    """A record in effect, with what later records made of it.

    ``data`` and ``time`` are as corrected; ``result`` is the ledger's decision when the record
    is a command; ``signed_by`` are later ``record.signed`` records.
    """

    record: Record
    data: JsonObject
    time: str
    occurred_at: datetime
    result: Record | None = None
    corrections: list[Record] = field(default_factory=list)
    signed_by: list[Record] = field(default_factory=list)
    voided_by: Record | None = None

    @property
    def id(self) -> str:
        """The event's id."""
        return self.record.id

    @property
    def type(self) -> str:
        """The event's type."""
        return self.record.type

    @property
    def seq(self) -> int:
        """The position in the log."""
        return self.record.seq

    @property
    def order(self) -> tuple[datetime, int]:
        """Sort key: order of occurrence, then of the log."""
        return self.occurred_at, self.seq


class History:
    """A fold over records; ``apply`` them in order of the log."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.facts: dict[str, Fact] = {}
        self.pending: dict[str, Record] = {}
        self.refused: list[tuple[Record, Record]] = []
        self._by_type: dict[str, list[Fact]] = {}
        for record in records:
            self.apply(record)

    def apply(self, record: Record) -> None:
        """Take one more record in."""
        kind = kind_of(record.type)
        if kind is Kind.COMMAND:
            self.pending[record.id] = record
        elif kind is Kind.RESULT:
            self._decide(record)
        else:
            self._take_effect(record, None)

    def of(self, *types: str) -> list[Fact]:
        """The facts of these types that are not voided, in order of occurrence."""
        found = [
            fact for name in types for fact in self._by_type.get(name, ()) if not fact.voided_by
        ]
        found.sort(key=lambda fact: fact.order)
        return found

    def last(self, *types: str) -> Fact | None:
        """The latest occurrence among these types, if any."""
        found = self.of(*types)
        return found[-1] if found else None

    def in_effect(self) -> Iterator[Fact]:
        """All facts that are not voided, in order of the log."""
        return (fact for fact in self.facts.values() if not fact.voided_by)

    def timeline(self) -> list[Fact]:
        """All facts that are not voided, in order of occurrence."""
        return sorted(self.in_effect(), key=lambda fact: fact.order)

    def took_effect(self, fact: Fact) -> None:
        """Called for each fact as it enters; subclasses index here."""

    def changed(self, fact: Fact) -> None:
        """Called when a fact was corrected or voided; subclasses re-index here."""

    def _decide(self, result: Record) -> None:
        request = result.data.get("request")
        request_id = request.get("id") if isinstance(request, dict) else None
        command = self.pending.pop(request_id, None) if isinstance(request_id, str) else None
        if result.type == REFUSED:
            if command is not None:
                self.refused.append((command, result))
            return
        if command is not None:
            self._take_effect(command, result)
        if result.type != ACCEPTED:
            self._enter(_fact(result))

    def _take_effect(self, record: Record, result: Record | None) -> None:
        fact = _fact(record)
        fact.result = result
        self._enter(fact)
        if record.type in (CORRECTED, VOIDED, SIGNED):
            self._alter(record)

    def _enter(self, fact: Fact) -> None:
        self.facts[fact.id] = fact
        self._by_type.setdefault(fact.type, []).append(fact)
        self.took_effect(fact)

    def _alter(self, record: Record) -> None:
        target = self.facts.get(str(record.data.get("target")))
        if target is None:
            return
        if record.type == SIGNED:
            target.signed_by.append(record)
        elif record.type == VOIDED:
            target.voided_by = target.voided_by or record
            self.changed(target)
        else:
            target.data, time = corrected(target, changes_of(record.data))
            occurred_at = _instant(time)
            if occurred_at is not None:
                target.time, target.occurred_at = time, occurred_at
            target.corrections.append(record)
            self.changed(target)


def kind_of(type_name: str) -> Kind:
    """The kind of a type; a type this version does not know is read as a fact."""
    rule = vocabulary().get(type_name)
    return rule.kind if rule else Kind.FACT


def result_stream(request_stream: str) -> str:
    """The stream the result of a command stands in, by the stream of the command.

    A result names a log position, and a refusal can tell the arm; neither may stand in an
    arm-neutral stream (docs/decisions/0002-results-stand-beside-arm-neutral-streams.md). Results
    of commands on ``subject/X`` therefore stand in ``treatment/X``.
    """
    family, _, name = request_stream.partition("/")
    return f"treatment/{name}" if family == "subject" else request_stream


def changes_of(data: JsonObject) -> list[JsonValue]:
    """All changes a correction makes, those of sealed members among them where opened."""
    lists = (data.get(name) for name in CHANGE_LISTS)
    return [change for changes in lists if isinstance(changes, list) for change in changes]


def corrected(fact: Fact, changes: Iterable[JsonValue]) -> tuple[JsonObject, str]:
    """The payload and time of a fact after ``changes`` (``{pointer, old, new}`` each).

    A pointer that is neither ``/time`` nor below ``/data/`` changes nothing.
    """
    document: JsonObject = {"data": copy.deepcopy(fact.data), "time": fact.time}
    for change in changes:
        if not isinstance(change, dict):
            continue
        pointer = change.get("pointer")
        if isinstance(pointer, str) and (pointer == "/time" or pointer.startswith("/data/")):
            # A copy: a later change of this place must not reach into the correction's own record.
            put(document, pointer, copy.deepcopy(change.get("new")))
    data, time = document["data"], document.get("time")
    return (data if isinstance(data, dict) else {}), str(time)


def current(fact: Fact, pointer: str) -> JsonValue:
    """The value at a JSON pointer (RFC 6901) into the event: ``/time`` or ``/data/…``.

    What is absent reads as null.
    """
    return value_at({"data": fact.data, "time": fact.time}, pointer)


def value_at(document: JsonObject, pointer: str) -> JsonValue:
    """The value at a JSON pointer into a document; what is absent reads as null."""
    place: JsonValue = document
    for token in tokens(pointer):
        place = _below(place, token)
    return place


def put(document: JsonObject, pointer: str, value: JsonValue) -> None:
    """Set (or with null, remove) the value at a JSON pointer; a place that is not there is left."""
    path = tokens(pointer)
    place: JsonValue = document
    for token in path[:-1]:
        place = _below(place, token)
    if not path:
        return
    if isinstance(place, dict):
        if value is None:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = value
    elif isinstance(place, list):
        index = _index(path[-1], len(place))
        if index is not None:
            place[index] = value


def tokens(pointer: str) -> list[str]:
    """The reference tokens of a JSON pointer (RFC 6901 section 4)."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _below(place: JsonValue, token: str) -> JsonValue:
    if isinstance(place, dict):
        return place.get(token)
    index = _index(token, len(place)) if isinstance(place, list) else None
    return place[index] if isinstance(place, list) and index is not None else None


def _index(token: str, count: int) -> int | None:
    # Compared by their length first: a number of thousands of digits is not even read.
    digits = token.lstrip("0") or "0"
    if not (token.isascii() and token.isdigit()) or len(digits) > len(str(count)):
        return None
    return int(digits) if int(digits) < count else None


def _instant(time: str) -> datetime | None:
    try:
        instant = parse_rfc3339(time)
    except RejectedInput:
        return None
    return instant if is_plausible(instant) else None


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two JSON values are the same value, ``true`` never being 1."""
    return canonical(one) == canonical(other)


def _fact(record: Record) -> Fact:
    return Fact(
        record=record,
        data=record.data,
        time=record.event.time,
        occurred_at=record.event.occurred_at,
    )

"""What a masked reader can know at one head: folds over the masked source, each made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from ledger.aggregates.allocation import Allocation
from ledger.aggregates.trial_state import TrialState
from ledger.history import kind_of
from ledger.log.entry import parse_entry
from ledger.rules.deviation import TrialOverview
from ledger.rules.members import shapes, whole
from ledger.vocabulary import Kind
from projections.audit_trail import audit_entry
from projections.deviations import trial_deviations_view
from projections.enrolment import enrolment_view
from projections.masking.rules import MASKED_TRIAL_RULES
from projections.masking.sections import (
    masked_oversight,
    masked_sections,
    masked_state,
    untelling,
)
from projections.masking.source import MaskedSource, is_visible, last_instant, recorded_on
from projections.prefix import Prefix, TrueHistory, true_case
from projections.sections import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from ledger.application import LedgerApplication
    from ledger.history import Fact, History
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.trials.definition import TrialDefinition

Versions: TypeAlias = tuple[int, ...]
Made = TypeVar("Made")
_MOST_KEPT = 4_096
_DOSES = frozenset(
    {
        "arm", "label", "planned_infusions", "received", "received_in_part", "received_more",
        "not_received", "not_given_reasons",
    }
)  # fmt: skip
"""Counts of an arm that tell of infusions."""


class Memory:
    """What was made of streams, kept as long as none of them has grown."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Versions, object]] = {}

    def get(self, key: tuple[str, str], versions: Versions, make: Callable[[], Made]) -> Made:
        """What was made of these versions, else what ``make`` gives, which is then kept."""
        found = self._kept.get(key)
        if found is not None and found[0] == versions:
            # One key is always made the same way.
            return cast("Made", found[1])
        made = make()
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = versions, made
        return made


@dataclass(frozen=True)
class Snapshot:
    """The masked folds up to ``size`` entries, of records up to the day ``known_on``.

    ``memory`` keeps over heads what depends on few streams; a snapshot of an earlier day has
    one of its own.
    """

    application: LedgerApplication
    definition: TrialDefinition
    zone: ZoneInfo
    size: int
    known_on: date | None
    parked: frozenset[int] = frozenset()
    memory: Memory = field(default_factory=Memory)

    @cached_property
    def source(self) -> MaskedSource:
        """The masked records."""
        prefix = Prefix(self.application, self.size, self.parked)
        return MaskedSource(prefix, self.zone, self.known_on)

    @cached_property
    def state(self) -> TrialState:
        """The folds."""
        return TrialState(self.definition, self.source)

    @cached_property
    def names(self) -> list[str]:
        """The subjects, in order of their ids."""
        return self.source.subjects()

    @cached_property
    def day(self) -> date | None:
        """The day of the last record a masked reader sees; None before the first."""
        stop = self.size
        if self.known_on is not None:
            stop = min(stop, self.application.position_at(last_instant(self.known_on, self.zone)))
        for seq in range(stop - 1, -1, -1):
            entry = self.application.store.entry(seq)
            if entry is not None and is_visible(parse_entry(entry).stream):
                return recorded_on(entry, self.zone)
        return None

    @cached_property
    def as_of(self) -> datetime:
        """The instant things are read at: the end of the day of the last record seen."""
        if self.day is None:
            return datetime.fromtimestamp(0, tz=UTC)
        return last_instant(self.day, self.zone)

    def case(self, subject: str, true_at: datetime | None = None) -> Case | None:
        """The subject's masked case; None when nothing of it is recorded."""
        if subject not in self.names:
            return None
        case = self.state.case(subject)
        if true_at is None:
            return case
        case = true_case(case, true_at)
        known = case.records.facts or case.records.pending or case.records.refused
        return case if known else None

    def sections(self, subject: str) -> dict[str, JsonObject]:
        """The subject's masked views."""
        streams = (f"subject/{subject}", f"treatment/{subject}", _site_stream(subject))
        return self.memory.get(
            ("sections", subject),
            self._versions("trial", "access", *streams),
            lambda: masked_sections(self.state.case(subject), self.source.unblindings(subject)),
        )

    def trial_rows(self, true_at: datetime | None = None) -> list[JsonObject]:
        """The findings that only the whole trial shows."""
        subjects: dict[str, History] = {name: self.state.subject(name) for name in self.names}
        if true_at is not None:
            subjects = {name: TrueHistory(rows, true_at) for name, rows in subjects.items()}
        overview = TrialOverview(
            definition=self.definition,
            trial=self.state.trial,
            register=self.state.register,
            allocation=Allocation(),
            subjects=subjects,
            lots={},
        )
        found = guarded(lambda: trial_deviations_view(overview, MASKED_TRIAL_RULES))
        return untelling(shapes(found, "deviations"))

    def enrolment(self, as_of: datetime | None = None) -> JsonObject:
        """The counts of the flow, with what became of all who are randomized in one."""
        rows = [self.sections(name)["disposition"] for name in self.names]
        counts = enrolment_view(rows, self.definition.protocol, as_of or self.as_of)
        arms = [row for row in shapes(counts, "arms") if row.get("allocated")]
        states: dict[str, int] = {}
        for name, count in _counted(counts.get("states")):
            states[masked_state(name)] = states.get(masked_state(name), 0) + count
        outcomes: JsonObject = {
            name: sum(whole(row, name) or 0 for row in arms)
            for name in (shapes(counts, "arms") or ({},))[0]
            if name not in _DOSES
        }
        return {
            **{name: value for name, value in counts.items() if name != "arms"},
            "states": dict(sorted(states.items())),
            "outcomes": outcomes,
        }

    def oversight(self) -> list[JsonObject]:
        """What a reviewer looks at in the streams of the trial, of access and of the sites."""
        return [
            guarded(
                lambda stream=stream: masked_oversight(  # type: ignore[misc]
                    self.state.fold(stream),
                    self.state.register,
                    zone=self.zone,
                    late_limit_hours=self.definition.protocol.late_entry_limit_hours,
                )
            )
            for stream in self._other_streams()
        ]

    def trail(self) -> list[JsonObject]:
        """The audit entries of all visible records in order of the log, ``seq`` still in them."""
        streams = [*self._other_streams(), *(f"subject/{name}" for name in self.names)]
        found = [row for stream in streams for row in self._entries(stream)]
        return sorted(found, key=_position)

    def _entries(self, stream: str) -> Sequence[JsonObject]:
        family, _, name = stream.partition("/")
        others = (f"treatment/{name}",) if family == "subject" else ()
        return self.memory.get(
            ("trail", stream),
            self._versions("trial", "access", stream, *others),
            lambda: [*self._made_entries(stream)],
        )

    def _made_entries(self, stream: str) -> Iterable[JsonObject]:
        family, _, name = stream.partition("/")
        fold = self.state.subject(name) if family == "subject" else self.state.fold(stream)
        register = self.state.register
        facts = register.facts if family in ("trial", "access") else fold.facts
        refused = {command.id: result for command, result in fold.refused}
        for record in self.source.shown(stream):
            entry = guarded(lambda record=record: audit_entry(record, register, facts))  # type: ignore[misc]
            result = refused.get(record.id)
            rules = shapes(result.data, "rules") if result is not None else ()
            if "problem" not in entry:
                yield {
                    **entry,
                    "outcome": _outcome(record.type, record.id, facts, refused=result is not None),
                    "rules": [rule.get("id") for rule in rules],
                }

    def _other_streams(self) -> list[str]:
        return ["trial", "access", *(f"site/{name}" for name in self.source.sites())]

    def _versions(self, *streams: str) -> Versions:
        return tuple(self.source.length(stream) for stream in streams)


def _outcome(type_name: str, event: str, facts: dict[str, Fact], *, refused: bool) -> JsonValue:
    if kind_of(type_name) is not Kind.COMMAND:
        return None
    if refused:
        return "refused"
    return "accepted" if event in facts else "pending"


def _counted(value: JsonValue) -> list[tuple[str, int]]:
    found = value if isinstance(value, dict) else {}
    return [(name, count) for name, count in found.items() if isinstance(count, int)]


def _site_stream(subject: str) -> str:
    return f"site/{subject.rsplit('-', 1)[0]}"


def _position(row: JsonObject) -> int:
    seq = row["seq"]
    return seq if isinstance(seq, int) else 0

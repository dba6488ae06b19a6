"""The reading interface as a masked reader has it: what no arm can change."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from ledger.errors import RejectedInput
from projections.audit_trail import COLUMNS, expand
from projections.deviation_rows import Wanted, page_of
from projections.masking.rendering import masked_object
from projections.masking.replay import effective, masked_timeline
from projections.masking.sections import masked_composed, masked_sections
from projections.masking.snapshot import Memory, Snapshot
from projections.masking.source import record_zone
from projections.register import documents_view, register_view
from projections.sections import guarded, problems_in
from projections.times import resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date, datetime

    from ledger.signing.strict_json import JsonObject, JsonValue
    from projections.reading import ReadableLedger

MASKED_COLUMNS = (*(name for name in COLUMNS if name != "seq"), "outcome", "rules")
"""The columns of an expanded row of the audit trail; a command's rows say what became of it."""

_MOST_KEPT = 8
"""Most days of record whose folds are kept at one head."""


Asked = ParamSpec("Asked")
Told = TypeVar("Told")


def nothing_parked() -> tuple[int, ...]:
    """No entry is parked."""
    return ()


def in_turn(
    ask: Callable[Concatenate[MaskedProjections, Asked], Told],
) -> Callable[Concatenate[MaskedProjections, Asked], Told]:
    """Let one thread at a time ask: folds are made when first asked for and then shared."""

    @functools.wraps(ask)
    def asked(self: MaskedProjections, /, *args: Asked.args, **kwargs: Asked.kwargs) -> Told:
        with self.turn:
            return ask(self, *args, **kwargs)

    return asked


class MaskedProjections:
    """The projections of one open ledger for masked readers; nothing is written or followed.

    Every answer rests on the masked source alone, so that two ledgers which differ only in arms
    give the same bytes. Answers hold no position, no head and no tree size; record times are
    days in the zone of the protocol's first site, and so are ``known_at`` and the ``as_of`` that
    answers carry: what is recorded by the end of that day. ``parked`` gives the positions of
    entries that cannot be folded. Every question may be asked from any thread; whoever works on a
    snapshot itself holds ``turn`` while he does.
    """

    def __init__(
        self, ledger: ReadableLedger, parked: Callable[[], Iterable[int]] = nothing_parked
    ) -> None:
        self._application = ledger.application
        self._definition = ledger.genesis.definition
        self._parked = parked
        self._memory = Memory()
        self._standing: tuple[int, frozenset[int], int] = (0, frozenset(), -1)
        self._made: dict[date | None, Snapshot] = {}
        self.zone = record_zone(self._definition)
        self.turn = threading.RLock()

    @in_turn
    def snapshot(self, known_at: date | None = None) -> Snapshot:
        """The masked folds at the head, or of what was recorded up to a day."""
        size, parked = self._application.store.head().size, frozenset(self._parked())
        revision = self._application.current()
        if (size, parked, revision) != self._standing:
            if (parked, revision) != self._standing[1:]:  # or something was erased or restricted
                self._memory = Memory()
            self._standing, self._made = (size, parked, revision), {}
        found = self._made.get(known_at)
        if found is None:
            memory = self._memory if known_at is None else Memory()
            found = Snapshot(
                self._application, self._definition, self.zone, size, known_at, parked, memory
            )
            if len(self._made) >= _MOST_KEPT:
                self._made = {}
            self._made[known_at] = found
        return found

    def day_of(self, instant: datetime) -> date:
        """The day of record an instant falls on, to be asked for as ``known_at``."""
        return instant.astimezone(self.zone).date()

    # --- subjects -----------------------------------------------------------------------------

    @in_turn
    def subjects(self, after: str = "", limit: int = 100) -> list[JsonObject]:
        """Subjects in order of their ids, with state and flags; page by ``after``."""
        found = self.snapshot()
        names = [name for name in found.names if name > after][:limit]
        return [
            self._answer(found, _at(found.sections(name)["subject"], found.as_of)) for name in names
        ]

    @in_turn
    def subject(
        self, subject_id: str, known_at: date | None = None, true_at: datetime | None = None
    ) -> JsonObject | None:
        """All a masked reader sees of one subject; None when nothing of it is recorded."""
        found = self.snapshot(known_at)
        composed = self._composed(found, subject_id, true_at)
        return None if composed is None else self._answer(found, composed, true_at)

    @in_turn
    def replay(
        self, subject_id: str, known_at: date | None = None, true_at: datetime | None = None
    ) -> JsonObject | None:
        """The subject's header and arm-neutral course in order of occurrence."""
        found = self.snapshot(known_at)
        subject = self._composed(found, subject_id, true_at)
        case = found.case(subject_id, true_at)
        if subject is None or case is None:
            return None
        records = [
            record
            for record in found.source.stream(f"subject/{subject_id}")
            if true_at is None or effective(case, record.id, record.occurred_at) <= true_at
        ]
        broken = [
            row
            for row in found.source.unblindings(subject_id)
            if true_at is None or row.day <= self.day_of(true_at)
        ]
        deviations = subject["deviations"]
        course = masked_timeline(
            case,
            records,
            deviations if isinstance(deviations, list) else (),
            broken,
            self.zone,
        )
        header: JsonObject = {
            name: subject.get(name)
            for name in ("subject", "site", "time_zone", "sex", "age_at_consent", "state",
                         "flags", "randomized_on")
        }  # fmt: skip
        answer: JsonObject = {"header": header, "subject": subject, "timeline": course}
        return self._answer(found, answer, true_at)

    # --- trial --------------------------------------------------------------------------------

    @in_turn
    def enrolment(self, known_at: date | None = None) -> JsonObject:
        """The CONSORT counts down to randomization, and outcomes of all arms in one."""
        found = self.snapshot(known_at)
        return self._answer(found, found.enrolment())

    def recruitment(self) -> list[JsonValue]:
        """Consented, randomized and cumulative numbers by month."""
        rows = self.enrolment().get("recruitment")
        return rows if isinstance(rows, list) else []

    @in_turn
    def deviations(
        self,
        subject: str | None = None,
        rule: str | None = None,
        as_of: datetime | None = None,
        after: str = "",
        limit: int | None = None,
        *,
        site: str | None = None,
    ) -> list[JsonObject]:
        """Arm-neutral deviations that hold by ``as_of``, by rule, since, id; page by the place."""
        held = self.snapshot()
        wanted = Wanted.by(as_of or held.as_of, rule=rule, subject=subject, site=site)
        page = page_of(_all_deviations(held), wanted, after=after, limit=limit)
        return [masked_object(row, self.zone) for row in page]

    @in_turn
    def register(self, known_at: date | None = None) -> JsonObject:
        """Keys, grants, delegations and training with their days."""
        found = self.snapshot(known_at)
        return self._answer(found, guarded(lambda: register_view(found.state.register)))

    @in_turn
    def documents(self, known_at: date | None = None) -> list[JsonObject]:
        """Documents with their approvals."""
        state = self.snapshot(known_at).state
        rows = guarded(lambda: documents_view(state.trial, state.register)).get("documents")
        return [
            masked_object(row, self.zone)
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict)
        ]

    @in_turn
    def audit_trail(
        self,
        subject: str | None = None,
        type: str | None = None,  # noqa: A002 - the column's own name
        actor: str | None = None,
        site: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: str = "",
        limit: int = 100,
    ) -> list[JsonObject]:
        """Field-level rows of the first ``limit`` entries that match, after the event ``after``.

        ``since`` and ``until`` bound the day of record, both included. Page by the last
        ``event``. Raises RejectedInput ``masked.unknown-place`` for an event not in the trail.
        """
        wanted = {"subject": subject, "type": type, "who": actor, "site": site}
        first, last = self._day(since) or "", self._day(until) or "9999-12-31"
        found: list[JsonObject] = []
        taken = 0
        for entry in self.audit_entries(after):
            matches = all(value in (None, entry.get(name)) for name, value in wanted.items())
            if not matches or not first <= str(entry["recorded"]) <= last:
                continue
            found += [_masked_row(row, entry) for row in expand(entry)]
            taken += 1
            if taken >= limit:
                break
        return found

    @in_turn
    def audit_entries(self, after: str = "") -> Iterator[JsonObject]:
        """Audit entries in order of the log from after an event on, each with its changes.

        Raises RejectedInput ``masked.unknown-place`` for an event not in the trail.
        """
        rows = self.snapshot().trail()
        start = 0
        if after:
            start = next((n + 1 for n, row in enumerate(rows) if row["event"] == after), 0)
            if not start:
                raise RejectedInput(
                    "masked.unknown-place", "The audit trail you may read has no such event."
                )
        return (masked_object(row, self.zone) for row in rows[start:])

    @in_turn
    def problems(self) -> list[JsonValue]:
        """The masked views and rules that failed, by subject."""
        found = self.snapshot()
        listed = [(name, problems_in(found.sections(name))) for name in found.names]
        return [{"key": name, "problems": rows} for name, rows in listed if rows]

    # --- inside -------------------------------------------------------------------------------

    def _composed(
        self, found: Snapshot, subject: str, true_at: datetime | None
    ) -> JsonObject | None:
        case = found.case(subject, true_at)
        if case is None:
            return None
        rows = [row for row in found.trial_rows(true_at) if row["subject"] == subject]
        if true_at is None:
            return masked_composed(found.sections(subject), rows, found.as_of)
        day = self.day_of(true_at)
        broken = [row for row in found.source.unblindings(subject) if row.day <= day]
        return masked_composed(masked_sections(case, broken), rows, min(true_at, found.as_of))

    def _answer(
        self, found: Snapshot, body: JsonObject, true_at: datetime | None = None
    ) -> JsonObject:
        """An answer without positions, with the day it is read as of."""
        day = found.day
        if day is not None and true_at is not None:
            day = min(day, self.day_of(true_at))
        return {
            **masked_object(body, self.zone),
            "as_of": None if day is None else day.isoformat(),
        }

    def _day(self, instant: datetime | None) -> str | None:
        return None if instant is None else self.day_of(instant).isoformat()


def _all_deviations(held: Snapshot) -> list[JsonObject]:
    found = [*held.trial_rows()]
    for name in held.names:
        rows = held.sections(name)["deviations"].get("deviations")
        found += [row for row in (rows if isinstance(rows, list) else []) if isinstance(row, dict)]
    return found


def _masked_row(row: JsonObject, entry: JsonObject) -> JsonObject:
    told = {**row, "outcome": entry.get("outcome"), "rules": entry.get("rules")}
    return {name: told.get(name) for name in MASKED_COLUMNS}


def _at(body: JsonObject, as_of: datetime) -> JsonObject:
    found = resolved(body, as_of)
    return found if isinstance(found, dict) else {}

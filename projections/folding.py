"""One fold over the log for all projections: entries in, rows to write out.

Views are made again for the subjects a page touches; for all of them when what they are read
against (trial, access) has changed. Which rows come out at a position depends on the log up to
it, never on how it was cut into pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from ledger.aggregates.trial_state import TrialState, lots_named
from ledger.errors import LedgerError
from ledger.rules.deviation import TrialOverview
from ledger.rules.deviations import TRIAL_RULES
from projections.audit_trail import audit_entry
from projections.deviations import trial_deviations_view
from projections.enrolment import enrolment_view
from projections.oversight import oversight_view
from projections.prefix import FOLD_ERRORS, Prefix
from projections.product import lot_view
from projections.register import documents_view, register_view
from projections.sections import guarded, problems_in, sections_of
from projections.store import Parked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ledger.history import Fact, History
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from ledger.trials.definition import TrialDefinition
    from projections.store import RowKey

TRIAL_KEY = "trial"
_SUBJECT_FAMILIES = frozenset({"subject", "treatment"})


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that could not be read, or is missing, and why."""

    seq: int
    error: LedgerError


class LogFold:
    """The state of all projections up to ``prefix.size``, in memory."""

    def __init__(
        self,
        definition: TrialDefinition,
        prefix: Prefix,
        dispositions: dict[str, JsonObject] | None = None,
    ) -> None:
        self._definition = definition
        self._prefix = prefix
        self._state = TrialState(definition, prefix)
        self._dispositions = dispositions or {}
        self._subjects = set(prefix.subjects())
        self._lots = set(prefix.lots())

    def take(
        self, page: Sequence[Record | Unreadable]
    ) -> tuple[dict[RowKey, JsonObject | None], list[Parked]]:
        """Fold a page; the rows that change, and the entries that could not be folded."""
        rows: dict[RowKey, JsonObject | None] = {}
        parked: list[Parked] = []
        touched: set[str] = set()
        last: datetime | None = None
        for item in page:
            if isinstance(item, Unreadable):
                parked.append(self._park(item.seq, item.error))
                continue
            try:
                facts = self._apply(item)
                rows["audit", f"{item.seq:012d}"] = audit_entry(item, self._state.register, facts)
            except FOLD_ERRORS as error:
                rows.pop(("audit", f"{item.seq:012d}"), None)
                parked.append(self._park(item.seq, error))
                continue
            self._note(item.stream)
            touched.add(item.stream)
            last = item.recorded_at
        if last is not None:
            self._views(rows, touched, last)
        return rows, parked

    def _apply(self, record: Record) -> dict[str, Fact]:
        fold = self._fold_of(record.stream)
        register = self._state.register
        self._state.allocation  # noqa: B018 - loaded here, so that a bad record shows at once
        self._state.apply(record)
        self._prefix.size = record.seq + 1
        return register.facts if record.stream in ("trial", "access") else fold.facts

    def _note(self, stream: str) -> None:
        family, _, name = stream.partition("/")
        if family in _SUBJECT_FAMILIES:
            self._subjects.add(name)
        elif family == "lot":
            self._lots.add(name)

    def _fold_of(self, stream: str) -> History:
        family, _, name = stream.partition("/")
        if family in _SUBJECT_FAMILIES:
            return self._state.subject(name)
        return self._state.fold(stream)

    def _park(self, seq: int, error: Exception) -> Parked:
        """Leave an entry out, here and wherever the prefix is read; what it half did is dropped."""
        self._prefix.parked.add(seq)
        self._prefix.size = seq + 1
        self._state = TrialState(self._definition, self._prefix)
        code = error.code if isinstance(error, LedgerError) else "projection.cannot-fold"
        return Parked(seq, code, f"{type(error).__name__}: {error}"[:500])

    def _views(
        self, rows: dict[RowKey, JsonObject | None], streams: set[str], as_of: datetime
    ) -> None:
        for subject in sorted(self._affected(streams)):
            sections = sections_of(self._state.case(subject))
            for name, body in sections.items():
                rows[name, subject] = body
            problems = problems_in(sections)
            rows["problems", subject] = {"problems": problems} if problems else None
            self._dispositions[subject] = sections["disposition"]
        read_against = not {"trial", "access"}.isdisjoint(streams)
        others = {name for name in streams if name.partition("/")[0] not in _SUBJECT_FAMILIES}
        if read_against:
            others |= {TRIAL_KEY, "access", *self._other_streams()}
        for stream in sorted(others):
            self._put(rows, ("oversight", stream), self._oversight(stream))
        for key, body in self._trial_views(as_of, register_too=read_against).items():
            self._put(rows, key, body)

    @staticmethod
    def _put(rows: dict[RowKey, JsonObject | None], key: RowKey, body: JsonObject) -> None:
        """A row beside what is wrong with it: each has a place of its own in the problems."""
        problems = problems_in({key[0]: body})
        rows[key] = body
        rows["problems", "/".join(key)] = {"problems": problems} if problems else None

    def _affected(self, streams: Iterable[str]) -> set[str]:
        """The subjects whose views may change with these streams."""
        found: set[str] = set()
        for stream in streams:
            family, _, name = stream.partition("/")
            if family in ("trial", "access"):
                return self._subjects
            if family in _SUBJECT_FAMILIES:
                found.add(name)
            elif family == "site":
                found |= {s for s in self._subjects if s.rsplit("-", 1)[0] == name}
            elif family == "lot":
                found |= {s for s in self._subjects if name in lots_named(self._state.subject(s))}
        return found

    def _oversight(self, stream: str) -> JsonObject:
        return guarded(
            lambda: oversight_view(
                self._state.fold(stream),
                self._state.register,
                zone=ZoneInfo("UTC"),
                late_limit_hours=self._definition.protocol.late_entry_limit_hours,
            )
        )

    def _trial_views(self, as_of: datetime, *, register_too: bool) -> dict[RowKey, JsonObject]:
        state, everyone = self._state, sorted(self._subjects)
        rows: dict[RowKey, JsonObject] = {}
        if register_too:
            rows["register", TRIAL_KEY] = guarded(lambda: register_view(state.register))
            rows["documents", TRIAL_KEY] = guarded(
                lambda: documents_view(state.trial, state.register)
            )
        overview = self._overview()
        for lot, records in overview.lots.items():
            rows["lots", lot] = guarded(
                lambda lot=lot, records=records: lot_view(lot, records, overview.subjects),  # type: ignore[misc]
                lot=lot,
            )
        rows["trial-deviations", TRIAL_KEY] = guarded(
            lambda: trial_deviations_view(overview, TRIAL_RULES)
        )
        rows["enrolment", TRIAL_KEY] = guarded(
            lambda: enrolment_view(
                (self._dispositions[name] for name in everyone if name in self._dispositions),
                self._definition.protocol,
                as_of.astimezone(UTC),
            )
        )
        return rows

    def _overview(self) -> TrialOverview:
        state = self._state
        return TrialOverview(
            definition=self._definition,
            trial=state.trial,
            register=state.register,
            allocation=state.allocation,
            subjects={name: state.subject(name) for name in sorted(self._subjects)},
            lots={name: state.lot(name) for name in sorted(self._lots)},
        )

    def _other_streams(self) -> list[str]:
        """The streams of sites, lots and the list, whose rows name persons by the register."""
        found = [f"site/{name}" for name in self._prefix.sites()]
        found += [f"lot/{name}" for name in sorted(self._lots)]
        return [*found, "allocation/main"]

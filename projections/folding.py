"""One fold over the log for all projections: entries in, rows to write out.

Views are made again for the subjects a page touches; for all of them when what they are read
against (trial, access) has changed. Which rows come out at a position depends on the log up to
it, never on how it was cut into pages; what a page costs depends on the page, not on the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ledger.errors import LedgerError
from projections.audit_trail import audit_entry
from projections.enrolment import flow_of
from projections.kept import NothingKept, PageRows, text_of
from projections.oversight import oversight_view
from projections.prefix import FOLD_ERRORS, PagedState, Prefix
from projections.product import lot_view
from projections.register import documents_view, register_view
from projections.row_tables import Parked
from projections.sections import guarded, problems_in
from projections.subject_rows import SubjectRows
from projections.trial_findings import TRIAL_KEY, TrialFindings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ledger.history import History
    from ledger.record import Record
    from ledger.signing.strict_json import JsonObject
    from ledger.trials.definition import TrialDefinition
    from projections.kept import KeptRows

_SUBJECT_FAMILIES: Final = frozenset({"subject", "treatment"})
_READ_AGAINST: Final = frozenset({"trial", "access"})
_LAST: Final = "~"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that could not be read, or is missing, and why."""

    seq: int
    error: LedgerError


class LogFold:
    """The state of all projections up to ``prefix.size``: few folds in memory, the rest in rows.

    ``kept`` gives the rows as the pages before have left them.
    """

    def __init__(
        self, definition: TrialDefinition, prefix: Prefix, kept: KeptRows | None = None
    ) -> None:
        self._definition = definition
        self._prefix = prefix
        self._kept = kept or NothingKept()
        self._state = PagedState(definition, prefix)
        self._lots = set(prefix.lots())
        self._subjects = SubjectRows(self._kept)
        self._findings = TrialFindings(prefix, self._kept)
        self._written: dict[tuple[str, str], str] = {}

    def take(self, page: Sequence[Record | Unreadable]) -> tuple[PageRows, list[Parked]]:
        """Fold a page; the rows that change, and the entries that could not be folded."""
        rows = PageRows(self._kept)
        parked: list[Parked] = []
        touched: set[str] = set()
        last: datetime | None = None
        for item in page:
            if isinstance(item, Unreadable):
                parked.append(self._park(item.seq, item.error))
                continue
            try:
                entry = self._apply(item)
            except FOLD_ERRORS as error:
                parked.append(self._park(item.seq, error))
                continue
            rows.put("audit", f"{item.seq:012d}", entry)
            self._note(item)
            touched.add(item.stream)
            last = item.recorded_at
        if last is not None:
            self._views(rows, touched, self._subjects.tally.latest(last))
        return rows, parked

    def _apply(self, record: Record) -> JsonObject:
        """Take a record in; its audit entry."""
        fold = self._fold_of(record.stream)
        register = self._state.register
        self._state.allocation  # noqa: B018 - loaded here, so that a bad record shows at once
        self._state.apply(record)
        self._prefix.size = record.seq + 1
        facts = register.facts if record.stream in _READ_AGAINST else fold.facts
        return audit_entry(record, self._state.register, facts)

    def _note(self, record: Record) -> None:
        family, _, name = record.stream.partition("/")
        if family == "lot":
            self._lots.add(name)
        self._findings.note(record)

    def _fold_of(self, stream: str) -> History:
        family, _, name = stream.partition("/")
        if family in _SUBJECT_FAMILIES:
            return self._state.subject(name)
        return self._state.fold(stream)

    def _park(self, seq: int, error: Exception) -> Parked:
        """Leave an entry out, here and wherever the prefix is read; what it half did is dropped."""
        self._prefix.parked.add(seq)
        self._prefix.size = seq + 1
        self._state = PagedState(self._definition, self._prefix)
        code = error.code if isinstance(error, LedgerError) else "projection.cannot-fold"
        return Parked(seq, code, f"{type(error).__name__}: {error}"[:500])

    def _views(self, rows: PageRows, streams: set[str], as_of: datetime) -> None:
        read_against = not _READ_AGAINST.isdisjoint(streams)
        subjects = self._affected(rows, streams)
        lots = {name for stream in streams if (name := _name_in(stream, "lot"))}
        for subject in sorted(subjects):
            lots |= self._subjects.refresh(rows, self._state.case(subject), as_of)
        for subject in sorted({*self._subjects.tally.due(rows, as_of)} - subjects):
            self._subjects.pass_time(rows, subject, as_of)
        for lot in sorted(lots & self._lots):
            self._put(rows, "lots", lot, self._lot(rows, lot))
        others = {name for name in streams if name.partition("/")[0] not in _SUBJECT_FAMILIES}
        if read_against:
            others |= {TRIAL_KEY, "access", *self._other_streams()}
            self._register(rows)
        for stream in sorted(others):
            self._put(rows, "oversight", stream, self._oversight(stream))
        supply = any(_name_in(name, "lot") or _name_in(name, "allocation") for name in streams)
        if supply or read_against or subjects & self._findings.concerned(rows):
            self._findings.refresh(rows, self._state, self._lots)
        tally, protocol = self._subjects.tally, self._definition.protocol
        self._put(rows, "enrolment", TRIAL_KEY, guarded(lambda: flow_of(tally.courses, protocol)))
        tally.close(rows, as_of)

    def _put(self, rows: PageRows, projection: str, key: str, body: JsonObject) -> None:
        """A row beside what is wrong with it: each has a place of its own in the problems."""
        text, problems = text_of(body), problems_in({projection: body})
        if self._written.get((projection, key)) == text:
            return
        self._written[projection, key] = text
        rows.put(projection, key, body, text)
        rows.put("problems", f"{projection}/{key}", {"problems": problems} if problems else None)

    def _affected(self, rows: PageRows, streams: Iterable[str]) -> set[str]:
        """The subjects whose views may change with these streams."""
        found: set[str] = set()
        for stream in streams:
            family, _, name = stream.partition("/")
            if family in _SUBJECT_FAMILIES:
                found.add(name)
            elif family in _READ_AGAINST:
                found |= {*rows.keys("subject", "", _LAST)}
            elif family == "site":
                found |= {*rows.keys("subject", f"{name}-", f"{name}-{_LAST}")}
            elif family == "lot":
                found |= {*self._subjects.naming(rows, name)}
        return found

    def _register(self, rows: PageRows) -> None:
        register, trial = self._state.register, self._state.trial
        self._put(rows, "register", TRIAL_KEY, guarded(lambda: register_view(register)))
        self._put(rows, "documents", TRIAL_KEY, guarded(lambda: documents_view(trial, register)))

    def _lot(self, rows: PageRows, lot: str) -> JsonObject:
        subjects = {name: self._state.subject(name) for name in self._subjects.naming(rows, lot)}
        return guarded(lambda: lot_view(lot, self._state.lot(lot), subjects), lot=lot)

    def _oversight(self, stream: str) -> JsonObject:
        return guarded(
            lambda: oversight_view(
                self._state.fold(stream),
                self._state.register,
                zone=ZoneInfo("UTC"),
                late_limit_hours=self._definition.protocol.late_entry_limit_hours,
            )
        )

    def _other_streams(self) -> list[str]:
        """The streams of sites, lots and the list, whose rows name persons by the register."""
        found = [f"site/{name}" for name in self._prefix.sites()]
        found += [f"lot/{name}" for name in sorted(self._lots)]
        return [*found, "allocation/main"]


def _name_in(stream: str, family: str) -> str:
    found, _, name = stream.partition("/")
    return name if found == family else ""

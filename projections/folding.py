"""One fold over the log for all projections: entries in, rows to write out.

Views are made again for the subjects a page touches; for all of them when what they are read
against (trial, access) has changed. Which rows come out at a position depends on the log up to
it, never on how it was cut into pages; what a page costs depends on the page, not on the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from ledger.errors import LedgerError
from projections.audit_trail import audit_entry
from projections.enrolment import flow_of
from projections.fold_crew import Alone
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
    from projections.fold_crew import Crew, Making
    from projections.kept import KeptRows

_SUBJECT_FAMILIES: Final = frozenset({"subject", "treatment"})
_READ_AGAINST: Final = frozenset({"trial", "access"})
_LAST: Final = "~"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that could not be read, or is missing, and why."""

    seq: int
    error: LedgerError


@dataclass(slots=True)
class Page:
    """A page that is being folded: its rows so far, and what is still to be made of it."""

    rows: PageRows
    parked: list[Parked]
    touched: set[str]
    last: datetime | None = None
    as_of: datetime | None = None
    subjects: set[str] = field(default_factory=set)
    making: Making | None = None


class LogFold:
    """The state of all projections up to ``prefix.size``: few folds in memory, the rest in rows.

    ``kept`` gives the rows as the pages before have left them. A page goes through ``enter``,
    ``begin`` and ``finish``. The next one may be entered before this one is finished, so that its
    views are made meanwhile; it may be begun only when the rows of this one are kept.
    """

    def __init__(
        self,
        definition: TrialDefinition,
        prefix: Prefix,
        kept: KeptRows | None = None,
        crew: Crew | None = None,
    ) -> None:
        self._definition = definition
        self._prefix = prefix
        self._kept = kept or NothingKept()
        self._crew = crew or Alone()
        self._state = PagedState(definition, prefix)
        self._lots = set(prefix.lots())
        self._subjects = SubjectRows(self._kept)
        self._findings = TrialFindings(prefix, self._kept)
        self._written: dict[tuple[str, str], str] = {}

    def take(self, page: Sequence[Record | Unreadable]) -> tuple[PageRows, list[Parked]]:
        """Fold a page; the rows that change, and the entries that could not be folded."""
        entered = self.enter(page)
        self.begin(entered)
        return self.finish(entered)

    def enter(self, records: Sequence[Record | Unreadable]) -> Page:
        """Take the entries of a page in."""
        page = Page(PageRows(self._kept), [], set())
        self._prefix.unbegun = {
            item.stream
            for item in records
            if not isinstance(item, Unreadable) and item.originator_version == 0
        }
        for item in records:
            if isinstance(item, Unreadable):
                page.parked.append(self._park(item.seq, item.error))
                continue
            try:
                entry = self._apply(item)
            except FOLD_ERRORS as error:
                page.parked.append(self._park(item.seq, error))
                continue
            page.rows.put("audit", f"{item.seq:012d}", entry)
            self._note(item)
            page.touched.add(item.stream)
            page.last = item.recorded_at
        return page

    def begin(self, page: Page) -> None:
        """Make all views of a page but those of single subjects, which are begun."""
        if page.last is not None:
            page.as_of = self._subjects.tally.latest(page.last)
            self._views(page, page.as_of)

    def finish(self, page: Page) -> tuple[PageRows, list[Parked]]:
        """Wait for the views of subjects; the rows that change, and the entries left out."""
        if page.making is not None and page.as_of is not None:
            for views in page.making.views():
                self._subjects.replace(page.rows, views)
            self._count(page.rows, page.subjects, page.as_of)
        return page.rows, page.parked

    def _apply(self, record: Record) -> JsonObject:
        """Take a record in; its audit entry."""
        fold = self._fold_of(record.stream)
        register = self._state.register
        self._state.allocation  # noqa: B018 - loaded here, so that a bad record shows at once
        self._state.apply(record)
        self._prefix.size = record.seq + 1
        self._prefix.unbegun.discard(record.stream)
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

    def _views(self, page: Page, as_of: datetime) -> None:
        rows, streams = page.rows, page.touched
        read_against = not _READ_AGAINST.isdisjoint(streams)
        subjects = page.subjects = self._affected(rows, streams)
        lots = {name for stream in streams if (name := _name_in(stream, "lot"))}
        cases = [self._state.case(subject) for subject in sorted(subjects)]
        for case in cases:
            lots |= self._subjects.enter(rows, case)
        page.making = self._crew.begin(cases, as_of)
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

    def _count(self, rows: PageRows, subjects: set[str], as_of: datetime) -> None:
        """The counts after a page that touched these subjects; time passes for the others too."""
        tally, protocol = self._subjects.tally, self._definition.protocol
        for subject in sorted({*tally.due(rows, as_of)} - subjects):
            self._subjects.pass_time(rows, subject, as_of)
        self._put(rows, "enrolment", TRIAL_KEY, guarded(lambda: flow_of(tally.courses, protocol)))
        tally.close(rows, as_of)

    def _put(self, rows: PageRows, projection: str, key: str, body: JsonObject) -> None:
        """A row beside what is wrong with it: each has a place of its own in the problems."""
        text, problems = text_of(body), problems_in({projection: body})
        if self._written.get((projection, key)) == text:
            return
        self._written[projection, key] = text
        rows.write(projection, key, text)
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

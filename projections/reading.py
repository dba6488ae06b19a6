"""The reading interface of the projections: what the doors and the report ask."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from ledger.application import LedgerApplication
from ledger.concealment.openings import Openings
from ledger.concealment.rows import RowKeys
from ledger.concealment.settings import has_keys, open_vault
from ledger.recording.genesis import Genesis, read_genesis
from ledger.rules.deviations import TRIAL_RULES
from ledger.signing.rfc3339 import parse_rfc3339
from projections.audit_trail import expand
from projections.deviation_rows import DEVIATION, ROWS, Wanted, page_of
from projections.deviations import trial_deviations_view
from projections.enrolment import enrolment_view
from projections.identities import checks_of, sharing
from projections.kept import body_of
from projections.listings import Listings, at_instant, head_object, rows_in
from projections.prefix import Prefix, state_at, true_case
from projections.projector import Lag, Progress, Projector
from projections.register import documents_view, register_view
from projections.replay import timeline
from projections.sections import SECTIONS, composed, sections_of
from projections.store import ProjectionStore, StoredRows
from projections.trial_findings import DECIDING, TRIAL_DEVIATIONS, TRIAL_KEY, overview_of
from projections.upkeep import compared, made_again

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ledger.aggregates.trial_state import TrialState
    from ledger.rules.case import Case
    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.storage.database import Database
    from projections.comparing import Difference
    from projections.row_tables import Parked

_PAGE = 500


class ReadableLedger(Protocol):
    """What the projections need of an open ledger; ``ledger.service.TrialLedger`` is one."""

    @property
    def application(self) -> LedgerApplication:
        """The entries."""

    @property
    def genesis(self) -> Genesis:
        """What entry 0 says."""


@dataclass(frozen=True, slots=True)
class OpenedLog:
    """A log opened without its writer, to read the projections of."""

    application: LedgerApplication
    genesis: Genesis


@contextmanager
def opened(database: Database | str) -> Iterator[OpenedLog]:
    """Open a database for reading alone: no signing key, no writer, nothing is created.

    What is concealed is read where its keys are at hand, else it is shown as withheld.

    Raises RejectedInput when there is no such database, TrustFailure when it holds no trial,
    Unavailable when its server does not answer.
    """
    application = LedgerApplication(database, create=False)
    try:
        log = OpenedLog(application, read_genesis(application))
        if has_keys(application.path):
            application.conceal(Openings(open_vault(log.genesis.trial, application.path)))
        yield log
    finally:
        application.close()


def projections_path(database: Path) -> Path:
    """The file the projections of a ledger lie in; on both databases each node has its own."""
    return database.with_name(f"{database.name}.projections")


class Projections(Listings):
    """The projections of one open ledger; reads never write, ``start`` begins to follow.

    ``known_at`` is a tree size: only entries before it are folded. ``true_at`` leaves out what
    occurred later. Times in the JSON are RFC 3339; there are no floats.
    """

    def __init__(self, ledger: ReadableLedger) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        store = self._open_store(ledger)
        super().__init__(ledger.application, store)
        self._definition = ledger.genesis.definition
        self.projector = Projector(self._application, self._definition, self.store)

    def _open_store(self, ledger: ReadableLedger) -> ProjectionStore:
        openings, genesis = ledger.application.openings, ledger.genesis.record.sha256
        keys = None if openings is None else RowKeys.of(openings.vault)
        store = ProjectionStore(projections_path(ledger.application.path), genesis, keys)
        if keys is None and store.sealed:
            # Those who have the keys keep theirs; without them less is seen, in rows of our own.
            store.close()
            self._folder = TemporaryDirectory(prefix="projections-")
            store = ProjectionStore(Path(self._folder.name) / "rows.sqlite3", genesis)
        return store

    @property
    def kept(self) -> bool:
        """Whether the rows are those beside the ledger, and not some made for this reader alone."""
        return self._folder is None

    # --- following ----------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the log on a thread."""
        self.projector.start()

    def watch(self) -> None:
        """Leave following to another process, and see in the file how far it is."""
        self.projector.watch()

    def follow(self) -> int:
        """Fold up to the head here and now; the position then."""
        return self.projector.follow()

    def wait_for(self, position: int, timeout: float) -> int:
        """Wait until so many entries are folded; the position reached."""
        return self.projector.wait_for(position, timeout)

    def rebuild(self, progress: Progress | None = None) -> int:
        """Make all rows again and swap them in; the number of entries folded.

        Raises Unavailable ``projections.made-anew``.
        """
        return made_again(self.projector, progress)

    def check(self, progress: Progress | None = None) -> list[Difference]:
        """Compare the stored rows with a fresh fold; empty when they are what the log gives.

        A service may go on following meanwhile. Raises Unavailable ``projections.stale``.
        """
        return compared(self._application, self._definition, self.store, progress)

    def lag(self) -> Lag:
        """How far behind, and whether there is an alarm."""
        return self.projector.lag()

    def parked(self) -> list[Parked]:
        """The entries that could not be folded."""
        return self.store.parked()

    def problems(self) -> list[JsonValue]:
        """The views and rules that failed, by subject."""
        return [{"key": key, **body} for key, body in self._bodies("problems")]

    def close(self) -> None:
        """Stop following and close the file."""
        self.projector.close()
        self.store.close()
        if self._folder is not None:
            self._folder.cleanup()

    # --- subjects -----------------------------------------------------------------------------

    def subjects(self, after: str = "", limit: int = 100) -> list[JsonObject]:
        """Subjects in order of their ids, with state, flags and head; page by ``after``."""
        head, as_of = self._head()
        rows = self.store.rows("subject", after=after, limit=limit)
        return [{**at_instant(body_of(body), as_of), "head": head} for _, body in rows]

    def subject(
        self, subject_id: str, known_at: int | None = None, true_at: datetime | None = None
    ) -> JsonObject | None:
        """Everything about one subject; None when nothing of it is recorded."""
        if known_at is None and true_at is None:
            kept = self.store.sections((*SECTIONS, TRIAL_DEVIATIONS), subject_id)
            sections = {name: body_of(text) for name, text in kept.items()}
            if "subject" not in sections:
                return None
            head, as_of = self._head()
            findings = rows_in(sections.get(TRIAL_DEVIATIONS, {}), "deviations")
            return {**composed(sections, findings, as_of), "head": head}
        found = self._case(subject_id, known_at, true_at)
        if found is None:
            return None
        case, prefix, state = found
        as_of = self._as_of(prefix, true_at)
        rows = self._trial_rows_at(prefix, state, true_at, subject_id)
        return {**composed(sections_of(case), rows, as_of), "head": head_object(prefix.size, as_of)}

    def replay(
        self, subject_id: str, known_at: int | None = None, true_at: datetime | None = None
    ) -> JsonObject | None:
        """The subject's header and course of events in order of occurrence."""
        found = self._case(subject_id, known_at, true_at)
        if found is None:
            return None
        case, prefix, state = found
        as_of = self._as_of(prefix, true_at)
        rows = self._trial_rows_at(prefix, state, true_at, subject_id)
        subject = composed(sections_of(case), rows, as_of)
        deviations = subject["deviations"]
        records = [
            record
            for record in prefix.merged(f"subject/{subject_id}", f"treatment/{subject_id}")
            if true_at is None or _effective(case, record.id, record.occurred_at) <= true_at
        ]
        return {
            "header": {
                name: subject.get(name)
                for name in ("subject", "site", "time_zone", "sex", "age_at_consent", "state",
                             "flags", "allocation")
            },
            "subject": subject,
            "timeline": timeline(case, records, deviations if isinstance(deviations, list) else ()),
            "head": head_object(prefix.size, as_of),
        }  # fmt: skip

    # --- trial --------------------------------------------------------------------------------

    def enrolment(self, known_at: int | None = None) -> JsonObject:
        """The CONSORT counts; every sum closes."""
        if known_at is None:
            head, _ = self._head()
            body = self.store.row("enrolment", TRIAL_KEY)
            return {**(body_of(body) if body is not None else {}), "head": head}
        prefix = self._prefix(known_at)
        as_of, state = self._as_of(prefix, None), state_at(self._definition, prefix)
        dispositions = [sections_of(state.case(name))["disposition"] for name in prefix.subjects()]
        counts = enrolment_view(dispositions, self._definition.protocol, as_of)
        return {**counts, "head": head_object(prefix.size, as_of)}

    def recruitment(self) -> list[JsonValue]:
        """Consented, randomized and cumulative numbers by month."""
        rows = self.enrolment().get("recruitment")
        return rows if isinstance(rows, list) else []

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
        """Deviations that hold by ``as_of`` (the head's time), by rule, since, id.

        Page by ``after``, the place (``deviation_rows.place_of``) of the last one before.
        """
        at = as_of or self._head()[1]
        wanted = Wanted.by(at, rule=rule, subject=subject, site=site)
        if subject is not None:
            kept = self.store.sections(("deviations", TRIAL_DEVIATIONS), subject).values()
            rows = (row for text in kept for row in rows_in(body_of(text), "deviations"))
            return page_of(rows, wanted, after=after, limit=limit)
        found: list[JsonObject] = []
        for body in self._placed(wanted, after, limit):
            found += rows_in(body, ROWS)
            if limit is not None and len(found) >= limit:
                break
        return found

    def register(self, known_at: int | None = None) -> JsonObject:
        """Keys, grants, delegations and training with their dates."""
        if known_at is None:
            body = self.store.row("register", TRIAL_KEY)
            return {**(body_of(body) if body is not None else {}), "head": self._head()[0]}
        prefix = self._prefix(known_at)
        state = state_at(self._definition, prefix)
        head = head_object(prefix.size, self._as_of(prefix, None))
        return {**register_view(state.register), "head": head}

    def documents(self, known_at: int | None = None) -> list[JsonObject]:
        """Documents with their approvals."""
        if known_at is None:
            return self._list("documents", "documents")
        state = state_at(self._definition, self._prefix(known_at))
        return rows_in(documents_view(state.trial, state.register), "documents")

    def audit_trail(
        self,
        subject: str | None = None,
        type: str | None = None,  # noqa: A002 - the column's own name
        actor: str | None = None,
        site: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = -1,
        limit: int = 100,
    ) -> list[JsonObject]:
        """Field-level rows of the first ``limit`` entries that match, from position ``after`` on.

        ``since`` and ``until`` bound the record time, both included. Page by the last ``seq``.
        """
        asked = {"subject": subject, "type": type, "who": actor, "site": site}
        wanted = {name: value for name, value in asked.items() if value is not None}
        found: list[JsonObject] = []
        taken = 0
        for entry in self._audit_entries(after):
            if any(entry.get(name) != value for name, value in wanted.items()):
                continue
            if not _recorded_within(entry, since, until):
                continue
            found += expand(entry)
            taken += 1
            if taken >= limit:
                break
        return found

    def audit_entries(self, after: int = -1) -> Iterator[JsonObject]:
        """Audit entries in order of the log, each with its changes and signatures."""
        return self._audit_entries(after)

    # --- inside -------------------------------------------------------------------------------

    def _prefix(self, known_at: int | None) -> Prefix:
        head = self._application.store.head().size
        size = head if known_at is None else max(min(known_at, head), 0)
        return Prefix(self._application, size, (row.seq for row in self.store.parked()))

    def _case(
        self, subject: str, known_at: int | None, true_at: datetime | None
    ) -> tuple[Case, Prefix, TrialState] | None:
        prefix = self._prefix(known_at)
        state = state_at(self._definition, prefix)
        case = state.case(subject)
        if true_at is not None:
            case = true_case(case, true_at)
        known = case.records.facts or case.records.pending or case.records.refused
        return (case, prefix, state) if known else None

    def _placed(self, wanted: Wanted, after: str, limit: int | None) -> Iterator[JsonObject]:
        """The rows of single deviations that are wanted, in order from a place on."""
        first, stop = after, None
        if wanted.rule is not None:
            first, stop = max(after, f"{wanted.rule} "), f"{wanted.rule} ~"
        place: str | None = first
        size = _PAGE if limit is None else min(max(limit, 1), _PAGE)
        while place is not None:
            rows, place = self.store.chosen(
                DEVIATION, wanted.takes, after=place, stop=stop, limit=size
            )
            yield from (body_of(text) for _, text in rows)
            size = _PAGE

    def _trial_rows_at(
        self, prefix: Prefix, state: TrialState, true_at: datetime | None, subject: str
    ) -> list[JsonObject]:
        """The trial's findings on one subject, from the subjects they can rest on."""
        deciding, checks = prefix.subjects_of(DECIDING), checks_of(state.subject(subject))
        others = deciding if subject in deciding else set()
        if checks:
            others |= self._identified_with(prefix, checks)
        if not others:
            return []
        overview = overview_of(state, others | {subject}, prefix.lots(), true_at)
        rows = rows_in(trial_deviations_view(overview, TRIAL_RULES), "deviations")
        return [row for row in rows if row["subject"] == subject]

    def _identified_with(self, prefix: Prefix, checks: set[str]) -> set[str]:
        """The subjects ever stated with one of these checks: by the rows, then by what follows."""
        place = self.store.place()
        found = sharing(StoredRows(self.store, place.generation), checks)
        if self.store.place().generation != place.generation:
            return self._identified_with(prefix, checks)
        later = {
            record.stream.removeprefix("subject/")
            for record in prefix.since(place.position)
            if record.stream.startswith("subject/")
        }
        state = state_at(self._definition, prefix)
        return found | {name for name in later if checks & checks_of(state.subject(name))}


def _effective(case: Case, event: str, stated: datetime) -> datetime:
    fact = case.records.facts.get(event)
    return fact.occurred_at if fact is not None else stated


def _recorded_within(entry: JsonObject, since: datetime | None, until: datetime | None) -> bool:
    recorded = parse_rfc3339(str(entry["recorded"]))
    return (since is None or recorded >= since) and (until is None or recorded <= until)

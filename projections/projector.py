"""The projector: follows the log in pages, keeps its position, rebuilds, compares.

It polls; no wake-up can be missed. A page is folded in memory and its rows are written with the
position in one transaction, so that a kill at any moment loses nothing and repeats nothing. An
entry that cannot be folded is parked with an alarm and the rest goes on.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from eventsourcing.persistence import ConnectionPoolClosedError, PersistenceError

from ledger.errors import LedgerError, Unavailable
from ledger.log.entry import entry_hash
from projections.comparing import Difference, differences
from projections.entered import entered
from projections.fold_crew import crew_of, fitting
from projections.folding import LogFold
from projections.pacing import LINGER_SECONDS, POLL_SECONDS, Pacing
from projections.prefix import FOLD_ERRORS, Prefix
from projections.row_tables import Fold, Place, PositionMoved
from projections.store import ProjectionStore, StoredRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.application import LedgerApplication
    from ledger.trials.definition import TrialDefinition
    from projections.fold_crew import Crew

PAGE = 4_000
"""Most entries that are folded at once; memory is bounded by it."""

WATCH_SECONDS = 0.01
"""How often it is looked how far another process has folded, while somebody waits for it."""

CALL_SECONDS = 0.1
"""How often another process is called, while somebody waits for it."""

Progress: TypeAlias = "Callable[[int, int], None]"
"""Told how many entries are folded, and of how many."""

_log = logging.getLogger("projections.projector")


def stale() -> Unavailable:
    """The refusal to compare rows with a log of which something else is legible."""
    return Unavailable(
        "projections.stale",
        "The projections were never made, or something was erased, restricted or rotated since.",
        remedy="The service makes them anew when it next follows the log.",
    )


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the projections are, and whether somebody must look after them."""

    position: int
    head: int
    parked: int
    problems: int
    error: str | None

    @property
    def behind(self) -> int:
        """Entries not folded yet."""
        return max(self.head - self.position, 0)

    @property
    def alarm(self) -> bool:
        """Whether an entry is parked, a view failed, or the projector meets an error."""
        return bool(self.parked or self.problems or self.error)


class Projector:
    """Folds the log of one ledger into one store; safe beside other projectors on the file."""

    def __init__(
        self,
        application: LedgerApplication,
        definition: TrialDefinition,
        store: ProjectionStore,
        *,
        page: int = PAGE,
        processes: int | None = None,
    ) -> None:
        """Fold ``page`` entries at a time.

        A whole log is folded with so many further ``processes``, or as many as it is worth.
        """
        self._application = application
        self._definition = definition
        self._store = store
        self._page = page
        self._processes = processes
        self._fold: LogFold | None = None
        self._place: Place | None = None
        self._error: str | None = None
        self._revision = -1
        self._unscrubbed = False
        self._stop = threading.Event()
        self._pacing = Pacing(store.path)
        self._moved = threading.Condition()
        self._thread: threading.Thread | None = None
        self._working = threading.Lock()
        self._watching = False

    def step(self) -> bool:
        """Fold one page; False when there is nothing to fold."""
        with self._working:
            try:
                place = self._current()
                head = self._application.store.head().size
                if place.position >= head:
                    return False
                self._advance(place, min(place.position + self._page, head))
            except PositionMoved:
                self._forget()
            except BaseException:
                # The fold in memory is ahead of what is stored.
                self._forget()
                raise
        with self._moved:
            self._moved.notify_all()
        return True

    def follow(self) -> int:
        """Fold up to the head; the position then."""
        while self.step():
            continue
        return self._store.place().position

    def lag(self) -> Lag:
        """How far behind the projections are, and whether there is an alarm."""
        return Lag(
            position=self._store.place().position,
            head=self._application.store.head().size,
            parked=len(self._store.parked()),
            problems=len(self._store.rows("problems")),
            error=self._error or self._silence(),
        )

    def _silence(self) -> str | None:
        """That the thread has ended by itself; nothing follows the log then."""
        if self._thread is None or self._thread.is_alive() or self._stop.is_set():
            return None
        return "The projector's thread has stopped; restart the service."

    def wait_for(self, position: int, timeout: float) -> int:
        """Wait until so many entries are folded, at most ``timeout`` seconds; the position then."""
        until, called = time.monotonic() + timeout, 0.0
        if not self._watching and self._application.current() != self._revision:
            self._renew()  # rows that hold what was erased are not shown any more
        while True:
            reached = self._reached()
            left = until - time.monotonic()
            if reached >= position or left <= 0:
                return reached
            if self._watching:
                if time.monotonic() - called > CALL_SECONDS:
                    called = time.monotonic()
                    self._pacing.call_across()
                time.sleep(min(left, WATCH_SECONDS))
                continue
            if self._thread is None:
                if not self.step():
                    return self._store.place().position
                continue
            self._pacing.call()
            with self._moved:
                self._moved.wait(min(left, POLL_SECONDS))

    def _reached(self) -> int:
        """How far rows go that may be shown: who only watches waits until stale ones are gone."""
        place, revision = self._store.place(), self._application.current()
        if self._watching and revision != self._revision:
            if not self._store.fits(place.generation, self._application.fingerprint):
                return 0
            self._revision = revision
        return place.position

    def rebuild(self, progress: Progress | None = None) -> Place:
        """Fold the whole log into fresh rows and swap them in; the same bytes as followed live."""
        self._store.adopt()
        fresh = self._store.fresh_generation(self._application.fingerprint)
        rebuilt = self._fold_into(self._store, fresh, None, progress)
        with self._working:
            self._store.swap(rebuilt)
            self._store.scrub()
            self._forget()
        return rebuilt

    def check(self, progress: Progress | None = None) -> list[Difference]:
        """Compare the stored rows with a fresh fold to the same position; nothing is changed.

        Nobody may follow them meanwhile; see `projections.upkeep.compared`.

        Raises Unavailable ``projections.stale`` when something was erased since they were made, or
        their key cannot be had.
        """
        place = self._store.place()
        head = self._application.store.head().size
        if not self._store.adopted:
            return [Difference("genesis", "", "changed", None, self._store.genesis_sha256)]
        if not self._store.fits(place.generation, self._application.fingerprint):
            raise stale()
        if place.position > head:
            return [Difference("position", "", "surplus", str(place.position), str(head))]
        with tempfile.TemporaryDirectory(prefix="projections-") as folder:
            scratch = ProjectionStore(Path(folder) / "fresh.sqlite3", "", self._store.keys)
            try:
                begun = scratch.fresh_generation()
                scratch.swap(begun)
                self._fold_into(scratch, begun, place.position, progress)
                return list(differences(self._store, scratch))
            finally:
                scratch.close()

    def start(self) -> None:
        """Follow the log on a thread until ``close``."""
        if self._thread is None:
            # Rows of another ledger must be gone before anybody reads them.
            with self._working:
                self._store.adopt()
            self._thread = threading.Thread(target=self._run, name="projector", daemon=True)
            self._thread.start()

    def watch(self) -> None:
        """Leave following to another process; ``wait_for`` looks at what it has stored."""
        with self._working:
            self._store.adopt()
        self._watching = True

    def close(self) -> None:
        """Stop following; what is folded stays."""
        self._stop.set()
        self._pacing.end()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                worked = self.step()
                self._error = None
            except ConnectionPoolClosedError:
                return  # the ledger was closed; there is nothing left to follow
            except (LedgerError, PersistenceError, OSError, *FOLD_ERRORS) as error:
                worked = False
                self._error = f"{type(error).__name__}: {error}"[:500]
                _log.exception("The projector could not fold a page and tries again.")
            # Rest as long as it worked, so that following never takes more than half a core.
            spent = min(time.monotonic() - began, 5.0)
            if worked:
                self._pacing.rest(min(spent, LINGER_SECONDS), LINGER_SECONDS, self._enough)
            else:
                self._pacing.rest(spent, max(POLL_SECONDS, spent), self._enough)

    def _enough(self) -> bool:
        """Whether a whole page is there to be folded, or an error to be met."""
        place = self._place
        try:
            head = self._application.store.head().size
        except (LedgerError, PersistenceError, ConnectionPoolClosedError):
            return True
        return place is None or head >= place.position + self._page

    def _current(self) -> Place:
        """The place to go on from, with the fold in memory that belongs to it."""
        self._store.adopt()
        stored, revision = self._store.place(), self._application.current()
        if self._unscrubbed:
            self._unscrubbed = not self._store.scrub()
        if self._fold is not None and self._place == stored and self._revision == revision:
            return stored
        fingerprint = self._application.fingerprint
        if not (self._belongs(stored) and self._store.fits(stored.generation, fingerprint)):
            if stored.position:
                _log.warning("The stored rows are not of this log as it stands; they go.")
            stored = self._store.fresh_generation(fingerprint)
            self._store.swap(stored)
            self._unscrubbed = not self._store.scrub()
        self._fold, self._place = self._resumed(self._store, stored), stored
        self._revision = revision
        return stored

    def _renew(self) -> None:
        with self._working:
            try:
                self._current()
            except PositionMoved:
                self._forget()  # somebody else makes them anew

    def _belongs(self, place: Place) -> bool:
        """Whether the entries folded are this log's, and not of one it was restored from."""
        if place.position == 0:
            return True
        entry = self._application.store.entry(place.position - 1)
        return entry is not None and entry_hash(entry) == place.entry_sha256

    def _advance(self, place: Place, stop: int) -> None:
        if self._fold is None:
            raise PositionMoved
        done = self._folded(self._fold, place, stop)
        self._store.commit(done)
        self._place = done.after

    def _forget(self) -> None:
        self._fold = self._place = None

    def _folded(self, fold: LogFold, place: Place, stop: int) -> Fold:
        page = entered(self._application, fold, place, stop)
        fold.begin(page.page)
        return page.finished(fold)

    def _fold_into(
        self,
        store: ProjectionStore,
        place: Place,
        stop: int | None,
        progress: Progress | None,
    ) -> Place:
        with crew_of(self._worth(self._head(stop) - place.position)) as crew:
            fold, begun = self._resumed(store, place, crew), None
            while True:
                head, ahead = self._head(stop), None
                if place.position < head:
                    until = min(place.position + self._page, head)
                    ahead = entered(self._application, fold, place, until)
                    place = ahead.after
                if begun is not None:
                    store.commit(begun.finished(fold))
                    if progress is not None:
                        progress(begun.after.position, head)
                if ahead is None:
                    return place
                fold.begin(ahead.page)
                begun = ahead

    def _head(self, stop: int | None) -> int:
        return self._application.store.head().size if stop is None else stop

    def _worth(self, entries: int) -> int:
        """How many further processes to fold so many entries with."""
        if self._processes is not None:
            return self._processes
        return fitting() if entries > self._page >= PAGE else 0

    def _resumed(self, store: ProjectionStore, place: Place, crew: Crew | None = None) -> LogFold:
        parked = [row.seq for row in store.parked(place.generation)]
        prefix = Prefix(self._application, place.position, parked, cached=False)
        return LogFold(self._definition, prefix, StoredRows(store, place.generation), crew)

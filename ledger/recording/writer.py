"""The one writer of a ledger in this process: group commit behind a queue.

Web threads parse and verify; this thread decides what waits, one after another, and makes one
transaction, one fsync and one signed checkpoint of it. Every caller gets his own outcome or his
own error. Nothing slow or fallible lies between the lock and the commit; after an unknown outcome
the head is read again before anything else is signed.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from eventsourcing.persistence import PersistenceError

from ledger.aggregates.trial_state import TrialState
from ledger.concealment.restricted import RESTRICTED
from ledger.errors import LedgerError, Unavailable
from ledger.recording.admission import Admission, Commitment, Extension, Quarantined, Recorded
from ledger.recording.answering import Answering, tell, unavailable
from ledger.recording.following import CommittedSource
from ledger.recording.log_end import LogEnd
from ledger.recording.outcomes import Receipted, outcome_of, receipted, require_same
from ledger.recording.setting_aside import keep_aside
from ledger.recording.submission import Submission
from ledger.recording.waiting import Line, Waiting
from ledger.storage.commit import Commit, HeadMoved, Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ledger.allocation.sealed_list import SealedList
    from ledger.application import LedgerApplication
    from ledger.log.chain import ChainHead
    from ledger.recording.waiting import Reply
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.signing.register import Key
    from ledger.storage.head_file import HeadFile
    from ledger.storage.quarantine import Quarantine
    from ledger.storage.tree_reader import StoredTree
    from ledger.trials.definition import TrialDefinition

CONTENTION_SECONDS = 20
"""How long a group is decided again because other processes extend the log first."""

RETRY_SECONDS = 60
"""How long it takes until an erasure that could not be finished is tried again."""

LEAST_GROUP = 8
"""A group of so many is decided again and again; a larger one is halved when others were first."""

OTHERS_SECONDS = 1.0
"""How long after another process's entry it counts as writing still."""

LONGEST_WAY_SECONDS = 0.05

GATHERING_SECONDS = 0.02
"""How long a group waits at most to become as many as were underway when the last one ended.

It waits no longer than that one took. Whoever was answered mostly comes again at once, and one
group of all costs far less than several of some.
"""

ENOUGH = 64
"""A group of so many waits for nobody: what it costs however large it is, is shared by enough."""
_log = logging.getLogger("ledger.recording.writer")


class Writer:
    """Decides and records; ``submit`` from any thread."""

    def __init__(
        self,
        application: LedgerApplication,
        definition: TrialDefinition,
        keys: LedgerKeys,
        *,
        head_file: HeadFile,
        quarantine: Quarantine,
        allocation_list: SealedList | None,
    ) -> None:
        self._application = application
        self._definition = definition
        self._keys = keys
        self._answering = Answering(head_file)
        self._quarantine = quarantine
        self._allocation_list = allocation_list
        self._line = Line()
        self._refusal: LedgerError | None = None
        self._fresh = False
        self._end = LogEnd(application, keys)
        self._unfinished: dict[str, float] = {}
        self._revision = 0
        self._others_at = -OTHERS_SECONDS
        self._load()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def tree(self) -> StoredTree:
        """The tree as of the last commit of this process."""
        return self._end.tree

    @property
    def state(self) -> TrialState:
        """The state after the last commit; read it for look-ups that may lag by a commit."""
        return self._state

    def key(self, kid: str) -> Key | None:
        """The registered key of that thumbprint, as of the last commit."""
        return self._state.register.key(kid)

    @property
    def waiting(self) -> int:
        """How many submissions wait."""
        return len(self._line)

    def submit(self, submission: Submission | Commitment, now: datetime) -> Future[Receipted]:
        """Queue a submission, or a commitment of the ledger's own.

        The future gives its outcome or raises LedgerError.
        """
        future: Future[Receipted] = Future()
        self.take(submission, now, future)
        return future

    def take(self, submission: Submission | Commitment, now: datetime, reply: Reply) -> None:
        """Queue one whose outcome, or LedgerError, ``reply`` is told by a thread of the writer."""
        self._line.enter(Waiting(submission, now, reply))

    def on_told(self, told: Callable[[], None]) -> None:
        """Have ``told`` called each time after everything that was decided has been told."""
        self._answering.told = told

    def submit_all(
        self, submissions: Sequence[Submission | Commitment], now: datetime
    ) -> list[Future[Receipted] | LedgerError]:
        """Queue several; each gets its future, or why it is not taken."""
        taken: list[Future[Receipted] | LedgerError] = []
        for submission in submissions:
            try:
                taken.append(self.submit(submission, now))
            except LedgerError as error:
                taken.append(error)
        return taken

    def refuse(self, error: LedgerError) -> None:
        """Sign nothing more: what waits and what comes gets this error. The state stays readable.

        A group that is being committed at this moment may still be.
        """
        self._refusal = error

    def close(self) -> None:
        """Finish what waits and stop."""
        self._line.end()
        self._thread.join()

    def _run(self) -> None:
        wanted, took = 1, 0.0
        while group := self._line.group(wanted, within=min(took, GATHERING_SECONDS)):
            began = time.monotonic()
            self._serve(group)
            took = time.monotonic() - began
            wanted = min(len(group) + len(self._line), ENOUGH)

    def _serve(self, group: list[Waiting]) -> None:
        try:
            outcomes = self._record(group)
        except HeadMoved:  # a smaller group is decided sooner, before the others are back
            half = len(group) // 2
            self._serve(group[:half])
            self._serve(group[half:])
            return
        except LedgerError as error:
            self._fail(group, error)
            return
        except (PersistenceError, OSError) as error:
            _log.exception("The database cannot be written")
            self._fail(group, unavailable(error))
            return
        except Exception as error:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("The writer could not record a group")
            self._fresh = False
            if len(group) > 1:  # the fault of one must not be the others'
                for waiting in group:
                    self._serve([waiting])
            else:
                self._fail(group, unavailable(error))
            return
        self._answering.answer([waiting.reply for waiting in group], outcomes, self._end.note)

    def _fail(self, group: list[Waiting], error: LedgerError) -> None:
        self._fresh = False
        for waiting in group:
            tell(waiting.reply, error)
        self._answering.told()

    def _record(self, group: list[Waiting]) -> list[Receipted | LedgerError]:
        deadline = time.monotonic() + CONTENTION_SECONDS
        while time.monotonic() < deadline:
            if self._refusal is not None:
                raise self._refusal
            began = time.monotonic()
            self._catch_up()
            decided, extension = self._decide(group)
            if extension.links:
                try:
                    self._commit(extension)
                except HeadMoved:
                    self._others_at = time.monotonic()
                    self._state.roll_back()
                    if len(group) > LEAST_GROUP:
                        raise
                    continue
                self._give_way(began)
            return self._answers(decided, extension)
        raise Unavailable("writer.contended", "Other writers were faster each time.")

    def _give_way(self, began: float) -> None:
        """While other processes write too, leave them as much time as our turn has taken."""
        now = time.monotonic()
        if now - self._others_at < OTHERS_SECONDS:
            time.sleep(min(now - began, LONGEST_WAY_SECONDS))

    def _decide(
        self, group: list[Waiting]
    ) -> tuple[list[Recorded | Receipted | LedgerError], Extension]:
        extension = Extension(self._end.head)
        admission = Admission(
            self._state, self._keys, self._allocation_list, extension, self._end.stream_head
        )
        known_ids = self._known(group)
        seen: dict[str, tuple[Submission, Recorded]] = {}
        decided: list[Recorded | Receipted | LedgerError] = []
        for waiting in group:
            submission = waiting.submission
            if isinstance(submission, Commitment):
                decided.append(_committed(admission, submission, waiting.now))
                continue
            known = seen.get(submission.event.id)
            try:
                if known is not None:
                    require_same(known[0].statement, submission)
                    decided.append(replace(known[1], repeated=True))
                    continue
                if submission.event.id in known_ids:
                    decided.append(self._same_again(submission, known_ids[submission.event.id]))
                    continue
                outcome = admission.admit(submission, waiting.now)
            except Quarantined as error:
                decided.append(
                    keep_aside(self._quarantine, submission, at=waiting.now, error=error)
                )
            except LedgerError as error:
                decided.append(error)
            else:
                seen[submission.event.id] = (submission, outcome)
                decided.append(outcome)
        return decided, extension

    def _known(self, group: list[Waiting]) -> dict[str, int]:
        """Where the ids of a group stand already; one question for all of them."""
        return self._application.store.positions_of(
            [
                waiting.submission.event.id
                for waiting in group
                if isinstance(waiting.submission, Submission)
            ]
        )

    def _same_again(self, submission: Submission, seq: int) -> Receipted:
        record = self._application.record(seq)
        require_same(record.statement, submission)
        return receipted(self._application, self._end.tree, outcome_of(self._application, record))

    def _commit(self, extension: Extension) -> None:
        before, grown = self._end.head, self._end.grow(extension)
        rows, acts = self._concealed(extension)  # anew at each attempt: another may have erased
        commit = Commit(
            before=before, after=grown.head, checkpoint=grown.note, tiles=grown.tiles, openings=rows
        )
        try:
            self._application.record_group(
                extension.records, commit, entries=[link.data for link in extension.links]
            )
        except HeadMoved:
            raise
        except PersistenceError as error:
            self._settle(before, grown.head, error)
        self._end.take(grown)
        self._state.committed()
        if self._application.openings is not None:
            self._application.openings.recorded(extension.records)
        self._destroy(acts)
        if acts or any(record.type == RESTRICTED for record in extension.records):
            self._forget()

    def _concealed(self, extension: Extension) -> tuple[list[Opening], list[str]]:
        openings = self._application.openings
        if openings is None:
            raise Unavailable("concealment.no-key", "The ledger has no keys for what is sealed.")
        rows, acts = openings.conceal(extension.records, dict(extension.disclosures))
        return [Opening(*row) for row in rows], acts

    def _destroy(self, acts: Sequence[str]) -> None:
        """Destroy the keys of erasures that are committed; what cannot be done is tried again."""
        openings = self._application.openings
        if openings is None:
            return
        for act in acts:
            try:
                openings.vault.destroy(act)
                self._unfinished.pop(act, None)
            except LedgerError:
                _log.exception("The erasure %s is not finished and will be tried again", act)
                self._unfinished[act] = time.monotonic() + RETRY_SECONDS

    def _forget(self) -> None:
        """Read the state anew when something it was folded from was erased or restricted."""
        if self._application.current(self._end.head.size) != self._revision:
            self._refold()

    def _refold(self) -> None:
        self._revision = self._application.current()
        state = TrialState(self._definition, CommittedSource(self._application, self._end))
        # Web threads look keys up in it; built by one of them it could miss a later entry.
        _ = state.register
        self._state = state

    def _settle(self, before: ChainHead, after: ChainHead, error: PersistenceError) -> None:
        """Find out what an error at commit left behind: all of the group, or nothing."""
        head = self._application.store.head()
        if head == after:
            return
        if head != before:
            raise Unavailable(
                "writer.unknown-outcome", "The log moved during the commit."
            ) from error
        raise unavailable(error) from error

    def _answers(
        self, decided: list[Recorded | Receipted | LedgerError], extension: Extension
    ) -> list[Receipted | LedgerError]:
        size, note, prover = self._end.head.size, self._end.note, self._end.prover
        entries = {link.entry.seq: link.data for link in extension.links}
        return [
            Receipted(outcome, prover, size, note, repeated=outcome.repeated, entries=entries)
            if isinstance(outcome, Recorded)
            else outcome
            for outcome in decided
        ]

    def _catch_up(self) -> None:
        """Follow what other processes recorded or erased since our last commit."""
        self._destroy([act for act, at in self._unfinished.items() if time.monotonic() > at])
        head = self._application.store.head() if self._fresh else self._end.head
        if head != self._end.head:
            self._others_at = time.monotonic()
            self._fresh = self._follow(head)
        if not self._fresh:
            self._load()
        self._forget()

    def _follow(self, head: ChainHead) -> bool:
        """Take in what others recorded since; False when everything is to be read anew."""
        found = self._end.ahead(head)
        if found is None:
            return False
        records, grown = found
        for record in records:
            self._state.apply(record)
        self._end.take(grown)
        self._state.committed()
        return True

    def _load(self) -> None:
        """Read everything anew; the database must extend what this process last saw."""
        self._end.load()
        self._refold()
        self._fresh = True


def _committed(
    admission: Admission, commitment: Commitment, now: datetime
) -> Recorded | LedgerError:
    try:
        return admission.commit(commitment, now)
    except LedgerError as error:
        return error

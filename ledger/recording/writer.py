"""The one writer of a ledger in this process: group commit behind a queue.

Web threads parse and verify; this thread decides what waits, one after another, and makes one
transaction, one fsync and one signed checkpoint of it. Every caller gets his own outcome or his
own error. Nothing slow or fallible lies between the lock and the commit; after an unknown outcome
the head is read again before anything else is signed.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from eventsourcing.persistence import PersistenceError

from ledger.aggregates.trial_state import TrialState
from ledger.errors import LedgerError, Unavailable
from ledger.log.chain import ChainHead, StreamHead
from ledger.log.checkpoint import Checkpoint, sign_checkpoint
from ledger.log.tiles import TILE_WIDTH, completed_tiles, node_fetcher
from ledger.log.tree import Frontier, frontier_at, leaf_hash
from ledger.recording.admission import Admission, Commitment, Extension, Quarantined, Recorded
from ledger.recording.answering import Answering, Decided, unavailable
from ledger.recording.following import CommittedSource, follow
from ledger.recording.outcomes import Receipted, outcome_of, receipted, require_same
from ledger.recording.proving import Nodes, Prover
from ledger.recording.submission import Submission
from ledger.recording.waiting import Line, Waiting
from ledger.signing.rfc3339 import format_recorded_at
from ledger.storage.commit import Commit, HeadMoved, Opening
from ledger.storage.head_file import HeadFile, require_contained
from ledger.storage.tree_reader import StoredTree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from ledger.allocation.sealed_list import SealedList
    from ledger.application import LedgerApplication
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.signing.register import Key
    from ledger.storage.quarantine import Quarantine
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
        self._signer = keys.checkpoint_signer
        self._answering = Answering(head_file)
        self._quarantine = quarantine
        self._allocation_list = allocation_list
        self._line = Line()
        self._refusal: LedgerError | None = None
        self._fresh = False
        self._head = ChainHead()
        self._note = ""
        self._frontier = Frontier()
        self._tree = StoredTree(0, application.store)
        self._nodes: Nodes = {}
        self._stream_heads: dict[str, StreamHead] = {}
        self._unfinished: dict[str, float] = {}
        self._revision = 0
        self._others_at = -OTHERS_SECONDS
        self._load()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def tree(self) -> StoredTree:
        """The tree as of the last commit of this process."""
        return self._tree

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
        return self._line.enter(submission, now)

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
        self._answering.close()

    def _run(self) -> None:
        while group := self._line.group():
            self._serve(group)

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
        self._answering.put(Decided([waiting.future for waiting in group], outcomes, self._note))

    def _fail(self, group: list[Waiting], error: LedgerError) -> None:
        self._fresh = False
        for waiting in group:
            waiting.future.set_exception(error)

    def _record(self, group: list[Waiting]) -> list[Receipted | LedgerError]:
        deadline = time.monotonic() + CONTENTION_SECONDS
        while time.monotonic() < deadline:
            if self._refusal is not None:
                raise self._refusal
            began = time.monotonic()
            self._catch_up()
            before, decided, extension = self._decide(group)
            if extension.links:
                try:
                    self._commit(before, extension)
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
    ) -> tuple[ChainHead, list[Recorded | Receipted | LedgerError], Extension]:
        extension = Extension(self._head)
        admission = Admission(
            self._state, self._keys, self._allocation_list, extension, self._stream_head
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
                decided.append(self._keep_aside(submission, waiting.now, error))
            except LedgerError as error:
                decided.append(error)
            else:
                seen[submission.event.id] = (submission, outcome)
                decided.append(outcome)
        return self._head, decided, extension

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
        return receipted(self._application, self._tree, outcome_of(self._application, record))

    def _keep_aside(self, submission: Submission, now: datetime, error: Quarantined) -> LedgerError:
        try:
            number = self._quarantine.keep(
                submission.statement.text,
                received_at=format_recorded_at(now),
                code=error.code,
                reason=error.message,
            )
        except (sqlite3.Error, PersistenceError) as fault:
            return unavailable(fault)
        except Unavailable as fault:
            return fault
        kept = (
            f"It is kept in quarantine under number {number}."
            if number is not None
            else "The quarantine is full, it was not kept."
        )
        cause = error.cause
        return type(cause)(
            cause.code, f"{cause.message} {kept}", where=cause.where, remedy=cause.remedy
        )

    def _commit(self, before: ChainHead, extension: Extension) -> None:
        leaves = [leaf_hash(link.data) for link in extension.links]
        frontier, after = self._frontier.extend(leaves), extension.head
        checkpoint = Checkpoint(self._keys.origin, after.size, frontier.root())
        note = sign_checkpoint(checkpoint, self._signer)
        tiles = completed_tiles(before.size, leaves, self._tree)
        rows, acts = self._concealed(extension)  # anew at each attempt: another may have erased
        commit = Commit(before=before, after=after, checkpoint=note, tiles=tiles, openings=rows)
        try:
            self._application.record_group(extension.records, commit)
        except HeadMoved:
            raise
        except PersistenceError as error:
            self._settle(before, after, error)
        edge = _edge(self._tree, leaves, after.size)
        self._head, self._frontier, self._note = after, frontier, note
        self._stream_heads.update(extension.stream_heads)
        self._state.committed()
        self._tree = StoredTree(after.size, self._application.store, edge)
        self._destroy(acts)
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
        if self._application.current() != self._revision:
            self._refold()

    def _refold(self) -> None:
        self._revision = self._application.current()
        source = CommittedSource(self._application, lambda: self._head.size)
        state = TrialState(self._definition, source)
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
        size, note = self._head.size, self._note
        prover = Prover(self._tree, self._nodes)
        entries = {link.entry.seq: link.data for link in extension.links}
        return [
            Receipted(outcome, prover, size, note, repeated=outcome.repeated, entries=entries)
            if isinstance(outcome, Recorded)
            else outcome
            for outcome in decided
        ]

    def _stream_head(self, stream: str) -> StreamHead:
        return self._stream_heads.get(stream) or self._application.store.stream_head(stream)

    def _catch_up(self) -> None:
        """Follow what other processes recorded or erased since our last commit."""
        self._destroy([act for act, at in self._unfinished.items() if time.monotonic() > at])
        head = self._application.store.head() if self._fresh else self._head
        if head != self._head:
            self._others_at = time.monotonic()
            self._fresh = self._follow(head)
        if not self._fresh:
            self._load()
        self._forget()

    def _follow(self, head: ChainHead) -> bool:
        """Take in what others recorded since; False when everything is to be read anew."""
        new = follow(self._application, self._head, self._frontier, head=head, vkey=self._keys.vkey)
        if new is None:
            return False
        edge = _edge(self._tree, new.leaves, head.size)
        for record in new.records:
            self._state.apply(record)
        self._head, self._frontier, self._note = head, new.frontier, new.note
        self._stream_heads.update(new.stream_heads)
        self._state.committed()
        self._tree = StoredTree(head.size, self._application.store, edge)
        return True

    def _load(self) -> None:
        """Read everything anew; the database must extend what this process last saw."""
        store = self._application.store
        head = store.head()
        tree = StoredTree(head.size, store)
        seen = Checkpoint(self._keys.origin, self._head.size, self._frontier.root())
        held = frontier_at(seen.size, node_fetcher(tree)).root() if seen.size <= head.size else None
        require_contained(seen, size=head.size, root_at_kept=held)
        edge = store.leaf_hashes(head.size - head.size % TILE_WIDTH, head.size % TILE_WIDTH)
        self._tree = StoredTree(head.size, store, tuple(edge))
        self._frontier = frontier_at(head.size, node_fetcher(tree)) if head.size else Frontier()
        self._head = head
        self._stream_heads = {}
        self._nodes = {}
        last = store.last_checkpoint()
        self._note = last[1] if last else ""
        self._refold()
        self._fresh = True


def _committed(
    admission: Admission, commitment: Commitment, now: datetime
) -> Recorded | LedgerError:
    try:
        return admission.commit(commitment, now)
    except LedgerError as error:
        return error


def _edge(tree: StoredTree, leaves: list[bytes], size: int) -> tuple[bytes, ...]:
    known = tree.leaf_hashes(tree.size - tree.size % TILE_WIDTH, tree.size % TILE_WIDTH)
    return (*known, *leaves)[len(known) + len(leaves) - size % TILE_WIDTH :]

"""Publishing the log's head: the log's ML-DSA-44 line, and what witnesses say to it.

Threads beside the writer: one publishes the newest checkpoint at most once a second, one for each
witness has it cosigned. Nothing here stands before a commit, and an outage is only reported; but
a witness that has seen another or a longer history makes the ledger refuse to sign.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from eventsourcing.persistence import PersistenceError

from ledger.errors import LedgerError, TrustFailure, Unavailable
from ledger.log.checkpoint import open_checkpoint
from ledger.log.cosignature import add_signatures, cosign, open_cosigned
from ledger.log.policy import NO_QUORUM, Policy, parse_policy
from ledger.log.tiles import node_fetcher
from ledger.log.tree import frontier_at
from ledger.publication.witness_follower import WitnessFollower, WitnessStanding
from ledger.publication.witnessing import ANSWER_SECONDS, CONNECT_SECONDS, WitnessClient
from ledger.storage.head_file import require_contained
from ledger.storage.published import PublishedCheckpoint, PublishedCheckpoints
from ledger.storage.tree_reader import StoredTree, TileStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ledger.clock import Clock
    from ledger.log.cosignature import Cosigner
    from ledger.signing.ledger_keys import LedgerKeys

INTERVAL_SECONDS = 1.0
"""Least time between two published checkpoints, and between two requests to one witness."""

LOOK_SECONDS = 0.1
"""How often it is looked whether there is a new checkpoint to publish."""

START_SECONDS = 8.0
"""How long a start waits for witnesses; who has not answered by then is asked on and on."""

_SCAN = 100
_log = logging.getLogger("ledger.publication.publishing")


class CheckpointStore(TileStore, Protocol):
    """What publishing reads of a ledger."""

    def last_checkpoint(self) -> tuple[int, str] | None:
        """The newest checkpoint: its size and note."""


@dataclass(frozen=True, slots=True)
class CosignedHead:
    """The newest checkpoint that the policy's quorum cosigned, with the time of each witness."""

    size: int
    note: str
    times: dict[str, int]
    missing: tuple[str, ...]


class Publisher:
    """Publishes checkpoints and follows the witnesses of a policy.

    ``refuse`` is called with what forbids to sign. Until ``start`` nothing runs.

    Raises:
        TrustFailure: ``policy.other-log`` when the policy names logs but not this one.
    """

    def __init__(
        self,
        store: CheckpointStore,
        keys: LedgerKeys,
        published: PublishedCheckpoints,
        policy: Policy | None,
        *,
        clock: Clock,
        refuse: Callable[[LedgerError], None],
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self.policy = policy
        self._store = store
        self._vkey = keys.vkey
        self._cosigner = keys.cosigner
        self._published = published
        self._clock = clock
        self._refuse = refuse
        self._interval = interval
        self._stopped = threading.Event()
        self._publishing = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._cosigned: CosignedHead | None = None
        if policy is not None:
            _require_own(policy, keys)
        self._witnesses = [
            WitnessFollower(
                WitnessClient(witness, self._vkey, store, self.head),
                published,
                interval=interval,
                stopped=self._stopped,
                halt=self.halt,
            )
            for witness in (policy.witnesses if policy else ())
        ]

    def start(self) -> None:
        """Compare with what was published, publish, ask every witness once, then go on in threads.

        Returns when all witnesses have answered or START_SECONDS are over. When the database
        lacks what was published or cosigned before, ``refuse`` has been called on return.
        """
        try:
            self._require_published_contained()
        except TrustFailure as error:
            self.halt(error)
            return
        self._attempt()
        pool = ThreadPoolExecutor(max(1, len(self._witnesses)), thread_name_prefix="witness-start")
        rounds = [pool.submit(one.round) for one in self._witnesses]
        wait(rounds, timeout=START_SECONDS)
        pool.shutdown(wait=False)
        if self._stopped.is_set():
            return
        targets = [("publisher", self._run), *((w.name, w.run) for w in self._witnesses)]
        for name, target in targets:
            thread = threading.Thread(target=target, name=f"publish-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Stop the threads; a request to a witness under way is waited for, within bounds."""
        self._stopped.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=CONNECT_SECONDS + ANSWER_SECONDS)
        for one in self._witnesses:
            one.close()

    def halt(self, error: LedgerError) -> None:
        """Stop publishing for good, because nothing may be signed any more."""
        self._stopped.set()
        _log.critical("The ledger refuses to sign: %s", error.message)
        self._refuse(error)

    def publish(self) -> PublishedCheckpoint:
        """Publish the newest checkpoint, if it is not yet; give it with all its signatures.

        Raises Unavailable ``checkpoint.none`` or ``published.unavailable``.
        """
        with self._publishing:
            newest = self._store.last_checkpoint()
            if newest is None:
                raise Unavailable("checkpoint.none", "The log has no checkpoint yet.")
            size, note = newest
            return publish_checkpoint(
                self._published, size, note, cosigner=self._cosigner, clock=self._clock
            )

    def newest(self) -> PublishedCheckpoint | None:
        """The newest published checkpoint, with all its signatures."""
        return self._published.newest()

    def head(self, at_least: int) -> PublishedCheckpoint:
        """The newest published checkpoint; if it is smaller than asked, a newer one if there is.

        Raises as ``publish``.
        """
        newest = self._published.newest()
        return newest if newest is not None and newest.size >= at_least else self.publish()

    def signed(self, size: int, note: str) -> str:
        """The note of a checkpoint with every further signature it has by now."""
        try:
            known = self._published.at(size)
        except Unavailable:  # a reader is served what the ledger itself holds
            return note
        return note if known is None else known.note

    def standings(self) -> tuple[WitnessStanding, ...]:
        """How each witness stands, in the policy's order."""
        return tuple(one.standing for one in self._witnesses)

    def cosigned(self) -> CosignedHead | None:
        """The newest checkpoint with the policy's quorum, None while there is none."""
        if self.policy is None:
            return None
        if self.policy.quorum == NO_QUORUM:
            newest = self._published.newest()
            return None if newest is None else self._judge(newest)
        after = self._cosigned.size if self._cosigned else 0
        for one in self._published.cosigned_after(after, limit=_SCAN):
            head = self._judge(one)
            if self.policy.satisfied(head.times):
                self._cosigned = head
                break
        return self._cosigned

    def _judge(self, one: PublishedCheckpoint) -> CosignedHead:
        policy = self.policy
        if policy is None:
            return CosignedHead(one.size, one.note, {}, ())
        held = open_cosigned(one.note, self._vkey, [w.vkey for w in policy.witnesses])
        times = dict(policy.times(held.cosignatures))
        return CosignedHead(one.size, one.note, times, policy.missing(times))

    def _require_published_contained(self) -> None:
        newest, head = self._published.newest(), self._store.last_checkpoint()
        if newest is None or head is None:
            return
        kept = open_checkpoint(newest.note, self._vkey)
        root = None
        if kept.size <= head[0]:
            node = node_fetcher(StoredTree(head[0], self._store))
            root = frontier_at(kept.size, node).root()
        require_contained(kept, size=head[0], root_at_kept=root)

    def _attempt(self) -> int | None:
        try:
            return self.publish().size
        except Exception:  # noqa: BLE001 - the thread must outlive any fault
            _log.exception("The newest checkpoint could not be published")
            return None

    def _run(self) -> None:
        last, due = 0, 0.0
        while not self._stopped.wait(min(LOOK_SECONDS, self._interval)):
            if time.monotonic() < due:
                continue
            try:
                newest = self._store.last_checkpoint()
            except (LedgerError, PersistenceError):
                continue
            if newest is not None and newest[0] != last:
                last = self._attempt() or last
                due = time.monotonic() + self._interval


def publish_checkpoint(
    published: PublishedCheckpoints, size: int, note: str, *, cosigner: Cosigner, clock: Clock
) -> PublishedCheckpoint:
    """Publish one checkpoint with the log's ML-DSA-44 line, if it is not yet; give all its lines.

    Raises Unavailable ``published.unavailable``.
    """
    known = published.at(size)
    if known is not None:
        return known
    line = cosign(note, cosigner, time=int(clock.now().timestamp()))
    published.publish(size, add_signatures(note, [line]))
    return published.at(size) or PublishedCheckpoint(size, note)


def read_policy(path: Path) -> Policy:
    """Read a policy file from disk; raises TrustFailure ``policy.…``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrustFailure(
            "policy.unreadable", f"The policy file {path.name} cannot be read ({error.strerror})."
        ) from error
    return parse_policy(data)


def _require_own(policy: Policy, keys: LedgerKeys) -> None:
    if policy.logs and all(log.vkey not in keys.vkeys for log in policy.logs):
        raise TrustFailure(
            "policy.other-log",
            f"The policy names logs, but not this one ({keys.vkey}).",
            remedy="Add this log's verifier key, or leave all log lines out.",
        )

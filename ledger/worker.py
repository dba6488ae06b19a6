"""A trial's ledger as a web worker holds it: it reads by itself and has its writer elsewhere.

The writer's process alone checks the head, signs, publishes and follows witnesses; what it says of
all this stands here too, so that every worker gives the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.publication.publishing import INTERVAL_SECONDS, Publisher
from ledger.recording.remote import RemoteWriter, away
from ledger.recording.wire import Standing, heard
from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.published import PublishedCheckpoints

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.clock import Clock
    from ledger.errors import LedgerError
    from ledger.log.policy import Policy
    from ledger.publication.timestamp_follower import TimestampStanding
    from ledger.publication.witness_follower import WitnessStanding
    from ledger.signing.ledger_keys import LedgerKeys
    from ledger.storage.database import Database
    from ledger.storage.store import LedgerStore


class WorkerLedger(TrialLedger):
    """An open ledger whose writer answers on a socket; ``refusal`` is what that process says."""

    def __init__(
        self,
        database: Database | str,
        files: LedgerFiles | None = None,
        *,
        address: str,
        key: bytes,
        clock: Clock | None = None,
    ) -> None:
        """Open a ledger for a worker; ``address`` and ``key`` are those of the writer's socket."""
        self._address = address
        self._key = key
        self.standing = Standing()
        super().__init__(database, files, clock=clock)

    @property
    def waiting(self) -> int:
        """How many submissions wait for the writer, of all workers."""
        return self.standing.waiting

    def publish(self, policy: Policy | None = None, *, interval: float = INTERVAL_SECONDS) -> None:
        """Show what the writer's process publishes; nothing is published from here."""
        self.publisher = WatchedPublisher(
            self.application.store,
            self.keys,
            PublishedCheckpoints(self.files.published),
            policy,
            clock=self.clock,
            refuse=self.refuse,
            interval=interval,
            witnesses=lambda: tuple(heard(one) for one in self.standing.witnesses),
        )

    def _open_writer(self) -> None:
        self.refusal = away()
        self.writer = RemoteWriter(self.application, self._address, key=self._key, heard=self._hear)

    def _writer(self) -> RemoteWriter:
        # It says itself that it is away; only a refusal to sign is known before.
        if not isinstance(self.writer, RemoteWriter) or self.standing.refusal is not None:
            raise self._unsigned()
        return self.writer

    def _hear(self, standing: Standing | None) -> None:
        if standing is None:
            self.refusal = away()
            return
        self.standing = standing
        self.refusal = None if standing.refusal is None else standing.refusal.error()
        self.list_root = standing.list_root


class WatchedPublisher(Publisher):
    """What another process publishes, read where it keeps it; ``witnesses`` says how they stand."""

    def __init__(
        self,
        store: LedgerStore,
        keys: LedgerKeys,
        published: PublishedCheckpoints,
        policy: Policy | None,
        *,
        clock: Clock,
        refuse: Callable[[LedgerError], None],
        interval: float,
        witnesses: Callable[[], tuple[WitnessStanding, ...]],
    ) -> None:
        super().__init__(
            store, keys, published, policy, clock=clock, refuse=refuse, interval=interval
        )
        self._watched = witnesses

    def standings(self) -> tuple[WitnessStanding, ...]:
        """How each witness stands, as the process that asks it says."""
        return self._watched()


class WatchedStamping:
    """How time-stamping stands, as the process that has it done says."""

    def __init__(self, ledger: WorkerLedger, unknown: TimestampStanding) -> None:
        self._ledger = ledger
        self._unknown = unknown

    @property
    def standing(self) -> TimestampStanding:
        """The last one heard of."""
        told = self._ledger.standing.stamping
        return self._unknown if told is None else heard(told)

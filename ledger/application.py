"""The event-sourced application: records in, chronicles out, on the library's machinery."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import Environment, EnvType

from ledger.aggregates.chronicle import Chronicle, RecordMapper, project_chronicle
from ledger.concealment.following import FollowedRestrictions
from ledger.concealment.serving import merged as merged_openings
from ledger.errors import RejectedInput
from ledger.log.entry import parse_entry
from ledger.record import read_record
from ledger.signing.rfc3339 import format_recorded_at
from ledger.storage.database import Database, Engine
from ledger.storage.migrations import migrate
from ledger.storage.postgres import PostgresLedgerFactory, PostgresLedgerRecorder
from ledger.storage.private_file import create_private
from ledger.storage.quarantine import PostgresQuarantine, Quarantine, SQLiteQuarantine
from ledger.storage.sqlite import SQLiteLedgerFactory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from eventsourcing.persistence import InfrastructureFactory, Mapper

    from ledger.concealment.openings import Openings
    from ledger.concealment.restricted import Restrictions
    from ledger.record import Record
    from ledger.storage.commit import Commit
    from ledger.storage.store import LedgerStore


class LedgerApplication(Application[str]):
    """Keeps entries as stored events of their streams; see ``ledger.service`` for the ways in."""

    name = "trial-ledger"

    def __init__(self, database: Database | str, *, create: bool = True) -> None:
        """Open a database; with ``create`` it is migrated first.

        Raises RejectedInput ``settings.no-database`` for a file that is not there, and what
        ``migrate`` raises for a database that cannot be migrated.
        """
        self.database = Database.of(database)
        if self.database.engine is Engine.SQLITE and not create:
            _require_file(self.database.path)
        self._create = create
        self.openings: Openings | None = None
        self._revision = 0
        self._withheld = (0, -1)
        self._followed = FollowedRestrictions(lambda: self.store)
        super().__init__({"AGGREGATE_CACHE_MAXSIZE": "2048", "DEEPCOPY_FROM_AGGREGATE_CACHE": "n"})

    @property
    def path(self) -> Path:
        """The path beside which the ledger's files lie; for SQLite the database file itself."""
        return self.database.place

    @property
    def store(self) -> LedgerStore:
        """The recorder, for everything that is read by position."""
        return cast("LedgerStore", self.recorder)

    def quarantine(self) -> Quarantine:
        """The quarantine beside the log; what it holds is concealed as openings are."""
        if isinstance(self.recorder, PostgresLedgerRecorder):
            return PostgresQuarantine(self.recorder.datastore, self.openings)
        return SQLiteQuarantine(self.database.path, self.openings)

    def conceal(self, openings: Openings) -> None:
        """From now on read and write openings through a vault; ``close`` closes it.

        Without one, concealed openings are counted as withheld.
        """
        self.openings = openings
        self._drop()

    @property
    def restrictions(self) -> Restrictions:
        """Which personal data are no longer served."""
        self.current()
        return self._followed.restrictions

    def withheld_at(self, start: int, stop: int) -> dict[int, str]:
        """The positions in a range whose entries are not served, each with the act that says so."""
        restrictions = self.restrictions
        if not restrictions:
            return {}
        found = self.store.positions_of(sorted(restrictions.events()))
        return {
            seq: str(restrictions.concerns(event_id))
            for event_id, seq in found.items()
            if start <= seq < stop
        }

    @property
    def fingerprint(self) -> str:
        """Names what was erased and restricted: views made under another one are stale.

        Empty where openings cannot be read, for want of a vault.
        """
        if self.openings is None:
            return ""
        self.current()
        return f"{self.openings.fingerprint()}/{len(self._followed.restrictions)}"

    def close(self) -> None:
        """Close the database and the vault."""
        super().close()
        if self.openings is not None:
            self.openings.vault.close()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """Only our own settings: the process environment must not choose classes."""
        return Environment(name, dict(env or {}))

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:  # noqa: ARG002 - ours is fixed
        """The factory of our recorder."""
        if self.database.engine is Engine.POSTGRESQL:
            if self._create:
                migrate(self.database)
            return PostgresLedgerFactory(self.database.settings)
        if self._create:
            create_private(self.database.path)
        return SQLiteLedgerFactory(str(self.database.path), create=self._create)

    def construct_mapper(self) -> Mapper[str]:
        """The mapper between records and stored entries."""
        return RecordMapper(self._read)

    def _read(self, data: bytes) -> Record:
        bare = read_record(data)
        # The recorder is made after the mapper that calls this.
        kept = self.store.openings(bare.seq, bare.seq + 1) if bare.withheld else {}
        return self._merged([bare], kept)[0]

    def _merged(self, bare: Sequence[Record], kept: Mapping[int, Sequence[str]]) -> list[Record]:
        return merged_openings(
            bare, kept, openings=self.openings, restrictions=self._followed.restrictions
        )

    def current(self, size: int | None = None) -> int:
        """Drop what was read as soon as something of it was erased or restricted since.

        Gives a number that grows each time; who holds records read under another reads them anew.
        ``size`` is that of the log, for who has just read it.
        """
        found = self._followed.follow(size)
        generation = -1 if self.openings is None else self.openings.vault.store.generation()
        if (found, generation) != self._withheld:
            # Noted last: no other thread may go on with what is about to be dropped.
            self._drop()
            self._withheld = found, generation
        return self._revision

    def _drop(self) -> None:
        self._revision += 1
        self._repository = self.construct_repository()

    def stream(self, name: str) -> Sequence[Record]:
        """The records of a stream, cached and fast-forwarded by the repository."""
        self.current()
        return self.stream_as_read(name)

    def stream_as_read(self, name: str) -> Sequence[Record]:
        """The same for who has just looked, by ``current``, and reads several streams."""
        try:
            chronicle: Chronicle = self.repository.get(
                name, projector_func=project_chronicle
            )  # fmt: skip
        except AggregateNotFoundError:
            return ()
        return chronicle.records

    def merged(self, *streams: str) -> list[Record]:
        """The records of several streams, in order of the log."""
        return list(heapq.merge(*(self.stream(name) for name in streams), key=lambda r: r.seq))

    def of_types(self, types: Sequence[str]) -> Sequence[Record]:
        """The records of some types over all streams, in order of the log."""
        return [self.record(seq) for seq in self.store.positions_of_types(types)]

    def record(self, seq: int) -> Record:
        """The record at a position; raises RejectedInput when there is none."""
        data = self.store.entry(seq)
        if data is None:
            raise RejectedInput("event.unknown-position", f"The log has no entry {seq}.")
        self.current()
        return self._merged([read_record(data)], self.store.openings(seq, seq + 1))[0]

    def records(self, start: int, stop: int) -> list[Record]:
        """The records in ``start <= seq < stop``, at most a page of them is advisable."""
        self.current()
        bare = [read_record(data) for _, data in self.store.entries(start, stop)]
        return self._merged(bare, self.store.openings(start, stop))

    def position_at(self, instant: datetime) -> int:
        """How many entries had been recorded by an instant (``recorded_at`` never decreases)."""
        store, wanted = self.store, format_recorded_at(instant)
        low, high = 0, store.head().size
        while low < high:
            middle = (low + high) // 2
            data = store.entry(middle)
            if data is not None and parse_entry(data).recorded_at <= wanted:
                low = middle + 1
            else:
                high = middle
        return low

    def record_group(
        self, records: Sequence[Record], commit: Commit, *, entries: Sequence[bytes] = ()
    ) -> None:
        """Store a group of records with all that enters with them, in one transaction.

        ``entries`` are the bytes of their entries, for who has them at hand.
        """
        # Not by the library's ``save``, which makes notifications of it all that nobody reads.
        self.store.insert_events(
            [
                StoredEvent(record.stream, record.originator_version, record.type, data)
                for record, data in zip(
                    records, entries or [record.entry.to_bytes() for record in records], strict=True
                )
            ],
            commit=commit,
            event_ids=[UUID(record.id).bytes for record in records],
        )
        self._followed.recorded(records)


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise RejectedInput(
            "settings.no-database",
            f"There is no ledger at {path}.",
            remedy="Check --database, or begin with trial-ledger demo or init.",
        )

"""A trial opened for load: keys, roles, approvals, sites and the sealed list, all by statements."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from benchmarks.people import (
    ETHICS,
    REGISTRAR,
    SPONSOR,
    STATISTICIAN,
    Site,
    Staff,
    identity,
    trial_wide,
)
from benchmarks.people import site as site_of
from ledger.allocation.sealed_list import SealedList
from ledger.application import LedgerApplication
from ledger.errors import LedgerError
from ledger.recording.genesis import Sponsor, open_trial
from ledger.service import LedgerFiles, TrialLedger
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.copying import copy_file
from ledger.storage.database import Database, Engine
from ledger.storage.head_file import HeadFile
from ledger.storage.postgres_copying import copy_to_postgres
from ledger.trials import TrialDefinition, load_trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from api.identity import Identity, SignedEvent
    from ledger.signing.strict_json import JsonObject

ORIGIN: Final = "ledger.example/benchmark"
LANGUAGE: Final = "zh-Hans"
FORM: Final = hashlib.sha256(b"consent form 1.0").hexdigest()
_GROUP: Final = 500


@dataclass(frozen=True, slots=True)
class Founded:
    """A ledger that is ready for subjects: its database with its files, its trial, its sites."""

    database: Database
    trial: str
    sites: tuple[Site, ...]

    @property
    def files(self) -> LedgerFiles:
        """Where its files lie."""
        return LedgerFiles.of(self.database)

    @property
    def engine(self) -> str:
        """Which kind of database holds it, as rows name it."""
        return str(self.database.engine)

    @property
    def arguments(self) -> list[str]:
        """How ``trial-ledger`` is told to use it."""
        named = ["--database", self.database.url]
        if self.database.engine is Engine.SQLITE:
            return named
        return [*named, "--files", str(self.database.place.parent)]

    def open(self) -> TrialLedger:
        """Open it; whoever opens it closes it."""
        return TrialLedger(self.database, self.files)

    def copy(self, directory: Path) -> Founded:
        """A copy of the closed ledger in SQLite as it is now, in a directory of its own."""
        shutil.copytree(self.database.path.parent, directory)
        path = directory / self.database.path.name
        return replace(self, database=Database.parse(f"sqlite:///{path}"))

    def carried(self, url: str, directory: Path) -> Founded:
        """A copy in an empty PostgreSQL database, its files in a directory of its own."""
        database = Database.parse(url, files=directory)
        database.prepare()
        copy_to_postgres(self.database.path, database)
        path = self.database.path
        for file in path.parent.glob(f"{path.name}.*"):
            if not file.name.endswith((".projections", ".lock")):
                suffix = file.name.removeprefix(path.name)
                copy_file(file, database.place.with_name(database.place.name + suffix))
        return replace(self, database=database)


def found(directory: Path, *, sites: int, at: datetime) -> Founded:
    """Open the seed's trial with that many sites; everything is dated in the month before."""
    directory.mkdir(parents=True, exist_ok=True)
    database = Database.parse(f"sqlite:///{directory / 'ledger.sqlite3'}")
    files = LedgerFiles.of(database)
    definition = load_trial("xhnkky-dfsc")
    keys = LedgerKeys.from_seed(ORIGIN, hashlib.sha256(b"benchmark/ledger").digest())
    keys.save(files.keys)
    sealed = SealedList.draw(
        definition.protocol.allocation,
        definition.protocol.planned_number,
        block_sizes=(4, 6),
        seed=hashlib.sha256(b"benchmark/list").digest(),
    )
    sealed.save(files.allocation)
    sponsor = identity(SPONSOR)
    begin = at - timedelta(days=30)
    application = LedgerApplication(database)
    try:
        open_trial(
            application,
            definition,
            keys,
            Sponsor(sponsor.source, "Sponsor of the trial", sponsor.key),
            head_file=HeadFile(files.head),
            at=begin,
            demonstration=True,
        )
    finally:
        application.close()
    founded = Founded(
        database, definition.protocol.trial, tuple(site_of(n + 1) for n in range(sites))
    )
    statements = list(_Founding(definition, sealed, begin).statements(founded.sites))
    with founded.open() as ledger:
        record(ledger, statements, begin + timedelta(days=2))
    return founded


def record(ledger: TrialLedger, events: Sequence[SignedEvent], now: datetime) -> None:
    """Record events that must all enter; raises the error of the first that does not."""
    for start in range(0, len(events), _GROUP):
        group = events[start : start + _GROUP]
        received = [ledger.receive(event.text, event.disclosures) for event in group]
        for event, answer in zip(group, ledger.submit_all(received, now), strict=True):
            if isinstance(answer, LedgerError):
                raise answer
            if answer.outcome.refused and answer.outcome.result_seq is not None:
                result = ledger.application.record(answer.outcome.result_seq)
                raise RuntimeError(f"{event.type} was refused: {result.data['rules']}")


@dataclass(slots=True)
class _Founding:
    definition: TrialDefinition
    sealed: SealedList
    now: datetime

    def statements(self, sites: Sequence[Site]) -> Iterator[SignedEvent]:
        others = trial_wide()
        yield self._register(others[REGISTRAR], by=SPONSOR)
        yield self._grant(others[REGISTRAR], by=SPONSOR)
        for staff in (others[STATISTICIAN], others[ETHICS]):
            yield self._register(staff)
            yield self._grant(staff)
        approvals = [self._approve("protocol"), self._approve("icf")]
        yield from approvals
        for site in sites:
            yield from self._open_site(site, [approval.id for approval in approvals])
        yield self._sign(
            identity(STATISTICIAN),
            "randomization-list.sealed.v1",
            "allocation/main",
            self.sealed.commitment(
                generator=STATISTICIAN, protocol_version=self.definition.protocol.version
            ),
        )

    def _open_site(self, site: Site, approvals: Sequence[str]) -> Iterator[SignedEvent]:
        for staff in site.staff:
            yield self._register(staff)
            yield self._grant(staff)
        data: JsonObject = {
            "site": site.name,
            "name": f"Hospital {site.name}",
            "timezone": "Asia/Shanghai",
            "approvals": [*approvals],
            "activated_on": self.now.date().isoformat(),
        }
        sponsor = identity(SPONSOR)
        yield self._sign(sponsor, "site.activated.v1", f"site/{site.name}", data)
        for staff in site.staff:
            if staff.tasks:
                yield self._delegate(staff, site)

    def _delegate(self, staff: Staff, site: Site) -> SignedEvent:
        data: JsonObject = {
            "person": staff.id,
            "site": site.name,
            "qualification": {"physician": staff.physician},
            "tasks": [*staff.tasks],
            "from": (self.now - timedelta(days=1)).date().isoformat(),
        }
        return self._sign(site.investigator.identity, "staff.delegated.v1", "access", data)

    def _register(self, staff: Staff, *, by: str = REGISTRAR) -> SignedEvent:
        who = staff.identity
        kind = "person" if who.person else "system"
        data: JsonObject = {
            "jwk": who.key.public.as_object(),
            "owner": {"kind": kind, "id": who.source, "name": f"Holder of {staff.role}"},
        }
        if not who.person:
            data["source_prefix"] = who.source
        proof = who.at(self.now).signer("approval" if who.person else None)
        return identity(by).at(self.now).sign(
            "key.registered.v1",
            "access",
            data,
            trial=self.definition.protocol.trial,
            time=self.now,
            meaning="approval",
            also=[proof],
        )  # fmt: skip

    def _grant(self, staff: Staff, *, by: str = REGISTRAR) -> SignedEvent:
        data: JsonObject = {"holder": staff.id, "role": staff.role, "scope": staff.scope}
        if staff.identity.person and staff.scope != "trial":
            data["qualification"] = {"physician": staff.physician}
        return self._sign(identity(by), "role.granted.v1", "access", data)

    def _approve(self, doc_type: str) -> SignedEvent:
        data: JsonObject = {
            "doc_type": doc_type,
            "version": "1.0",
            "language": LANGUAGE,
            "sha256": FORM,
            "body": "Ethics Committee",
            "decision": "approved",
            "approved_on": self.now.date().isoformat(),
            "effective_from": self.now.isoformat(),
        }
        return self._sign(identity(ETHICS), "document.approved.v1", "trial", data)

    def _sign(self, who: Identity, type_name: str, stream: str, data: JsonObject) -> SignedEvent:
        trial = self.definition.protocol.trial
        return who.at(self.now).sign(
            type_name, stream, data, trial=trial, time=self.now, meaning="approval"
        )

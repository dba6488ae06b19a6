"""The same model drives a ledger in PostgreSQL; the misfortunes are those of a server."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis.stateful import consumes, initialize, rule

from ledger.service import LedgerFiles, TrialLedger
from ledger.storage.database import Database
from ledger.storage.open_evidence import open_evidence
from ledger.verification.run import verify
from tests.ledger.build_service import open_postgres_copy
from tests.model.test_model import SOAK, LedgerMachine, run

if TYPE_CHECKING:
    from tests.build_ledger import BuiltLedger
    from tests.postgres_server import PostgresServer


class PostgresMachine(LedgerMachine):
    """One ledger in PostgreSQL; a backup is a copy of its database."""

    server: ClassVar[PostgresServer]
    backups = LedgerMachine.backups

    @initialize()
    def begin(self) -> None:
        """A copy of the template, open."""
        self.made: list[str] = []
        self.built = open_postgres_copy(self.template, self.server, self.place / "files")
        self.made.append(self.built.database.place.name)
        self.size = self.built.ledger.application.store.head().size

    def teardown(self) -> None:
        """Verify everything, then throw it away."""
        try:
            if hasattr(self, "built"):
                self.built.close()
                with open_evidence(self.built.database, head_file=self.built.files.head) as source:
                    report = verify(source)
                assert [str(found) for found in report.findings] == []
                assert report.size == self.size
        finally:
            for name in getattr(self, "made", ()):
                self.server.drop(name)
            shutil.rmtree(self.place, ignore_errors=True)

    @rule()
    def lose_all_connections(self) -> None:
        """The server was restarted, or an administrator ended all sessions; the node goes on."""
        self._end_sessions()

    @rule(target=backups)
    def back_up(self) -> object:
        """A copy of the database, taken between two runs of the service."""
        self.built.close()
        name = self._copied(self.built.database.place.name)
        self._open()
        return name, self.size

    @rule(backup=consumes(backups))
    def lose_the_database_and_restore(self, backup: tuple[str, int]) -> None:
        """A copy that is behind the head file refuses to sign; one that is not goes on."""
        name, size = backup
        self.built.close()
        files, url = self.built.files, self.server.url(name)
        if size < self.size:
            with closing(TrialLedger(self._named(url), files)) as ledger:
                assert ledger.refusal is not None
                assert ledger.refusal.code == "head.rolled-back"
                assert ledger.application.store.head().size == size
        else:
            self._renamed(name)
        self._open()

    def _end_sessions(self) -> None:
        self.server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{self.built.database.place.name}'"
        )

    def _abandon(self) -> None:
        """The process is gone: its sessions end without a word, its files stay as they are."""
        self._end_sessions()
        self.built.ledger.close()

    def _copied(self, name: str) -> str:
        copy = self.server.create(name)
        self.made.append(copy)
        return copy

    def _named(self, url: str) -> Database:
        """A database whose files lie under this ledger's name."""
        return Database(self.built.database.engine, self.built.database.place, url)

    def _renamed(self, name: str) -> None:
        """Go on with a restored database; the files are called after it."""
        place = self.built.database.place
        for path in place.parent.iterdir():
            if path.name.startswith(place.name):
                path.rename(path.with_name(path.name.replace(place.name, name)))
        self.built.url = self.server.url(name)
        self.built.files = LedgerFiles.beside(place.with_name(name))

    def _open(self) -> None:
        self.built.ledger = TrialLedger(self.built.database, self.built.files)
        assert self.built.ledger.refusal is None, self.built.ledger.refusal


@pytest.fixture
def machine(postgres: PostgresServer, postgres_template: BuiltLedger) -> type[PostgresMachine]:
    """The machine over the session's template."""
    PostgresMachine.server, PostgresMachine.template = postgres, postgres_template
    return PostgresMachine


@pytest.mark.long
def test_a_ledger_in_postgresql_is_what_its_senders_were_told(
    machine: type[PostgresMachine],
) -> None:
    """Some courses, others on each run; many more under LEDGER_SOAK."""
    run(machine, examples=100 if SOAK else 4, steps=25)

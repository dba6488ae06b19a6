"""A ledger put back from a backup, and what is known to be missing from it.

The restored ledger may sign only when it holds everything the log has ever signed: the largest
head known from anywhere (the head file, a receipt, a witness, a bundle) is put into the head
file, so that a ledger that is behind it refuses to sign by itself.
"""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.application import LedgerApplication
from ledger.concealment.openings import Openings
from ledger.concealment.settings import has_keys, open_vault
from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, Unavailable
from ledger.events.conformance import Conformance
from ledger.log.note import VerifierKey
from ledger.log.tiles import node_fetcher
from ledger.log.tree import frontier_at
from ledger.recording.genesis import read_genesis
from ledger.storage.backup import named_database, sound_or_raise
from ledger.storage.copying import copy_file, role_files, sync_directory
from ledger.storage.database import Database, Engine
from ledger.storage.evidence import DatabaseEvidence
from ledger.storage.head_file import HeadFile, require_contained
from ledger.storage.known_heads import KnownHeads
from ledger.storage.postgres_copying import carried_to_postgres, holds_entries
from ledger.storage.regaining import Regaining
from ledger.storage.staging import Staging
from ledger.storage.tree_reader import StoredTree
from ledger.verification.crew import crew_for
from ledger.verification.foreseen import ForeseeingCrew
from ledger.verification.run import verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ledger.log.checkpoint import Checkpoint
    from ledger.service import LedgerFiles
    from ledger.storage.backup import Backup
    from ledger.storage.evidence_postgres import PostgresEvidence
    from ledger.storage.supplies import Supply
    from ledger.verification.report import RootOfTrust, VerificationReport
    from ledger.verification.run import Progress


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back.

    ``backed_up`` entries came from the backup, ``regained`` ones from other copies; ``known`` is
    the largest head the log is known to have signed. ``refusal`` says why the ledger will not
    sign, None when it will; ``placed`` names the files put in place, ``kept`` those that were
    there and stayed, ``absent`` those that the operator has to bring. ``nonconforming`` says which
    payloads are not what this version's vocabulary asks for: the log holds them as they are.
    """

    report: VerificationReport
    backed_up: int
    regained: int
    known: Checkpoint
    refusal: LedgerError | None
    outside: bool
    placed: tuple[str, ...]
    kept: tuple[str, ...]
    absent: tuple[str, ...]
    nonconforming: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[int, int] | None:
        """First and last position of what was signed and is not there."""
        size = self.report.size
        return (size, self.known.size - 1) if self.known.size > size else None


def restore(
    backup: Backup,
    database: Database | Path,
    files: LedgerFiles,
    *,
    place: Path | None = None,
    supplies: Sequence[Supply] = (),
    notes: Iterable[str] = (),
    trust: RootOfTrust | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Put a backup in place, bring back what others hold, verify it all, and keep the last head.

    Nothing there is overwritten; a head file, keys and published checkpoints that outlived the
    database stay. ``place`` is the path beside which the further files lie, the database's own if
    None. ``notes`` are signed checkpoints known from elsewhere. For PostgreSQL, whose database is
    to be empty, all is made ready in a file beside those and carried over in one transaction; it
    is verified as it stands there, before that transaction ends.

    Raises:
        RejectedInput: ``restore.exists`` when there is a database, or entries in it, already.
        Unavailable: ``copy.failed`` when PostgreSQL does not take the rows.
        IntegrityFailure: ``backup.damaged`` when what was restored does not verify,
            ``restore.other-history`` and ``chain.…`` as `Regaining.take`. Nothing is left then.
    """
    named = named_database(database)
    place = place or named.place
    staged = _staged(named)
    vkey = VerifierKey.parse(str(backup.manifest["vkey"]))
    named.prepare()
    heads = KnownHeads(vkey)
    heads.take(files, notes)
    heads.add(backup.file("head").read_text(encoding="utf-8"))
    about = backup.size + sum(supply.about() for supply in supplies)
    payloads = Conformance()
    try:
        with crew_for(about, None, payloads) as examining, ForeseeingCrew(examining) as crew:
            copy_file(backup.database, staged)
            regained = _regain(staged, supplies, heads, crew, place=place)
            refusal, decisive = _refusal(staged, heads)
            with _putting(staged, named) as source:
                report = verify(
                    source, trust=trust, progress=progress, jobs=crew, payloads=payloads
                )
                sound_or_raise(report, "The restored database")
                _require_protected(source)
                # The head first: killed in between, it is there and the database is not.
                placed, kept, absent = _place(backup, files, place)
                HeadFile(files.head).write(heads.by_size[decisive.size][1])
    finally:
        for suffix in ("", "-wal", "-shm"):
            staged.with_name(staged.name + suffix).unlink(missing_ok=True)
    return Restored(
        report, backup.size, regained, heads.largest, refusal, bool(heads.outside),
        placed, kept, absent, tuple(payloads.found),
    )  # fmt: skip


def _regain(
    staged: Path,
    supplies: Sequence[Supply],
    heads: KnownHeads,
    crew: ForeseeingCrew,
    *,
    place: Path,
) -> int:
    """Extend the staged database by what the supplies hold; gives how many entries came back."""
    if not supplies:
        return 0
    with closing(Staging(staged)) as staging:
        with closing(LedgerApplication(f"sqlite:///{staged}", create=False)) as application:
            if has_keys(place):
                trial = read_genesis(application).trial
                application.conceal(Openings(open_vault(trial, place)))
            regaining = Regaining(application, staging, crew)
            began = regaining.size
            for supply in supplies:
                heads.offer(supply.notes(began), crew.executor)
            known = heads.by_size | heads.supplied
            # One copy may reach only as far as another begins.
            while sum([regaining.take(supply, known) for supply in supplies]):
                pass
            crew.foresee_rest()
            regaining.keep_openings()
        staging.finish()
    return regaining.size - began


def _refusal(staged: Path, heads: KnownHeads) -> tuple[LedgerError | None, Checkpoint]:
    """What the ledger's own start will say, and the head to keep so that it does."""
    application = LedgerApplication(f"sqlite:///{staged}", create=False)
    try:
        store = application.store
        size = store.head().size
        node = node_fetcher(StoredTree(size, store))
        wanted = {**heads.outside, heads.largest.size: heads.largest}
        for _, known in sorted(wanted.items()):  # a fork, where there is one, before the end
            held = frontier_at(known.size, node).root() if known.size <= size else None
            try:
                require_contained(known, size=size, root_at_kept=held)
            except LedgerError as error:
                forked = known.size <= size
                return error, known if forked else heads.largest
    finally:
        application.close()
    return None, heads.largest


def _place(
    backup: Backup, files: LedgerFiles, place: Path
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    placed, kept, absent = [], [], []
    wanted = role_files(files, place)
    for role in (*backup.roles, *backup.left_out):
        path = wanted.get(role, place.with_name(f"{place.name}.{role}"))
        if role == "head":
            continue
        if path.exists():
            kept.append(role)
        elif backup.file(role).is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            copy_file(backup.file(role), path)
            placed.append(role)
        else:
            absent.append(role)
    return tuple(placed), tuple(kept), tuple(absent)


def _staged(database: Database) -> Path:
    """The file in which a ledger is made ready; raises when there is nowhere to put it."""
    if database.engine is Engine.SQLITE:
        staged = database.path.with_name(f"{database.path.name}.restoring")
        _require_absent(database.path, staged)
        return staged
    staged = database.place.with_name(f"{database.place.name}.restoring")
    _require_alone(staged)
    if holds_entries(database):
        raise RejectedInput(
            "restore.exists",
            f"{database} holds entries; a restore overwrites nothing.",
            remedy="Keep it as evidence, and name a new, empty database.",
        )
    return staged


@contextmanager
def _putting(staged: Path, database: Database) -> Iterator[DatabaseEvidence | PostgresEvidence]:
    """What will be the ledger, to be verified; it is put in place when the block has ended."""
    if database.engine is Engine.POSTGRESQL:
        with carried_to_postgres(staged, database) as carried:
            yield carried
        return
    with DatabaseEvidence(staged) as source:
        yield source
    os.link(staged, database.path)  # unlike a renaming, this overwrites nothing
    sync_directory(database.path.parent)


def _require_protected(source: DatabaseEvidence | PostgresEvidence) -> None:
    for found in source.storage():
        raise IntegrityFailure("backup.damaged", f"The restored database is not whole: {found}")


def _require_absent(database: Path, staged: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path = database.with_name(database.name + suffix)
        if path.exists():
            raise RejectedInput(
                "restore.exists",
                f"{path.name} is there; a restore overwrites nothing.",
                remedy="Move the old database away with its -wal and -shm files and keep it as "
                "evidence.",
            )
    _require_alone(staged)


def _require_alone(staged: Path) -> None:
    if staged.exists():
        raise Unavailable(
            "restore.broken-off",
            f"{staged.name} is there: another restore runs, or one was broken off.",
            remedy="When none runs, remove it and try again.",
        )

"""Backups: a copy of what a ledger needs to go on, made while it is served and verified.

The copy is a directory: the database, its head, what was published, each protocol version and a
manifest. Keys and what is kept concealed go in only when asked for: whoever has them can sign in
the ledger's name, read ahead in the randomization list, and read what was erased since.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import IntegrityFailure, LedgerError, RejectedInput, Unavailable
from ledger.signing.rfc3339 import format_recorded_at
from ledger.signing.strict_json import JsonObject, Limits, canonical, parse_object
from ledger.storage.copying import copy_file, copy_ledger, role_files, sync_directory
from ledger.storage.database import Database
from ledger.storage.evidence import DatabaseEvidence
from ledger.storage.head_file import HeadFile
from ledger.storage.private_file import create_private
from ledger.verification.evidence import all_checkpoints
from ledger.verification.genesis import stated_key
from ledger.verification.reading import read_row
from ledger.verification.run import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from ledger.service import LedgerFiles
    from ledger.verification.evidence import EvidenceSource
    from ledger.verification.report import RootOfTrust, VerificationReport
    from ledger.verification.run import Progress

DATABASE: Final = "ledger.sqlite3"
MANIFEST: Final = "backup.json"
FORMAT: Final = "trial-ledger-backup/1"
OPEN_ROLES: Final = ("head", "published", "access-log", "access-log.head")
"""Files of a ledger that go into every backup; all others are secrets, whatever they are."""

APART: Final = ("kek", "concealed")
"""Files that never lie in a backup with the database: together they give back what was erased."""

_BLOCK: Final = 1 << 20
_LONGEST_MANIFEST: Final = 1_000_000
_PROTOCOLS: Final = ("trial.opened.v1", "protocol.amended.v1")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as its manifest describes it; ``size`` is its number of entries.

    ``left_out`` names the ledger's files that are not in it.
    """

    directory: Path
    manifest: JsonObject

    @property
    def database(self) -> Path:
        """The copy of the database."""
        return self.directory / DATABASE

    @property
    def size(self) -> int:
        """How many entries it holds."""
        size = self.manifest["size"]
        return size if isinstance(size, int) else 0

    @property
    def left_out(self) -> list[str]:
        """Which of the ledger's files are not in it."""
        names = self.manifest["left_out"]
        return [str(name) for name in names] if isinstance(names, list) else []

    @property
    def roles(self) -> list[str]:
        """Which of the ledger's files beside its database are in it."""
        listed = self.manifest["files"]
        prefix = f"{DATABASE}."
        names = sorted(listed) if isinstance(listed, dict) else []
        return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]

    def file(self, role: str) -> Path:
        """Where the copy of a ledger's file of some role (``head``, ``keys``) stands."""
        return self.directory / f"{DATABASE}.{role}"


def write_backup(
    database: Database | Path,
    files: LedgerFiles,
    out: Path,
    *,
    now: datetime,
    software: str,
    place: Path | None = None,
    secrets: bool = False,
    progress: Progress | None = None,
) -> Backup:
    """Copy a ledger to a new directory and verify the copy; the service may go on writing.

    The copy is an SQLite file, whichever engine keeps the ledger. ``place`` is the path beside
    which the ledger's further files lie, the database's own if None.

    Raises:
        RejectedInput: ``backup.exists`` when the directory, or what a dead backup left, is there.
        IntegrityFailure: ``backup.damaged`` when the copy does not verify, which names the first
            finding; nothing is left behind then.
        Unavailable: ``evidence.…`` when the database cannot be read, ``backup.copy``,
            ``copy.failed`` for PostgreSQL.
    """
    staged = out.with_name(f"{out.name}.part")
    for taken in (out, staged):
        if taken.exists():
            raise RejectedInput(
                "backup.exists",
                f"{taken.name} is there already; a backup is never written over.",
                remedy="Name a new directory, or remove what a broken-off backup left (.part).",
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    staged.mkdir(mode=0o700)
    try:
        copy = Backup(staged, {})
        named = named_database(database)
        roles = role_files(files, place or named.place)
        left_out = _copy_files(named, roles, copy, secrets=secrets)
        manifest = _describe(copy, progress)
        manifest |= {
            "created_at": format_recorded_at(now),
            "format": FORMAT,
            "left_out": [*left_out],
            "software": software,
        }
        manifest["files"] = {name: _measured(staged / name) for name in _names(staged)}
        _write(staged / MANIFEST, canonical(manifest))
        staged.rename(out)
        sync_directory(out.parent)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return Backup(out, manifest)


def read_backup(directory: Path) -> Backup:
    """Read a backup's manifest and compare every file with its length and SHA-256.

    Raises:
        Unavailable: ``backup.unreadable`` when there is no manifest of this format.
        IntegrityFailure: ``backup.altered`` naming the first file that is not as it was written.
    """
    try:
        manifest = parse_object(
            (directory / MANIFEST).read_bytes(), limits=Limits(size=_LONGEST_MANIFEST)
        )
        if manifest.get("format") != FORMAT:
            raise RejectedInput("backup.format", f"The format is not {FORMAT}.")
        listed = manifest["files"]
        if not isinstance(listed, dict) or not isinstance(manifest["size"], int):
            raise RejectedInput("backup.format", "Its manifest lacks the files or the size.")
    except (OSError, LedgerError, KeyError) as error:
        raise Unavailable(
            "backup.unreadable",
            f"{directory.name} is not a backup ({error}).",
            remedy="Name a directory that trial-ledger backup has written.",
        ) from error
    for name, stated in sorted(listed.items()):
        path = directory / name
        if Path(name).is_absolute() or ".." in Path(name).parts or not path.is_file():
            raise _altered(name, "is missing")
        if _measured(path) != stated:
            raise _altered(name, "has another length or SHA-256 than was written")
    if DATABASE not in listed:
        raise _altered(DATABASE, "is missing")
    return Backup(directory, manifest)


def named_database(database: Database | Path) -> Database:
    """The database itself, or that in an SQLite file."""
    return Database.of(f"sqlite:///{database}") if isinstance(database, Path) else database


def sound_or_raise(report: VerificationReport, what: str) -> None:
    """Raise IntegrityFailure ``backup.damaged`` with the first finding of a verification."""
    if report.obstacle is not None:
        raise Unavailable("backup.unverified", f"{what} cannot be verified: {report.obstacle}")
    if report.findings:
        raise IntegrityFailure(
            "backup.damaged",
            f"{what} has {len(report.findings) + report.uncounted} findings. The first: "
            f"{report.findings[0]}",
            remedy="Run trial-ledger verify; keep the files themselves as evidence.",
        )


def newest_note(source: EvidenceSource) -> str:
    """The newest checkpoint kept; raises IntegrityFailure ``backup.damaged`` for none."""
    newest = None
    for stored in all_checkpoints(source):
        newest = stored.note if isinstance(stored.note, str) else newest
    if newest is None:
        raise IntegrityFailure("backup.damaged", "Nothing is signed in this database.")
    return newest


def _copy_files(
    database: Database, roles: Mapping[str, Path], copy: Backup, *, secrets: bool
) -> list[str]:
    """Copy all that belongs in, heads first; give the roles of the files left out."""
    present = {role: path for role, path in roles.items() if path.is_file()}
    for role, path in present.items():
        if role.endswith("head") and role in OPEN_ROLES:
            copy_file(path, copy.file(role))
    copy_ledger(database, copy.database)
    for role, path in present.items():
        wanted = role in OPEN_ROLES or (secrets and not role.endswith(APART))
        if not copy.file(role).exists() and wanted:
            copy_file(path, copy.file(role))
    return sorted(role for role in present if not copy.file(role).exists())


def _describe(
    copy: Backup, progress: Progress | None, trust: RootOfTrust | None = None
) -> JsonObject:
    """Verify the copy against the head it came with, then let its head be its own newest."""
    with DatabaseEvidence(copy.database, head_file=copy.file("head")) as source:
        report = verify(source, trust=trust, progress=progress)
        storage = [str(found) for found in source.storage()]
        sound_or_raise(report, "The copy")
        if storage:
            raise IntegrityFailure("backup.damaged", f"The copy is not whole: {storage[0]}")
        note, key = newest_note(source), stated_key(source)
        first = read_row(source.rows(-1, 1)[0]).event
        for name, content in _protocols(copy.database):
            (copy.directory / "protocol").mkdir(mode=0o700, exist_ok=True)
            _write(copy.directory / "protocol" / f"{name}.json", content)
    HeadFile(copy.file("head")).write(note)
    copy.file("head").with_name(f"{copy.file('head').name}.lock").unlink(missing_ok=True)
    return {
        "checkpoint": note,
        "genesis_sha256": report.genesis_sha256,
        "head": report.head,
        "origin": report.origin,
        "root": report.root,
        "size": report.size,
        "trial": None if first is None else first.trialid,
        "vkey": None if key is None else str(key),
    }


def _protocols(database: Path) -> Iterator[tuple[str, bytes]]:
    marks = ", ".join("?" * len(_PROTOCOLS))
    sql = f"SELECT seq FROM stored_events WHERE topic IN ({marks}) ORDER BY seq"  # noqa: S608
    with closing(sqlite3.connect(database)) as connection:
        positions = [row[0] for row in connection.execute(sql, _PROTOCOLS)]
    with DatabaseEvidence(database) as source:
        for seq in positions:
            event = read_row(source.rows(seq - 1, 1)[0]).event
            if event is not None:
                protocol = event.data.get("protocol")
                yield str(event.data.get("protocol_sha256")), canonical(protocol)


def _names(directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()
    )


def _measured(path: Path) -> JsonObject:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _write(path: Path, content: bytes) -> None:
    create_private(path)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _altered(name: str, what: str) -> IntegrityFailure:
    return IntegrityFailure(
        "backup.altered",
        f"{name} {what}.",
        remedy="Take another backup; this one can be looked at with trial-ledger verify.",
    )

"""A ledger's database as evidence, whichever engine keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.storage.database import Database, Engine
from ledger.storage.evidence import DatabaseEvidence
from ledger.storage.evidence_postgres import PostgresEvidence

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.concealment.evidence import Reveal
    from ledger.storage.snapshot_evidence import SnapshotEvidence


def open_evidence(
    database: Database | str, *, head_file: Path | None = None, reveal: Reveal | None = None
) -> SnapshotEvidence:
    """The stored values of a database, from one snapshot, and its head file.

    Openings are read through ``reveal``; without one they stay as they are stored, encrypted.
    Raises Unavailable ``evidence.unreadable`` and ``evidence.no-ledger``.
    """
    named = Database.of(database)
    if named.engine is Engine.POSTGRESQL:
        return PostgresEvidence(named, head_file=head_file, reveal=reveal)
    return DatabaseEvidence(named.path, head_file=head_file, reveal=reveal)

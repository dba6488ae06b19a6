"""``trial-ledger access-log``: who read what, and whether that record is whole."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from api.access.journal import access_log_path
from api.cli import options
from ledger.access_log.log import recorded
from ledger.access_log.verification import verify_access_log
from ledger.errors import LedgerError, RejectedInput
from ledger.service import LedgerFiles
from ledger.signing.jwk import parse_jwk
from ledger.storage.evidence import DatabaseEvidence
from projections.reading import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.access_log.record import Access, Recorded
    from ledger.storage.database import Database

DAMAGED = 1
_PAGE = 500


@click.group("access-log")
def access_log() -> None:
    """Show and verify the record of who read what."""


@access_log.command()
@options.database
@options.as_json
@click.option("--source", help="Only what this source did, such as /sites/SY01/persons/pi-01.")
@click.option("--subject", help="Only what was read of this subject, such as SY01-0007.")
@click.option("--failed", is_flag=True, help="Only what was refused or failed.")
def show(
    *, database: Database, as_json: bool, source: str | None, subject: str | None, failed: bool
) -> None:
    """List acts of access in order: when, who, as what, did what, of whom, with which outcome."""
    wanted = [
        row
        for row in _rows(_file(database))
        if source in (None, row.access.source)
        and subject in (None, row.access.subject)
        and not (failed and row.access.outcome == "served")
    ]
    if as_json:
        options.print_json([_members(row) for row in wanted])
        return
    table = Table("seq", "recorded", "source", "role", "operation", "subject", "outcome", box=None)
    for row in wanted:
        table.add_row(str(row.seq), row.recorded_at, *_cells(row.access))
    options.print_table(table)


@access_log.command()
@options.database
@options.as_json
def verify(*, database: Database, as_json: bool) -> None:
    """Check every entry, both chains, the tree, all checkpoints and the head kept outside.

    Exit status 0 sound, 1 damaged, each flaw on a line; 2 could not check.
    """
    with opened(database) as ledger:
        genesis = ledger.genesis
    report = verify_access_log(
        _file(database),
        statement_key=parse_jwk(genesis.record.data["statement_key"]),
        trial=genesis.trial,
        genesis_sha256=genesis.record.sha256,
    )
    if as_json:
        options.print_json({**asdict(report), "sound": report.sound})
    else:
        for flaw in report.flaws:
            place = "log" if flaw.seq is None else f"seq {flaw.seq}"
            click.echo(f"{flaw.code}: {place}: {flaw.message}")
        state = "sound" if report.sound else options.counted(len(report.flaws), "flaw")
        entries = options.counted(report.entries, "entry", "entries")
        click.echo(f"{entries}, {state}; its key is {report.vkey or 'not stated'}")
    if not report.sound:
        sys.exit(DAMAGED)


def _file(database: Database) -> Path:
    path = access_log_path(LedgerFiles.of(database))
    if not path.is_file():
        raise RejectedInput(
            "access-log.none",
            f"There is no {path}.",
            remedy="It begins with the first token; a demonstration read without one writes none.",
        )
    return path


def _rows(path: Path) -> Iterator[Recorded]:
    """The acts that can be read; ``verify`` names what cannot."""
    with DatabaseEvidence(path) as source:
        after: int | None = 0
        while rows := source.rows(after, _PAGE):
            for row in rows:
                try:
                    yield recorded(row.data if isinstance(row.data, bytes) else b"")
                except LedgerError as error:
                    click.echo(f"Entry {row.seq} cannot be read: {error}", err=True)
            after = rows[-1].seq


def _members(row: Recorded) -> dict[str, Any]:
    return {"seq": row.seq, "recorded_at": row.recorded_at, **asdict(row.access)}


def _cells(access: Access) -> list[str]:
    role = f"{access.role or ''}{' (masked)' if access.masked else ''}"
    count = f" x{access.count}" if access.count > 1 else ""
    shown = (access.operation, access.subject or "", f"{access.outcome}{count}")
    return [access.source, role, *shown]

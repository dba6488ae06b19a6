"""``trial-ledger backup``: a verified copy of a ledger, made while it is served."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli import options
from api.cli.progress import progress_bar
from ledger.clock import SystemClock
from ledger.service import LedgerFiles
from ledger.storage.backup import write_backup

if TYPE_CHECKING:
    from ledger.storage.database import Database


@click.command()
@options.database
@options.head_file
@click.option(
    "--to",
    "out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The new directory to write; it appears when the copy is whole and verified.",
)
@click.option(
    "--with-secrets",
    "secrets",
    is_flag=True,
    help="Copy the keys, the randomization list and key stores too. Whoever has them can sign in "
    "the ledger's name, read ahead in the list, and read what is erased later.",
)
@options.as_json
def backup(
    *, database: Database, head_file: Path | None, out: Path, secrets: bool, as_json: bool
) -> None:
    """Copy a ledger while it is served, and verify the copy before saying done.

    In the copy: the database as of one instant (an SQLite file, whichever engine keeps it), its
    head, published checkpoints, every version of the protocol, and a manifest with lengths, SHA-256
    and the root. It is a ledger that `verify` reads. Keys and concealed files stay out unless asked
    for: keep them apart from the records, as you would a seal and the deeds, and keep the head file
    on another disk than both.
    """
    with progress_bar("Verifying the copy") as progress:
        written = write_backup(
            database,
            LedgerFiles.of(database, head=head_file),
            out,
            now=SystemClock().now(),
            software=f"trial-ledger {version('trial-ledger')}",
            secrets=secrets,
            progress=progress,
        )
    if as_json:
        options.print_json(written.manifest)
        return
    manifest = written.manifest
    entries = options.counted(written.size, "entry", "entries")
    click.echo(f"{out}: sound, {entries}, root {manifest['root']}.")
    click.echo(f"Head {manifest['head']}.")
    if written.left_out:
        click.echo(
            f"Not in it: {', '.join(written.left_out)}. They need copies of their own, kept apart "
            "(--with-secrets)."
        )

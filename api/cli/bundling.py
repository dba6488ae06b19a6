"""``trial-ledger bundle``: evidence in one file, for whoever must not have to trust us."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.bundling import bundle_log, bundle_subject
from api.cli import options
from api.cli.progress import progress_bar
from ledger.publication.publishing import read_policy
from ledger.service import LedgerFiles, TrialLedger
from projections.reading import Projections

if TYPE_CHECKING:
    from ledger.storage.database import Database


@click.command()
@options.database
@options.head_file
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The zip file to write; it appears when it is whole.",
)
@click.option("--subject", help="The dossier of this subject alone, such as SY01-0007.")
@options.witness_policy
@click.option(
    "--purpose", default="dossier", show_default=True, help="What a dossier is for; goes on record."
)
@options.as_json
def bundle(
    *,
    database: Database,
    head_file: Path | None,
    out: Path,
    witness_policy: Path | None,
    subject: str | None,
    purpose: str,
    as_json: bool,
) -> None:
    """Write everything needed to check the ledger, offline and for decades, into one zip file.

    Records, signed tree heads, what was published of them with cosignatures and time stamps,
    tiles, receipts, openings, protocol versions, schemas, the audit report, and how to check them.
    The newest tree head is published first, with the log's ML-DSA-44 cosignature; with
    --witness-policy the policy goes along. The same log gives the same bytes.

    Check it with `trial-ledger verify FILE` or, on a machine without this program, with
    `python -m ledger.verification FILE`.

    With --subject the ledger first commits, in the log, to where the subject's records end
    (dossier.issued), so that the dossier shows that nothing was left out or cut off.
    """
    files = LedgerFiles.of(database, head=head_file)
    policy = None if witness_policy is None else read_policy(witness_policy)
    staged = out.with_name(f"{out.name}.part")
    with TrialLedger(database, files) as ledger, progress_bar("Writing the bundle"):
        views = Projections(ledger)
        try:
            with staged.open("wb") as file:
                if subject is None:
                    written = bundle_log(file, ledger, views, policy=policy)
                else:
                    now = ledger.clock.now()
                    written = bundle_subject(file, ledger, views, subject, purpose=purpose, now=now)
            staged.replace(out)
        finally:
            views.close()
            staged.unlink(missing_ok=True)
    if as_json:
        options.print_json(
            {
                "file": str(out),
                "bytes": out.stat().st_size,
                "entries": written.size,
                "head": written.head,
                "manifest_sha256": written.manifest_sha256,
            }
        )
        return
    click.echo(f"{out}: {out.stat().st_size} bytes, log of {written.size} entries.")
    click.echo(f"Manifest SHA-256 {written.manifest_sha256}")

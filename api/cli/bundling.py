"""``trial-ledger bundle``: evidence in one file, for whoever must not have to trust us."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.bundling import bundle_log, bundle_masked, bundle_subject
from api.cli import options
from api.cli.progress import progress_bar
from ledger.publication.publishing import read_policy
from ledger.publication.redaction import purposes_of
from ledger.service import LedgerFiles, TrialLedger
from ledger.vocabulary import Purpose
from projections.masking import MaskedProjections
from projections.reading import Projections

if TYPE_CHECKING:
    from ledger.publication.bundling import Bundled
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
@click.option(
    "--masked",
    is_flag=True,
    help="With --subject: for readers who must not know the arm. The arm-neutral records alone, "
    "without their places in the log.",
)
@click.option(
    "--withhold",
    callback=lambda _context, _parameter, value: _purposes(value),
    metavar="PURPOSES",
    help="Leave out the openings sealed for these: identity, text, allocation, with commas "
    "between.",
)
@click.option(
    "--restricted",
    is_flag=True,
    help="Write it although it holds personal data that are no longer served: a copy of the "
    "restricted archive, for a court or an inspector.",
)
@options.witness_policy
@click.option(
    "--purpose", default="dossier", show_default=True, help="What a dossier is for; goes on record."
)
@options.as_json
def bundle(  # noqa: PLR0913 - one parameter an option
    *,
    database: Database,
    head_file: Path | None,
    out: Path,
    witness_policy: Path | None,
    subject: str | None,
    masked: bool,
    withhold: frozenset[Purpose],
    restricted: bool,
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
    (dossier.issued), so that the dossier shows that nothing was left out or cut off. With --masked
    it can be given to whoever must not know the arm: it proves the subject's arm-neutral records,
    and not their places in the log.

    With --withhold the openings of some sealed members stay out, and with them the report or the
    replay. Signatures, chain, tree and receipts verify all the same; the bundle says what is
    withheld, and `verify` what it therefore cannot check. That an arm can still be told from the
    records of treatment is another matter: for that there is --masked.
    """
    if masked and subject is None:
        raise click.UsageError("--masked is for the dossier of one --subject.")
    files = LedgerFiles.of(database, head=head_file)
    policy = None if witness_policy is None else read_policy(witness_policy)
    staged = out.with_name(f"{out.name}.part")
    with TrialLedger(database, files) as ledger, progress_bar("Writing the bundle"):
        views = Projections(ledger)
        try:
            with staged.open("wb") as file:
                if masked and subject is not None:
                    written = bundle_masked(
                        file, ledger, MaskedProjections(ledger), subject,
                        purpose=purpose, now=ledger.clock.now(), leave=withhold,
                        restricted=restricted,
                    )  # fmt: skip
                elif subject is not None:
                    written = bundle_subject(
                        file, ledger, views, subject,
                        purpose=purpose, now=ledger.clock.now(), leave=withhold,
                        restricted=restricted,
                    )  # fmt: skip
                else:
                    written = bundle_log(
                        file, ledger, views, policy=policy, leave=withhold, restricted=restricted
                    )
            staged.replace(out)
        finally:
            views.close()
            staged.unlink(missing_ok=True)
    _tell(out, written, masked=masked, machine=as_json)


def _tell(out: Path, written: Bundled, *, masked: bool, machine: bool) -> None:
    """Say what was written; of a masked dossier nothing that could go along and tell a place."""
    size = out.stat().st_size
    place = {} if masked else {"entries": written.size, "head": written.head}
    if machine:
        about = {"file": str(out), "bytes": size, "manifest_sha256": written.manifest_sha256}
        options.print_json({**about, **place})
        return
    entries = options.counted(written.size, "entry", "entries")
    of = "dossier for masked readers" if masked else f"log of {entries}"
    click.echo(f"{out}: {size} bytes, {of}.")
    click.echo(f"Manifest SHA-256 {written.manifest_sha256}")


def _purposes(value: str | None) -> frozenset[Purpose]:
    names = value.split(",") if value else []
    if not set(names) <= {purpose.value for purpose in Purpose}:
        raise click.BadParameter(f"Purposes are {', '.join(Purpose)}, with commas between.")
    return purposes_of(names)

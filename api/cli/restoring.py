"""``trial-ledger restore``: a ledger put back from a backup, verified, and what is missing."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import urllib3

from api.cli import options
from api.cli.progress import progress_bar
from api.cli.verifying import root_of_trust
from ledger.errors import LedgerError
from ledger.log.checkpoint import open_checkpoint
from ledger.log.note import VerifierKey, split_note
from ledger.publication.publishing import read_policy
from ledger.service import LedgerFiles
from ledger.storage.backup import Backup, read_backup
from ledger.storage.restoring import Restored, restore
from ledger.storage.supplies import BundleSupply, FileSupply, ReceiptSupply
from ledger.verification.bundle import BundleEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.storage.database import Database
    from ledger.storage.supplies import Supply

INCOMPLETE: Final = 1
"""Exit status when the ledger is back, but will not sign."""

_SECONDS: Final = 5.0
_LONGEST_NOTE: Final = 128 * 1024
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("restore")
@options.database
@options.head_file
@options.witness_policy
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The directory that `trial-ledger backup` has written.",
)
@click.option("--bundle", type=_FILE, help="A newer evidence bundle: brings its entries back.")
@click.option(
    "--entries", type=_FILE, help="A file of entries, one a line, such as a mirror keeps."
)
@click.option(
    "--receipts",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A client's folder of receipts with their entries; may be given more than once.",
)
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    type=_FILE,
    help="A signed checkpoint of this log that somebody kept; may be given more than once.",
)
@click.option("--key", "vkey", help="The log's verifier key, from a source of your own.")
@click.option("--genesis", help="SHA-256 of entry 0, from a source of your own.")
@options.as_json
def restore_command(  # noqa: PLR0913 - one parameter an option
    *,
    database: Database,
    head_file: Path | None,
    witness_policy: Path | None,
    source: Path,
    bundle: Path | None,
    entries: Path | None,
    receipts: tuple[Path, ...],
    checkpoints: tuple[Path, ...],
    vkey: str | None,
    genesis: str | None,
    as_json: bool,
) -> None:
    """Put a ledger back from a backup; overwrite nothing, and verify everything.

    What the log has signed since the backup is compared with: the head file that outlived the
    database, published checkpoints, receipts, a bundle, the witnesses of a policy. Entries that
    others hold come back byte for byte under the heads once signed. Where any stay missing the
    ledger is back for reading and refuses to sign (exit status 1).
    """
    backup = read_backup(source)
    log = VerifierKey.parse(str(backup.manifest["vkey"]))
    with ExitStack() as opened:
        supplies = list(_supplies(opened, log, bundle, entries, receipts))
        notes = [file.read_text(encoding="utf-8") for file in checkpoints]
        notes += _seen_by_witnesses(witness_policy, log)
        with progress_bar("Verifying entries") as progress:
            done = restore(
                backup,
                database,
                LedgerFiles.of(database, head=head_file),
                supplies=supplies,
                notes=notes,
                trust=root_of_trust(vkey, genesis),
                progress=progress,
            )
    if as_json:
        options.print_json(_as_json(done))
    else:
        _tell(done, backup, supplies)
    if done.refusal is not None:
        sys.exit(INCOMPLETE)


def _supplies(
    opened: ExitStack,
    log: VerifierKey,
    bundle: Path | None,
    entries: Path | None,
    receipts: Sequence[Path],
) -> Iterator[Supply]:
    if bundle is not None:
        yield BundleSupply(opened.enter_context(BundleEvidence(bundle)))
    if receipts:
        supply = ReceiptSupply(log)
        for folder in receipts:
            supply.read(folder)
        yield supply
    if entries is not None:
        yield FileSupply(entries)


def _seen_by_witnesses(policy: Path | None, log: VerifierKey) -> list[str]:
    """The newest head of this log that each witness publishes; who does not answer is named."""
    notes = []
    place = f"{sha256(log.name.encode()).hexdigest()}/checkpoint"
    for witness in read_policy(policy).witnesses if policy is not None else ():
        try:
            with urllib3.PoolManager(retries=False, timeout=_SECONDS) as pool:
                answer = pool.request(
                    "GET", f"{(witness.url or '').rstrip('/')}/{place}", preload_content=False
                )
                note = answer.read(_LONGEST_NOTE).decode()
                answer.close()
            open_checkpoint(note, log)
            text, lines = split_note(note)
        except (urllib3.exceptions.HTTPError, ValueError, OSError, LedgerError):
            click.echo(f"The witness {witness.name} could not be asked what it holds.", err=True)
            continue
        own = "".join(f"{line}\n" for line in lines if line.name == log.name)
        notes.append(f"{text}\n{own}")
    return notes


def _as_json(done: Restored) -> dict[str, object]:
    return {
        "absent": done.absent,
        "backed_up": done.backed_up,
        "kept": done.kept,
        "known_size": done.known.size,
        "missing": done.missing,
        "nonconforming": done.nonconforming,
        "placed": done.placed,
        "refusal": None if done.refusal is None else done.refusal.code,
        "regained": done.regained,
        "root": done.report.root,
        "size": done.report.size,
    }


def _tell(done: Restored, backup: Backup, supplies: Sequence[Supply]) -> None:
    report = done.report
    entries = options.counted(report.size, "entry", "entries")
    click.echo(f"Restored and sound: {entries}, root {report.root}.")
    click.echo(f"{done.backed_up} from the backup of {backup.manifest['created_at']}, ", nl=False)
    click.echo(f"{done.regained} brought back from other copies.")
    for sentence, roles in (
        ("Put in place", done.placed),
        ("Left as they were", done.kept),
        ("To be brought by you", done.absent),
    ):
        if roles:
            click.echo(f"{sentence}: {', '.join(roles)}.")
    for line in done.nonconforming:
        click.echo(line)
    if report.withheld:
        click.echo(f"{report.withheld} sealed members have no opening here; their seals hold.")
    if done.refusal is not None:
        _tell_missing(done, supplies)
    elif not done.outside:
        click.echo(
            "No head was kept outside this backup, so nothing here can tell whether entries are "
            "missing. Ask with --witness-policy, or compare with a receipt, before you serve."
        )


def _tell_missing(done: Restored, supplies: Sequence[Supply]) -> None:
    click.echo(f"The ledger will not sign: {done.refusal}")
    if done.missing is None:
        return
    first, last = done.missing
    entries = f"entries {first} to {last}. They were" if last > first else f"entry {first}. It was"
    click.echo(f"Missing: {entries} signed and acknowledged.")
    at_hand = [
        seq for one in supplies if isinstance(one, ReceiptSupply) for seq in one.beyond(first)
    ]
    if at_hand:
        click.echo(f"Receipts at hand hold {len(at_hand)} of them, the lowest is {at_hand[0]}.")
    click.echo(
        "To bring them back, move the restored files away and restore again with --bundle, "
        "--entries (a mirror's copy) or --receipts (the folders that sites keep): each entry comes "
        "back byte for byte. Do not let sites send again before: it would be a second history."
    )

"""``trial-ledger init``: open a trial in an empty database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli import options
from api.identity import Identity
from ledger.application import LedgerApplication
from ledger.clock import SystemClock
from ledger.errors import RejectedInput
from ledger.recording.genesis import Sponsor, open_trial
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.head_file import HeadFile
from ledger.trials import load_trial

if TYPE_CHECKING:
    from ledger.storage.database import Database

ROOT = "/sponsor/persons/root"
SPONSOR_SUFFIX = ".sponsor"


@click.command()
@options.new_database
@options.head_file
@click.option(
    "--trial",
    default="xhnkky-dfsc",
    show_default=True,
    help="A shipped trial's name, or the path of its file.",
)
@click.option(
    "--origin",
    help="The log's name, a host and path of your own without scheme or spaces"
    " [default: trial-ledger/<trial>].",
)
@click.option("--sponsor", "sponsor_name", help="Printed name [default: as registered].")
@click.option(
    "--sponsor-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Identity file of the sponsor's root key, from trial-ledger keys new"
    " [default: a new one, <database>.sponsor, to be moved to the sponsor].",
)
@options.as_json
def init(
    *,
    database: Database,
    head_file: Path | None,
    trial: str,
    origin: str | None,
    sponsor_name: str | None,
    sponsor_key: Path | None,
    as_json: bool,
) -> None:
    """Open a trial: write entry 0, signed by the ledger and the sponsor.

    The ledger's own keys are made beside the database, readable by their owner alone. The
    sponsor's root key signs once and is kept by the sponsor. What is printed is the root of
    trust: hand it to everybody who will verify, on a way of its own.
    """
    definition = load_trial(Path(trial) if trial.endswith(".json") else trial)
    protocol, path = definition.protocol, database.place
    database.prepare()
    application = LedgerApplication(database)
    try:
        files = options.files_for(path, head_file)
        if files.keys.exists() or files.head.exists():
            raise RejectedInput(
                "init.files-exist",
                f"{files.keys.name} or {files.head.name} is there already.",
                remedy="A ledger is opened once; choose another database.",
            )
        identity = _sponsor(sponsor_key, path)
        keys = LedgerKeys.generate(origin or f"trial-ledger/{protocol.trial.lower()}")
        keys.save(files.keys)
        record = open_trial(
            application,
            definition,
            keys,
            Sponsor(
                identity.source, sponsor_name or definition.registry.sponsor.name, identity.key
            ),
            head_file=HeadFile(files.head),
            at=SystemClock().now(),
            demonstration=False,
        )
    finally:
        application.close()
    if as_json:
        options.print_json({"vkey": str(keys.vkey), "genesis": record.sha256})
        return
    click.echo(f"Trial {protocol.trial} is open in {database}.")
    options.warn_of_rights(database)
    if sponsor_key is None:
        kept = path.with_name(path.name + SPONSOR_SUFFIX)
        click.echo(f"The sponsor's root key was made here: move {kept} to the sponsor now.")
    click.echo("Root of trust, to be handed over out of band:")
    click.echo(f"  --key {keys.vkey}")
    click.echo(f"  --genesis {record.sha256}")


def _sponsor(given: Path | None, database: Path) -> Identity:
    if given is not None:
        return Identity.load(given)
    identity = Identity.generate(ROOT)
    identity.save(database.with_name(database.name + SPONSOR_SUFFIX))
    return identity

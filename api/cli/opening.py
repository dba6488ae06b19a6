"""``trial-ledger init``: open a trial in an empty database."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli import options
from api.identity import Identity
from ledger.application import LedgerApplication
from ledger.clock import SystemClock
from ledger.errors import RejectedInput
from ledger.genesis import Sponsor, open_trial
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.head_file import HeadFile
from ledger.trials import load_trial


@click.command()
@options.database
@options.head_file
@click.option("--trial", required=True, help="A shipped trial's name, or the path of its file.")
@click.option(
    "--origin", required=True, help="The log's name, a host and path without scheme or spaces."
)
@click.option("--sponsor", "sponsor_name", required=True, help="Printed name of the sponsor.")
@click.option(
    "--sponsor-key",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Identity file of the sponsor's root key (trial-ledger keys new).",
)
@options.as_json
def init(
    *,
    database: str,
    head_file: Path | None,
    trial: str,
    origin: str,
    sponsor_name: str,
    sponsor_key: Path,
    as_json: bool,
) -> None:
    """Open a trial: write entry 0, signed by the ledger and the sponsor.

    The ledger's own keys are made beside the database, readable by their owner alone. The
    sponsor's root key signs once and is kept by the sponsor. What is printed is the root of
    trust: hand it to everybody who will verify, on a way of its own.
    """
    definition = load_trial(Path(trial) if trial.endswith(".json") else trial)
    identity = Identity.load(sponsor_key)
    application = LedgerApplication(database)
    try:
        files = options.files_for(application.path, head_file)
        if files.keys.exists() or files.head.exists():
            raise RejectedInput(
                "init.files-exist",
                f"{files.keys.name} or {files.head.name} is there already.",
                remedy="A ledger is opened once; choose another database.",
            )
        keys = LedgerKeys.generate(origin)
        keys.save(files.keys)
        record = open_trial(
            application,
            definition,
            keys,
            Sponsor(identity.source, sponsor_name, identity.key),
            head_file=HeadFile(files.head),
            at=SystemClock().now(),
            demonstration=False,
        )
    finally:
        application.close()
    if as_json:
        options.print_json({"vkey": str(keys.vkey), "genesis": record.sha256})
        return
    click.echo(f"Trial {definition.protocol.trial} is open in {application.path}.")
    click.echo("Root of trust, to be handed over out of band:")
    click.echo(f"  --key {keys.vkey}")
    click.echo(f"  --genesis {record.sha256}")

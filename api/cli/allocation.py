"""``trial-ledger allocation``: the statistician draws and seals the randomization list."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import click

from ledger.allocation.sealed_list import SealedList
from ledger.trials import load_trial

_SEED_BYTES = 32


@click.group()
def allocation() -> None:
    """Draw the randomization list and show its commitment."""


@allocation.command()
@click.option("--trial", required=True, help="A shipped trial's name, or the path of its file.")
@click.option(
    "--block-sizes",
    required=True,
    help="Block sizes, comma separated (such as 4,6); they stay sealed with the list.",
)
@click.option("--drawn-by", required=True, help="Source URI of the person who draws.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The secret list file; give it to the allocation service alone.",
)
def draw(*, trial: str, block_sizes: str, drawn_by: str, out: Path) -> None:
    """Draw a list, write it to a file only its owner can read, print the commitment.

    The commitment is the data of randomization-list.sealed.v1: sign and post it before the first
    subject. The list file becomes <database>.allocation of the service.
    """
    definition = load_trial(Path(trial) if trial.endswith(".json") else trial)
    protocol = definition.protocol
    try:
        sizes = tuple(int(size) for size in block_sizes.split(","))
    except ValueError:
        raise click.BadParameter("Write whole numbers, comma separated.") from None
    sealed = SealedList.draw(
        protocol.allocation,
        protocol.planned_number,
        block_sizes=sizes,
        seed=secrets.token_bytes(_SEED_BYTES),
    )
    sealed.save(out)
    commitment = sealed.commitment(generator=drawn_by, protocol_version=protocol.version)
    click.echo(json.dumps(commitment, indent=2, sort_keys=True))

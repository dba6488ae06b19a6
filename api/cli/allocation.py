"""``trial-ledger allocation``: the statistician draws and seals the randomization list."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.allocation.sealed_list import SealedList
from ledger.concealment.sealed_file import rewrap_sealed
from ledger.concealment.settings import open_ring
from ledger.trials import load_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_SEED_BYTES = 32
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _kek(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--kek",
        "keks",
        multiple=True,
        envvar="LEDGER_ALLOCATION_KEK",
        metavar="ADDRESS",
        help="Key-encryption key of the list, a file or pkcs11:… [default: <list>.kek].",
    )(command)


@click.group()
def allocation() -> None:
    """Draw the randomization list, and put it under another key."""


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
    help="The sealed list; its key goes to <out>.kek unless --kek names one.",
)
@_kek
def draw(*, trial: str, block_sizes: str, drawn_by: str, out: Path, keks: Sequence[str]) -> None:
    """Draw a list, write it encrypted, print the commitment.

    The commitment is the data of randomization-list.sealed.v1: sign and post it before the first
    subject. The list becomes <database>.allocation of the service, its key
    <database>.allocation.kek: hand the two over on different ways, and back them up apart. Whoever
    has both knows every coming allocation; without the key the list tells nothing.
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
    sealed.save(out, open_ring(keks) if keks else None)
    commitment = sealed.commitment(generator=drawn_by, protocol_version=protocol.version)
    click.echo(json.dumps(commitment, indent=2, sort_keys=True))


@allocation.command()
@click.argument("path", metavar="LIST", type=_FILE)
@click.option(
    "--kek",
    "keks",
    multiple=True,
    required=True,
    metavar="ADDRESS",
    help="The new key-encryption key first, then the one the list is sealed under.",
)
def rewrap(*, path: Path, keks: Sequence[str]) -> None:
    """Put a list under another key-encryption key, without drawing or opening it anew."""
    ring = open_ring(keks)
    done = rewrap_sealed(path, kind=SealedList.KIND, ring=ring)
    state = "is now" if done else "was already"
    click.echo(f"{path.name} {state} under the key {ring.current.id}.")

"""``trial-ledger keys``: the log's keys, the register, and new identities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from api.cli import options
from api.identity import Identity
from ledger.signing.envelope import SOURCE
from ledger.signing.jwk import Curve
from ledger.signing.register import Register
from projections.reading import opened

if TYPE_CHECKING:
    from ledger.storage.database import Database


@click.group()
def keys() -> None:
    """Show the log's keys and the register; make new identities."""


@keys.command()
@options.database
@click.option("--all", "show_all", is_flag=True, help="All verifier keys and the hash of entry 0.")
def log(*, database: Database, show_all: bool) -> None:
    """Print the log's Ed25519 verifier key on one line."""
    with opened(database) as ledger:
        genesis = ledger.genesis
    vkeys = genesis.record.data["log_vkeys"]
    listed = [str(vkey) for vkey in vkeys] if isinstance(vkeys, list) else []
    for vkey in listed if show_all else listed[:1]:
        click.echo(vkey)
    if show_all:
        click.echo(f"genesis {genesis.record.sha256}")


@keys.command()
@options.database
@options.as_json
def show(*, database: Database, as_json: bool) -> None:
    """List every registered key with its owner and standing."""
    with opened(database) as ledger:
        register = Register(ledger.application.merged("trial", "access"))
    rows = [
        {
            "kid": key.kid,
            "owner": key.owner,
            "name": key.name,
            "kind": key.kind,
            "registered": key.registered,
            "revoked": key.revoked,
            "compromised_since": key.compromised_since.isoformat()
            if key.compromised_since
            else None,
        }
        for key in register.keys.values()
    ]
    if as_json:
        options.print_json(rows)
        return
    table = Table("owner", "name", "kind", "from", "revoked", "key id", box=None)
    for row in rows:
        table.add_row(
            str(row["owner"]), str(row["name"]), str(row["kind"]), str(row["registered"]),
            "" if row["revoked"] is None else str(row["revoked"]), str(row["kid"]),
        )  # fmt: skip
    options.print_table(table)


@keys.command()
@click.option("--source", required=True, help="Source URI, such as /sites/SY01/persons/pi-01.")
@click.option(
    "--curve",
    type=click.Choice([c.value for c in Curve]),
    default=Curve.ED25519.value,
    show_default=True,
    help="The curve of the key.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="New file, readable by its owner alone; it never leaves the one who signs with it.",
)
def new(*, source: str, curve: str, out: Path) -> None:
    """Make a new identity file, readable by its owner alone, and print its public key.

    The public key and the source go to a registrar, who registers them with key.registered.v1.
    """
    if SOURCE.fullmatch(source) is None:
        raise click.BadParameter(
            "Write a path such as /sites/SY01/persons/pi-01.", param_hint="--source"
        )
    identity = Identity.generate(source, curve=Curve(curve))
    identity.save(out)
    options.print_json({"source": source, "jwk": identity.key.public.as_object()})

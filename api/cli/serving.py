"""``trial-ledger serve``: the HTTP service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api import serving
from api.cli import options, stamping
from api.stamping import StampingSettings

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.storage.database import Database


@click.command()
@options.database
@options.head_file
@options.witness_policy
@stamping.authority
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="LEDGER_HOST",
    help="Address to listen on.",
)
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=int,
    envvar="LEDGER_PORT",
    help="Port to listen on.",
)
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=int,
    envvar="LEDGER_WORKERS",
    help="Web processes; with 2 or more a process of its own writes.",
)
def serve(  # noqa: PLR0913 - one parameter an option
    *,
    database: Database,
    head_file: Path | None,
    witness_policy: Path | None,
    tsa_url: str | None,
    tsa_certificates: Path | None,
    tsa_interval: float,
    host: str,
    port: int,
    workers: int,
) -> None:
    """Serve a ledger over HTTP until Ctrl-C.

    A demonstration is open to whoever can connect and listens on loopback only; any other ledger
    asks its readers for tokens. With --workers 2 or more, the writer and the projections have
    processes of their own, which are started again when they die.
    """
    address = f"[{host}]" if ":" in host else host
    told = f"Serving {database} on http://{address}:{port} until Ctrl-C."
    serving.serve(
        database,
        host=host,
        port=port,
        workers=workers,
        head_file=head_file,
        witness_policy=witness_policy,
        stamping=StampingSettings.given(tsa_url, tsa_certificates, tsa_interval),
        ready=lambda: click.echo(told, err=True),
    )

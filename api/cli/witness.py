"""``trial-ledger witness``: run a witness that cosigns logs which only ever grow."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Column, Table

from api.cli import options
from api.witness import WitnessSettings, describe, serve_witness
from ledger.clock import SystemClock
from ledger.errors import RejectedInput
from ledger.log.note import VerifierKey
from ledger.log.policy import parse_policy
from ledger.witness.keys import new_key_file
from ledger.witness.logs import trusted_logs
from ledger.witness.witness import inspect_witness

_FILE = click.Path(dir_okay=False, path_type=Path)
_KEY = click.option(
    "--key", required=True, type=_FILE, envvar="LEDGER_WITNESS_KEY", help="The witness's key file."
)
_STATE = click.option(
    "--state",
    required=True,
    type=_FILE,
    envvar="LEDGER_WITNESS_STATE",
    help="The witness's state file; the first start makes it. Never replace it by a copy.",
)


@click.group()
def witness() -> None:
    """Run a witness: cosign the heads of logs as long as each of them only grows."""


@witness.command(name="new-key")
@click.option("--name", required=True, help="The witness's name, such as witness.example.org/ec.")
@click.option("--out", required=True, type=_FILE, help="New file, readable by its owner alone.")
@click.option("--ed25519-only", is_flag=True, help="No ML-DSA-44 key beside the Ed25519 key.")
def new_key(*, name: str, out: Path, ed25519_only: bool) -> None:
    """Make a witness's keys and print its verifier keys, one a line.

    The printed keys go to the operators of the logs and to all who rely on this witness.
    """
    try:
        keys = new_key_file(out, name, ml_dsa_44=not ed25519_only)
    except FileExistsError as error:
        raise RejectedInput(
            "witness.key-exists",
            f"There is a file {out.name} already, and a key is never overwritten.",
            remedy="Name another file.",
        ) from error
    for vkey in keys.vkeys:
        click.echo(str(vkey))


@witness.command()
@_KEY
@_STATE
@click.option("--log", "logs", multiple=True, metavar="VKEY", help="A log's verifier key.")
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A tlog-policy file, whose log lines are used.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="LEDGER_WITNESS_HOST",
    help="Address to listen on.",
)
@click.option(
    "--port",
    default=8090,
    show_default=True,
    type=int,
    envvar="LEDGER_WITNESS_PORT",
    help="Port to listen on.",
)
def serve(
    *, key: Path, state: Path, logs: tuple[str, ...], policy: Path | None, host: str, port: int
) -> None:
    """Serve the witness over HTTP until Ctrl-C.

    It holds no data of subjects, so it may listen on any address; put TLS before it.
    """
    vkeys = [VerifierKey.parse(log) for log in logs]
    if policy is not None:
        vkeys += [log.vkey for log in parse_policy(policy.read_bytes()).logs]
    settings = WitnessSettings(key=key, state=state, logs=trusted_logs(vkeys))
    watched = options.counted(len(settings.logs), "log")
    click.echo(f"witness on http://{host}:{port}, watching {watched}", err=True)
    serve_witness(settings, host=host, port=port)


@witness.command()
@_KEY
@_STATE
@options.as_json
@click.option("--evidence", is_flag=True, help="Print the refused heads as the logs signed them.")
def show(*, key: Path, state: Path, as_json: bool, evidence: bool) -> None:
    """Show the newest size cosigned of each log, and what was refused."""
    opened = inspect_witness(key, state, clock=SystemClock())
    try:
        shown, refused = describe(opened), opened.state.refused()
    finally:
        opened.close()
    if evidence:
        for one in refused:
            kind = "contradicts" if one.contradiction else "has no proof from"
            click.echo(f"# {_moment(one.seen)} {one.code}: the first {kind} the second\n")
            click.echo(f"{one.note}\n{one.kept}")
    elif as_json:
        options.print_json(shown)
    else:
        options.print_table(_table(shown))


def _table(shown: dict[str, Any]) -> Table:
    table = Table(
        Column("log", overflow="fold"), "size", "cosigned at", "refused", "contradictions", box=None
    )
    for log in shown["logs"]:
        table.add_row(
            log["origin"],
            str(log["size"]),
            _moment(log["time"]),
            str(log["refused"]),
            str(log["contradictions"]),
        )
    return table


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

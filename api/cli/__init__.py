"""The command line ``trial-ledger``: every command in one sentence, results on standard output.

Progress goes to standard error. Settings come from flags, then ``LEDGER_…`` variables, then a
TOML file named by ``--config`` or ``LEDGER_CONFIG``.
"""

from __future__ import annotations

import sqlite3
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import click
from eventsourcing.persistence import PersistenceError

from api.cli.access_log import access_log
from api.cli.allocation import allocation
from api.cli.backup import backup
from api.cli.bundling import bundle
from api.cli.concealment import concealment
from api.cli.database import database_group
from api.cli.demo import demo
from api.cli.keys import keys
from api.cli.opening import init
from api.cli.posting import post
from api.cli.projecting import projections
from api.cli.reading import replay, report
from api.cli.restoring import restore_command
from api.cli.serving import serve
from api.cli.unblinding import unblind
from api.cli.verifying import verify
from api.cli.witness import witness
from ledger.errors import LedgerError

COULD_NOT = 2
"""Exit status when a command could not do its work (``verify``: could not check)."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("trial-ledger"), prog_name="trial-ledger")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="LEDGER_CONFIG",
    help="TOML file with defaults, one table a command.",
)
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """A ledger for clinical trials that can be checked without trusting the server.

    Begin with `trial-ledger demo`, then `trial-ledger verify`.
    """
    if config is not None:
        try:
            with config.open("rb") as file:
                context.default_map = tomllib.load(file)
        except ValueError as error:
            raise click.UsageError(f"{config} is no TOML file: {error}.") from error


for _command in (
    init, serve, demo, post, keys, verify, replay, report, bundle, projections, allocation, witness,
    access_log, unblind,
    database_group, backup, restore_command, concealment,
):  # fmt: skip
    cli.add_command(_command)


def main() -> None:
    """Run the command line; a fault is one sentence and exit status 2, never a traceback."""
    try:
        cli(standalone_mode=True)
    except LedgerError as error:
        click.echo(f"trial-ledger: {error}", err=True)
        sys.exit(COULD_NOT)
    except (PersistenceError, sqlite3.Error) as error:
        click.echo(f"trial-ledger: The database did not do what was asked: {error}.", err=True)
        sys.exit(COULD_NOT)
    except FileExistsError as error:
        click.echo(
            f"trial-ledger: {error.filename} is there already and is not overwritten. "
            "Choose another file.",
            err=True,
        )
        sys.exit(COULD_NOT)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"trial-ledger: {place}{error.strerror or error}.", err=True)
        sys.exit(COULD_NOT)

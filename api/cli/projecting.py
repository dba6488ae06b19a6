"""``trial-ledger projections``: rebuild what is derived, or compare it with a fresh fold."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from api.cli import options
from api.cli.progress import progress_bar
from projections.reading import Projections, opened

if TYPE_CHECKING:
    from ledger.storage.database import Database


@click.group()
def projections() -> None:
    """Rebuild the projections, or check them against the log."""


@projections.command()
@options.database
def rebuild(*, database: Database) -> None:
    """Throw the projections away and fold them again from entry 0."""
    with opened(database) as ledger, progress_bar("Rebuilding projections") as progress:
        views = Projections(ledger)
        try:
            size = views.rebuild(progress)
        finally:
            views.close()
    click.echo(f"Projections rebuilt from {size} entries.")


@projections.command()
@options.database
@options.as_json
def check(*, database: Database, as_json: bool) -> None:
    """Compare the stored projections with a fresh fold; exit 1 and name what differs."""
    with opened(database) as ledger, progress_bar("Checking projections") as progress:
        views = Projections(ledger)
        try:
            differences = views.check(progress)
        finally:
            views.close()
    if as_json:
        options.print_json([difference.to_json() for difference in differences])
    for difference in () if as_json else differences:
        click.echo(str(difference))
    if differences:
        sys.exit(1)
    if not as_json:
        click.echo("The stored projections are what the log gives.")

"""``trial-ledger projections``: rebuild what is derived, or compare it with a fresh fold."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from api.cli import options
from api.cli.progress import progress_bar
from ledger.errors import Unavailable
from projections.reading import Projections, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ledger.storage.database import Database


@contextmanager
def _kept(database: Database) -> Iterator[Projections]:
    """The projections beside a ledger.

    Raises Unavailable ``projections.keys-elsewhere`` where they can be neither read nor replaced.
    """
    with opened(database) as ledger, closing(Projections(ledger)) as views:
        if not views.kept:
            raise Unavailable(
                "projections.keys-elsewhere",
                f"The projections of {database} are sealed under keys that are not here.",
                remedy="Run this where the service runs, with its key-encryption key.",
            )
        yield views


@click.group()
def projections() -> None:
    """Rebuild the projections, or check them against the log."""


@projections.command()
@options.database
def rebuild(*, database: Database) -> None:
    """Fold the projections again from entry 0, and put them in the old ones' place.

    A service may run meanwhile; it shows the old ones until then.
    """
    with _kept(database) as views, progress_bar("Rebuilding projections") as progress:
        size = views.rebuild(progress)
    click.echo(f"Projections rebuilt from {options.counted(size, 'entry', 'entries')}.")


@projections.command()
@options.database
@options.as_json
def check(*, database: Database, as_json: bool) -> None:
    """Compare the stored projections with a fresh fold; exit 1 and name what differs."""
    with _kept(database) as views, progress_bar("Checking projections") as progress:
        differences = views.check(progress)
    if as_json:
        options.print_json([difference.to_json() for difference in differences])
    for difference in () if as_json else differences:
        click.echo(str(difference))
    if differences:
        sys.exit(1)
    if not as_json:
        click.echo("The stored projections are what the log gives.")

"""``trial-ledger demo``: the seed trial, end to end, through the real service."""

from __future__ import annotations

from pathlib import Path

import click

from api import serving
from api.cli import options
from api.cli.examining import examine
from api.demonstration.run import run_demonstration
from ledger.log.note import VerifierKey
from ledger.storage.database import Database
from ledger.verification.report import RootOfTrust
from projections.reading import Projections, opened
from projections.report import render


@click.command()
@click.option(
    "--database",
    metavar="URL",
    help="Database URL; an earlier demonstration in it is replaced, nothing else ever is"
    " [default: sqlite:///DIR/ledger.sqlite3].",
)
@click.option(
    "--dir",
    "directory",
    default="var/demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is left; replaced at each run.",
)
@click.option("--seed", default=1, show_default=True, type=int, help="Same seed, same head.")
@click.option("--serve", "then_serve", is_flag=True, help="Keep serving afterwards.")
@click.option("--port", default=8080, show_default=True, type=int, help="Port for --serve.")
def demo(*, database: str | None, directory: Path, seed: int, then_serve: bool, port: int) -> None:
    """Run the seed trial over HTTP, verify it, write the report, say what there is to see."""
    url = Database.parse(
        database or f"sqlite:///{directory / 'ledger.sqlite3'}",
        files=directory if database and not database.startswith("sqlite:") else None,
    )
    if then_serve:
        serving.require_free(serving.LOOPBACK, port)  # now, not after the whole trial
    summary = run_demonstration(database=url, directory=directory, seed=seed)
    options.warn_of_rights(url)
    trust = RootOfTrust(VerifierKey.parse(summary.vkey), summary.genesis_sha256)
    outcome = examine(url, trust=trust)
    verification = outcome.to_json()
    report = directory / "report.html"
    with opened(url) as ledger:
        views = Projections(ledger)
        try:
            views.follow()
            report.write_bytes(render(views, ledger, format="html", verification=verification))
            summary.show(views, outcome, report)
        finally:
            views.close()
    if outcome.damaged:
        raise click.ClickException("The demonstration's ledger does not verify.")
    if then_serve:
        click.echo(f"Serving on http://127.0.0.1:{port}/docs until Ctrl-C.", err=True)
        serving.serve(url, port=port)

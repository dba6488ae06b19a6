"""``trial-ledger replay`` and ``trial-ledger report``: what the record means, as known when."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
from rich.console import Console

from api.cli import options
from api.cli.course import print_course
from api.cli.examining import examine
from api.cli.progress import progress_bar
from api.cli.verifying import root_of_trust
from ledger.errors import RejectedInput
from ledger.signing.rfc3339 import parse_rfc3339
from projections.reading import OpenedLog, Projections, opened
from projections.report import opened_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ledger.storage.database import Database


_PIPED_WIDTH = 140


@click.command()
@click.argument("subject")
@options.database
@click.option("--known-at", help="Record time (RFC 3339) or position: what had been recorded.")
@click.option("--true-at", help="Occurrence time (RFC 3339): what had happened.")
@options.as_json
def replay(
    *, subject: str, database: Database, known_at: str | None, true_at: str | None, as_json: bool
) -> None:
    """Show the course of one subject, as known at a moment or as it was true."""
    with opened(database) as ledger:
        views = Projections(ledger)
        try:
            found = views.replay(
                subject,
                known_at=_position(ledger, known_at),
                true_at=None if true_at is None else parse_rfc3339(true_at),
            )
        finally:
            views.close()
    if found is None:
        limited = known_at is not None or true_at is not None
        raise RejectedInput(
            "replay.unknown-subject",
            f"There is no subject {subject}{' by then' if limited else ''}.",
            remedy="A subject is named like SY01-0007."
            if not limited
            else "Ask for a later time, or for none.",
        )
    if as_json:
        options.print_json(found)
        return
    print_course(Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH), found)


@click.command()
@options.database
@click.option(
    "--format",
    "format_",
    type=click.Choice(["html", "json"]),
    default="html",
    show_default=True,
    help="For people or for machines.",
)
@click.option("--as-of", help="Record time (RFC 3339); default is the newest entry's.")
@click.option(
    "--subject",
    help="Whose full replay the report shows [default: who has most deviations].",
)
@options.head_file
@click.option("--key", "vkey", help="The log's verifier key, as handed over out of band.")
@click.option("--genesis", help="SHA-256 of entry 0, as handed over out of band.")
@click.option("--unverified", is_flag=True, help="Skip the verification the report states.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write [default: standard output].",
)
def report(  # noqa: PLR0913 - one parameter an option
    *,
    database: Database,
    format_: str,
    as_of: str | None,
    subject: str | None,
    head_file: Path | None,
    vkey: str | None,
    genesis: str | None,
    unverified: bool,
    out: Path | None,
) -> None:
    """Write the GCP audit report: one self-contained file.

    It states what a verification made for it found, against --key and --genesis if given.
    """
    verification = None
    if not unverified:
        trust = root_of_trust(vkey, genesis)
        verification = examine(database, head_file=head_file, trust=trust).to_json()
    with (
        _appearing(out) as file,
        opened(database) as ledger,
        progress_bar("Writing the report"),
    ):
        views = Projections(ledger)
        try:
            views.follow()
            with opened_report(
                views, ledger, as_of=_instant(as_of), subject=subject, verification=verification
            ) as made:
                made.write(file, format="json" if format_ == "json" else "html")
            length = file.tell()
        finally:
            views.close()
    if out is not None:
        click.echo(f"{out}: {length} bytes", err=True)


@contextmanager
def _appearing(out: Path | None) -> Iterator[BinaryIO]:
    """A file that appears under its name, or on standard output, once it is whole."""
    if out is not None and (out.is_file() or not out.exists()):
        staged = out.with_name(f"{out.name}.part")
        try:
            with staged.open("wb") as file:
                yield file
            staged.replace(out)
        finally:
            staged.unlink(missing_ok=True)
        return
    # A device or a pipe has a name that must stay its own.
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        if out is None:
            shutil.copyfileobj(file, sys.stdout.buffer)
            return
        with out.open("wb") as device:
            shutil.copyfileobj(file, device)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_rfc3339(text)


def _position(ledger: OpenedLog, text: str | None) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text)
    return ledger.application.position_at(parse_rfc3339(text))

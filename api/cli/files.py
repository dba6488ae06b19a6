"""``trial-ledger verify FILE`` and ``--url``: what is checked without the database.

The kernel checks, then the schema checks the payloads of a bundle.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from api.cli.progress import progress_bar
from api.monitor import verify_url
from ledger.events.conformance import check_conformance
from ledger.verification.__main__ import COULD_NOT_CHECK, DAMAGED, as_json, as_lines
from ledger.verification.bundle import BundleEvidence, kind_of_bundle, verify_opened
from ledger.verification.dossier import verify_dossier
from ledger.verification.manifest import DOSSIER, LOG
from ledger.verification.report import Status

if TYPE_CHECKING:
    from ledger.verification.report import RootOfTrust, VerificationReport

F = TypeVar("F", bound=Callable[..., Any])

_SCHEMA = "schema of payloads"


def remote_options(command: F) -> F:
    """``BUNDLE``, ``--url URL`` and ``--state FILE``."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option(
            "--state",
            type=click.Path(dir_okay=False, path_type=Path),
            default="trial-ledger.monitor",
            show_default=True,
            help="With --url: what was fetched, and how far the log was sound.",
        ),
        click.option("--url", help="A log's address, such as https://host/v1/trials/TRIAL/log."),
        click.argument("bundle", required=False, type=file),
    ):
        command = option(command)
    return command


def verify_remote(url: str, state: Path, *, trust: RootOfTrust | None, machine: bool) -> None:
    """Verify a log over the network and print what was found; the exit status is ``verify``'s.

    Raises Unavailable when the log or the state file cannot be read.
    """
    with progress_bar("Reading the log") as progress:
        report = verify_url(url, state, trust=trust, progress=progress)
    _tell(report, [], kind=LOG, machine=machine)


def verify_file(path: Path, *, trust: RootOfTrust | None, machine: bool) -> None:
    """Verify a bundle and print what was found; the exit status is that of ``verify``.

    Raises Unavailable when the file cannot be opened.
    """
    kind = kind_of_bundle(path)
    report, schema = (
        (verify_dossier(path, trust=trust), []) if kind == DOSSIER else _log(path, trust)
    )
    _tell(report, schema, kind=kind, machine=machine)


def _tell(report: VerificationReport, schema: list[str], *, kind: str, machine: bool) -> None:
    if machine:
        value = json.loads(as_json(report, kind))
        value.update(schema=schema, status="damaged" if schema else value["status"])
        click.echo(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))
    else:
        for line in schema:
            click.echo(line)
        click.echo("".join(as_lines(report, kind)), nl=False)
    if report.obstacle:
        sys.exit(COULD_NOT_CHECK)
    if schema or report.status is Status.DAMAGED:
        sys.exit(DAMAGED)


def _log(path: Path, trust: RootOfTrust | None) -> tuple[VerificationReport, list[str]]:
    with BundleEvidence(path) as source:
        with progress_bar("Verifying entries") as progress:
            report = verify_opened(source, trust=trust, progress=progress)
        if report.obstacle:
            return report, []
        with progress_bar("Checking payloads") as progress:
            schema = [str(found) for found in check_conformance(source, progress)]
    left = tuple(name for name in report.not_checked if name != _SCHEMA)
    return replace(report, not_checked=left), schema

"""``trial-ledger verify``: check everything, trust nobody, name what is wrong."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from eventsourcing.persistence import PersistenceError

from api.cli import options
from api.cli.progress import progress_bar
from ledger.application import LedgerApplication, database_path
from ledger.errors import LedgerError
from ledger.events.conformance import check_conformance
from ledger.genesis import read_genesis
from ledger.log.note import VerifierKey
from ledger.storage.evidence import DatabaseEvidence
from ledger.verification.report import RootOfTrust, Status
from ledger.verification.run import verify as verify_evidence
from projections.reading import OpenedLog, Projections, projections_path

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.verification.report import VerificationReport

DAMAGED = 1
COULD_NOT_CHECK = 2


@click.command()
@options.database
@options.head_file
@click.option("--key", "vkey", help="The log's verifier key, as handed over out of band.")
@click.option("--genesis", help="SHA-256 of entry 0, as handed over out of band.")
@options.as_json
def verify(
    *, database: str, head_file: Path | None, vkey: str | None, genesis: str | None, as_json: bool
) -> None:
    """Check entries, chains, tree, checkpoints, signatures, authority, allocation, projections.

    With --key and --genesis the ledger is checked against its root of trust; without them it is
    found to be consistent with itself only. Each finding is one line: check, position, what,
    expected, found, what to do.

    Exit status: 0 sound, 1 damaged, 2 could not check.
    """
    try:
        outcome = examine(database, head_file=head_file, trust=_root_of_trust(vkey, genesis))
    except LedgerError as error:
        click.echo(f"Could not check: {error}", err=True)
        sys.exit(COULD_NOT_CHECK)
    if as_json:
        options.print_json(outcome.to_json())
    else:
        _print(outcome)
    if outcome.report.obstacle:
        sys.exit(COULD_NOT_CHECK)
    if outcome.damaged:
        sys.exit(DAMAGED)


class Examination:
    """The kernel's report with what the layers above it found."""

    def __init__(self, report: VerificationReport, schema: list[str], derived: list[str]) -> None:
        self.report = report
        self.schema = schema
        self.derived = derived

    @property
    def damaged(self) -> bool:
        """Whether anything at all is not as it must be."""
        return bool(self.report.status is Status.DAMAGED or self.schema or self.derived)

    def to_json(self) -> dict[str, Any]:
        """The examination for machines."""
        report = asdict(self.report)
        report.update(
            status="damaged" if self.damaged else str(self.report.status),
            schema=self.schema,
            projections=self.derived,
            checks_done=[check.label for check in self.report.checks_done],
            not_checked=[],
        )
        return report


def examine(
    database: str, *, head_file: Path | None = None, trust: RootOfTrust | None = None
) -> Examination:
    """Verify a database and, where it can be read, its payloads and projections.

    Raises Unavailable when the database cannot be opened at all.
    """
    path = database_path(database)
    with DatabaseEvidence(path, head_file=head_file) as source:
        with progress_bar("Verifying entries") as progress:
            report = verify_evidence(source, trust=trust, progress=progress)
        if report.obstacle:
            return Examination(report, [], [])
        with progress_bar("Checking payloads") as progress:
            schema = [str(found) for found in check_conformance(source, progress)]
    return Examination(
        report, schema, _compare_projections(database, damaged=bool(report.findings))
    )


def _compare_projections(database: str, *, damaged: bool) -> list[str]:
    path = database_path(database)
    if not projections_path(path).exists():
        return []
    application = LedgerApplication(database, create=False)
    try:
        views = Projections(OpenedLog(application, read_genesis(application)))
        try:
            return [str(difference) for difference in views.check()]
        finally:
            views.close()
    except (LedgerError, PersistenceError) as error:
        # What the kernel found damaged cannot be folded; its findings say so already.
        return [] if damaged else [f"projections.unreadable at log: {error}"]
    finally:
        application.close()


def _root_of_trust(vkey: str | None, genesis: str | None) -> RootOfTrust | None:
    if vkey is None and genesis is None:
        return None
    if vkey is None or genesis is None:
        raise click.UsageError("The root of trust is --key and --genesis together.")
    return RootOfTrust(VerifierKey.parse(vkey), genesis)


def _print(outcome: Examination) -> None:
    report = outcome.report
    for finding in report.findings:
        click.echo(str(finding))
    for line in (*outcome.schema, *outcome.derived):
        click.echo(line)
    if report.uncounted:
        click.echo(f"{report.uncounted} more findings of the same kinds are not listed.")
    for finding in (*report.doubtful, *report.notices):
        click.echo(f"Note: {finding}")
    if report.obstacle:
        click.echo(f"Could not check everything: {report.obstacle}", err=True)
    verdict = "DAMAGED" if outcome.damaged else "Sound"
    click.echo(f"{verdict}: {report.size} entries, head {report.head}, root {report.root}.")
    click.echo(f"Checked: {', '.join(c.label for c in report.checks_done)}, schema, projections.")
    if report.withheld:
        click.echo(f"{report.withheld} sealed members have no opening here; their seals hold.")
    if report.internally_consistent_only:
        click.echo(
            "Internally consistent only: no root of trust was given. Compare with --key and "
            f"--genesis from a source of your own; this copy says {report.genesis_sha256}."
        )

"""``trial-ledger verify``: check everything, trust nobody, name what is wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from api.cli import options
from api.cli.examining import Examination, examine
from api.cli.files import (
    Given,
    effort_options,
    held_option,
    policy_option,
    read_access,
    read_asked,
    read_held,
    remote_options,
    verify_file,
    verify_remote,
)
from api.cli.receipts import receipt_options, verify_one
from api.cli.stamping import certificates
from ledger.errors import LedgerError
from ledger.log.note import VerifierKey
from ledger.verification.__main__ import publication_lines
from ledger.verification.report import RootOfTrust

if TYPE_CHECKING:
    from pathlib import Path

    from ledger.storage.database import Database


DAMAGED = 1
COULD_NOT_CHECK = 2


@click.command()
@options.database
@options.head_file
@click.option("--key", "vkey", help="The log's verifier key, as handed over out of band.")
@click.option("--genesis", help="SHA-256 of entry 0, as handed over out of band.")
@certificates
@policy_option
@held_option
@remote_options
@receipt_options
@effort_options
@options.as_json
def verify(  # noqa: PLR0913 - one parameter an option
    *,
    bundle: Path | None,
    url: str | None,
    identity: Path | None,
    role: str | None,
    state: Path,
    database: Database,
    head_file: Path | None,
    vkey: str | None,
    genesis: str | None,
    tsa_certificates: Path | None,
    policy: Path | None,
    held: tuple[Path, ...],
    receipt: Path | None,
    entry: Path | None,
    event_id: str | None,
    integrity_only: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Check entries, chains, tree, checkpoints, signatures, authority, allocation, the schema.

    The database file itself is checked too, with the triggers that keep it append-only, and the
    projections, where there are any.

    With --key and --genesis the ledger is checked against its root of trust; without them it is
    found to be consistent with itself only. Each finding is one line: check, position, what,
    expected, found, what to do.

    With BUNDLE, a file that `trial-ledger bundle` has written, everything in it is checked without
    database and network. A subject's dossier says beside what it proves what it does not.

    With --url the log is read over the network from its checkpoint, tiles and entries. Run it
    again with the same --state: only what is new is fetched, and a log that is shorter or other
    than the one verified before was rolled back or forked. The log of a real trial gives its tiles
    to registered readers alone: name yours with --identity.

    With --receipt one entry alone is checked, against --key and nothing else: no database, no
    network. The entry's bytes lie beside the receipt, as the client keeps them, or in --entry.

    What was published is checked beside the database: each published checkpoint, the log's own
    ML-DSA-44 cosignature, witnesses' lines, time stamps. With --policy the witnesses are those you
    trust, and their quorum must be met; with --tsa-certificates the authorities' signatures under
    the time stamps are checked too.

    With --checkpoint, as often as you like, the log must contain what somebody else holds: a note
    a witness signed, an older bundle's checkpoint, a receipt. So a ledger that shows two histories
    is found out.

    With --integrity-only the stored bytes are compared with what the log signed (chain, tree,
    tiles, checkpoints, what was published), in a small part of the time; no signature under an
    entry is checked then, and no entry is read.

    Exit status: 0 sound, 1 damaged, 2 could not check.
    """
    try:
        if receipt is not None or entry is not None or event_id is not None:
            verify_one(receipt, vkey, entry=entry, event_id=event_id, as_json=as_json)
            return
        access = read_access(identity, role)
        trust = root_of_trust(vkey, genesis)
        if held and (trust is None or url is not None):
            raise click.UsageError("--checkpoint needs --key and --genesis, and no --url.")
        if integrity_only and url is not None:
            raise click.UsageError("--integrity-only needs the whole log at hand, and no --url.")
        given = Given(
            trust, read_asked(policy), tsa_certificates, access, tuple(map(read_held, held)), jobs,
            integrity_only,
        )  # fmt: skip
        if bundle is not None:
            verify_file(bundle, given, machine=as_json)
            return
        if url is not None:
            verify_remote(url, state, given, machine=as_json)
            return
        outcome = examine(
            database,
            head_file=head_file,
            trust=given.trust,
            tsa_certificates=tsa_certificates,
            asked=given.asked,
            held=given.held,
            jobs=jobs,
            integrity_only=integrity_only,
        )
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


def root_of_trust(vkey: str | None, genesis: str | None) -> RootOfTrust | None:
    """The root of trust that two options name together; raises UsageError for one alone."""
    if vkey is None and genesis is None:
        return None
    if vkey is None or genesis is None:
        raise click.UsageError("The root of trust is --key and --genesis together.")
    return RootOfTrust(VerifierKey.parse(vkey), genesis)


def _print(outcome: Examination) -> None:
    report = outcome.report
    for line in (*map(str, report.findings), *outcome.above):
        click.echo(line)
    if report.uncounted:
        click.echo(f"{report.uncounted} more findings of the same kinds are not listed.")
    for finding in (*report.doubtful, *report.notices):
        click.echo(f"Note: {finding}")
    if report.obstacle:
        click.echo(f"Could not check everything: {report.obstacle}", err=True)
    verdict = "DAMAGED" if outcome.damaged else "Not checked" if report.obstacle else "Sound"
    entries = options.counted(report.size, "entry", "entries")
    click.echo(f"{verdict}: {entries}, head {report.head}, root {report.root}.")
    click.echo(f"Checked: {', '.join(outcome.checked)}.")
    if outcome.not_checked:
        click.echo(f"Not checked: {', '.join(outcome.not_checked)}.")
        for name, why in outcome.reasons.items():
            click.echo(f"  {name}: {why}.")
    if report.publication is not None:
        click.echo("".join(publication_lines(report.publication)), nl=False)
    if report.withheld:
        click.echo(f"{report.withheld} sealed members have no opening here; their seals hold.")
    if report.internally_consistent_only:
        click.echo(
            "Internally consistent only: no root of trust was given. Compare with --key and "
            f"--genesis from a source of your own; this copy says {report.genesis_sha256}."
        )

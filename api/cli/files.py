"""``trial-ledger verify FILE`` and ``--url``: what is checked without the database.

The kernel checks, then the schema checks the payloads of a bundle.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from api.access.entitlement import Wanted
from api.cli.progress import progress_bar
from api.identity import Identity
from api.monitor import Access, verify_url
from api.stamping import stamp_findings
from ledger.events.conformance import Conformance
from ledger.publication.publishing import read_policy
from ledger.verification.__main__ import COULD_NOT_CHECK, DAMAGED, as_json, as_lines
from ledger.verification.bundle import kind_of_bundle, opened_bundle, verify_opened
from ledger.verification.cosignatures import Asked
from ledger.verification.coverage import ELSEWHERE, INTEGRITY_ALONE
from ledger.verification.dossier import verify_dossier
from ledger.verification.evidence import HeadNote
from ledger.verification.held import check_held
from ledger.verification.manifest import DOSSIER, LOG
from ledger.verification.publication import AUTHORITIES
from ledger.verification.report import Status
from ledger.vocabulary import Role

if TYPE_CHECKING:
    from ledger.verification.report import RootOfTrust, VerificationReport

_LONGEST_HELD = 1_000_000
F = TypeVar("F", bound=Callable[..., Any])

_SCHEMA, _PROJECTIONS = ELSEWHERE


def remote_options(command: F) -> F:
    """``BUNDLE``, ``--url URL`` with ``--state``, ``--identity`` and ``--role``."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option(
            "--state",
            type=click.Path(dir_okay=False, path_type=Path),
            default="trial-ledger.monitor",
            show_default=True,
            help="With --url: what was fetched, and how far the log was sound.",
        ),
        click.option(
            "--role",
            type=click.Choice([role.value for role in Role]),
            help="With --identity: the role to read as, where more than one is held.",
        ),
        click.option(
            "--identity",
            type=file,
            help="With --url: the identity file of a registered reader, for a log that wants a "
            "token.",
        ),
        click.option("--url", help="A log's address, such as https://host/v1/trials/TRIAL/log."),
        click.argument("bundle", required=False, type=file),
    ):
        command = option(command)
    return command


def effort_options(command: F) -> F:
    """``--integrity-only`` and ``--jobs N``."""
    for option in (
        click.option(
            "--jobs",
            type=click.IntRange(1, 256),
            metavar="N",
            help="How many processes examine entries. Default: one for each processor, for a log "
            "that is long enough.",
        ),
        click.option(
            "--integrity-only",
            is_flag=True,
            help="Compare the stored bytes with what the log signed, and look into no entry.",
        ),
    ):
        command = option(command)
    return command


def policy_option(command: F) -> F:
    """``--policy FILE``, also from LEDGER_VERIFY_POLICY."""
    return click.option(
        "--policy",
        envvar="LEDGER_VERIFY_POLICY",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The witnesses you trust, and the quorum that must be met (C2SP tlog-policy).",
    )(command)


def held_option(command: F) -> F:
    """``--checkpoint FILE``, as often as wanted."""
    return click.option(
        "--checkpoint",
        "held",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="A checkpoint or receipt that somebody else holds; the log must contain it.",
    )(command)


def read_held(path: Path) -> HeadNote:
    """A note or receipt somebody holds; the file's name is what findings call it."""
    with path.open("rb") as file:
        return HeadNote(file.read(_LONGEST_HELD), path.name)


@dataclass(frozen=True, slots=True)
class Given:
    """What a verifier brings along: trust, policy, certificates, who he is, what others hold.

    ``jobs`` is how many processes examine entries; with ``integrity_only`` none are examined.
    """

    trust: RootOfTrust | None = None
    asked: Asked | None = None
    certificates: Path | None = None
    access: Access | None = None
    held: tuple[HeadNote, ...] = ()
    jobs: int | None = None
    integrity_only: bool = False


def read_asked(policy: Path | None) -> Asked | None:
    """The verifier's own policy; raises TrustFailure ``policy.…``."""
    return None if policy is None else Asked(read_policy(policy))


def read_access(identity: Path | None, role: str | None) -> Access | None:
    """Who reads a remote log; raises UsageError for a role alone, RejectedInput for no identity."""
    if identity is None:
        if role is not None:
            raise click.UsageError("--role says how to read as --identity.")
        return None
    return Access(Identity.load(identity), Wanted(None if role is None else Role(role)))


def verify_remote(url: str, state: Path, given: Given, *, machine: bool) -> None:
    """Verify a log over the network and print what was found; the exit status is ``verify``'s.

    Raises Unavailable when the log or the state file cannot be read.
    """
    with progress_bar("Reading the log") as progress:
        report = verify_url(
            url, state, trust=given.trust, progress=progress, asked=given.asked,
            access=given.access, jobs=given.jobs,
        )  # fmt: skip
    _tell(report, [], kind=LOG, machine=machine)


def verify_file(path: Path, given: Given, *, machine: bool) -> None:
    """Verify a bundle and print what was found; the exit status is that of ``verify``.

    Raises Unavailable when the file cannot be opened.
    """
    kind = kind_of_bundle(path)
    if given.integrity_only and kind == DOSSIER:
        raise click.UsageError("A dossier is not the whole log: there is no tree to compare.")
    if given.held and kind == DOSSIER:
        raise click.UsageError("A dossier is not the whole log: --checkpoint cannot be compared.")
    report, schema = (
        (verify_dossier(path, trust=given.trust), []) if kind == DOSSIER else _log(path, given)
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


def _log(path: Path, given: Given) -> tuple[VerificationReport, list[str]]:
    payloads = None if given.integrity_only else Conformance()
    jobs = 1 if given.integrity_only else given.jobs
    with opened_bundle(path, jobs=jobs, payloads=payloads) as (source, crew):
        with progress_bar("Verifying entries") as progress:
            report = verify_opened(
                source, trust=given.trust, progress=progress, asked=given.asked, jobs=crew,
                integrity_only=given.integrity_only, payloads=payloads,
            )  # fmt: skip
        if report.obstacle:
            return report, []
        above = [] if payloads is None else payloads.found
        stamps = stamp_findings(source.publication, source, given.certificates)
        if given.held and given.trust is not None:
            above += [str(found) for found in check_held(source, given.held, given.trust.vkey)]
    done = (set() if payloads is None else {_SCHEMA}) | (
        {AUTHORITIES} if stamps is not None else set()
    )
    reasons = {name: why for name, why in report.reasons.items() if name not in done}
    reasons[_PROJECTIONS] = "a bundle holds none"
    if payloads is None:
        reasons[_SCHEMA] = INTEGRITY_ALONE
    report = replace(report, not_checked=tuple(reasons), reasons=reasons)
    return report, [*above, *(stamps or ())]

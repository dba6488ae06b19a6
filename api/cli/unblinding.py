"""``trial-ledger unblind``: break one subject's blind in an emergency and read the arm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from api.cli import options
from api.client import LedgerReader
from api.identity import Identity
from ledger.errors import LedgerError
from ledger.vocabulary import Role

COULD_NOT: Final = 2
TREATING: Final = "treating-physician"


@click.command()
@click.option("--url", required=True, envvar="LEDGER_URL", help="Where the ledger is served.")
@click.option("--trial", required=True, envvar="LEDGER_TRIAL", help="The trial's id.")
@click.option(
    "--identity",
    "identity_file",
    required=True,
    envvar="LEDGER_IDENTITY",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your identity file: you sign, nobody else is asked.",
)
@click.option("--subject", "subject_id", required=True, help="The subject, such as SY01-0007.")
@click.option(
    "--role",
    type=click.Choice([Role.PRINCIPAL_INVESTIGATOR.value, Role.SUB_INVESTIGATOR.value]),
    help="As what you read, if you hold more than one role.",
)
@click.option("--reason", help="The reason as a code, if there is time; else record it later.")
@click.option(
    "--told",
    multiple=True,
    help="Who is told the arm, beside you or in your place; it is broken for them even where you "
    "may read it anyway. May be repeated [default: treating-physician].",
)
@click.option("--again", is_flag=True, help="Only read; break nothing.")
@click.option("--yes", is_flag=True, help="Do not ask whether this is the right subject.")
@options.as_json
def unblind(  # noqa: PLR0913 - one parameter an option
    *,
    url: str,
    trial: str,
    identity_file: Path,
    subject_id: str,
    role: str | None,
    reason: str | None,
    told: tuple[str, ...],
    again: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Show the arm of one subject at once; who is masked breaks the blind by it.

    For a physician of the site, in any state of the trial. Everybody concerned will see that it
    happened and by whom, nobody sees the arm by it. The medical reason is due afterwards.

    Whoever may read the arm anyway, or has broken this blind before, is shown it and breaks
    nothing, unless --told names somebody else.
    """
    identity = Identity.load(identity_file)
    with LedgerReader(url, trial, identity, role=role) as ledger:
        try:
            found = None
            if again:
                found = ledger.arm_of(subject_id)
            elif not told:
                found = ledger.arm_if_told(subject_id)
            untouched = found is not None
            if found is None:
                if not yes:
                    _ask(subject_id)
                breaking = ledger.break_blind if told else ledger.break_at_once
                found = breaking(subject_id, told_to=told or (TREATING,), reason_code=reason)
        except LedgerError as error:
            click.echo(f"trial-ledger: {error}", err=True)
            click.echo(
                "Without an answer in time, open the subject's sealed envelope. "
                "To read once more what you have broken: trial-ledger unblind --again.",
                err=True,
            )
            sys.exit(COULD_NOT)
    if as_json:
        options.print_json(found)
        return
    _show(found)
    if untouched and not again:
        why = "You are not masked" if found["blind"] is None else "You had broken this blind before"
        click.echo(f"  {why}; nothing was broken now. To break it for somebody else, name --told.")


def _ask(subject_id: str) -> None:
    click.confirm(f"Break the blind of {subject_id}, for good?", abort=True, err=True)


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{found['subject']}: ARM {found['arm']}")
    planned = options.counted(found["planned_infusions"], "infusion")
    click.echo(f"  {found['arm_label']}; {planned} planned")
    for row in found["allocations"]:
        click.echo(f"  allocated on {row['on']} by {row['method']}: {row['arm']}")
    blind = found["blind"]
    if blind is not None and blind["reason"] == "due":
        click.echo(
            f"  Record the medical reason until {blind['reason_due']}: {blind['reason_in']} "
            f"with unblinding {blind['event']}."
        )

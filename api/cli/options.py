"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from ledger.service import LedgerFiles
from ledger.storage.database import Database
from ledger.storage.rights import excess_rights

if TYPE_CHECKING:
    from rich.table import Table

F = TypeVar("F", bound=Callable[..., Any])

_FILES = "trial-ledger.files"
_SHOWN_RIGHTS = 3
_UNCUT = 100_000
_URLS = "sqlite:///PATH or postgresql://USER@HOST/DATABASE"


def database(command: F) -> F:
    """``--database URL`` and ``--files DIR``, also from LEDGER_DATABASE_URL and LEDGER_FILES.

    The command gets a `Database`, which knows where its files lie.
    """
    option = click.option(
        "--database",
        "database",
        envvar="LEDGER_DATABASE_URL",
        default="sqlite:///var/demo/ledger.sqlite3",
        show_default=True,
        metavar="URL",
        callback=_parsed,
        help=f"The ledger's database, {_URLS}.",
    )
    return option(_files(command))


def new_database(command: F) -> F:
    """``--database URL`` of a ledger that is to be opened, and ``--files DIR``."""
    option = click.option(
        "--database",
        "database",
        required=True,
        envvar="LEDGER_DATABASE_URL",
        metavar="URL",
        callback=_parsed,
        help=f"The new ledger's database, {_URLS}; it is migrated first.",
    )
    return option(_files(command))


def _files(command: F) -> F:
    return click.option(
        "--files",
        "files",
        envvar="LEDGER_FILES",
        type=click.Path(file_okay=False, path_type=Path),
        expose_value=False,
        is_eager=True,
        callback=_remembered,
        help="Directory of the keys, the head, the allocation list, published checkpoints and "
        "projections [default: beside an SQLite file; for PostgreSQL a directory named after the "
        "database].",
    )(command)


def _remembered(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    context.meta[_FILES] = value


def _parsed(context: click.Context, _: click.Parameter, value: str) -> Database:
    return Database.parse(value, files=context.meta.get(_FILES))


def warn_of_rights(database: Database) -> None:
    """Say on standard error, in short, what the role may do that a service's may not."""
    excess = excess_rights(database)
    if excess:
        more = len(excess) - _SHOWN_RIGHTS
        shown = "; ".join(excess[:_SHOWN_RIGHTS]) + (f", and {more} more" if more > 0 else "")
        click.echo(
            f"Note: this role {shown}. Serve a real trial under a role of its own "
            "(trial-ledger database migrate --service-role ROLE).",
            err=True,
        )


def head_file(command: F) -> F:
    """``--head-file PATH``, also from LEDGER_HEAD_FILE."""
    return click.option(
        "--head-file",
        "head_file",
        envvar="LEDGER_HEAD_FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where the last signed head is kept outside the database [default: <database>.head].",
    )(command)


def witness_policy(command: F) -> F:
    """``--witness-policy FILE``, also from LEDGER_WITNESS_POLICY."""
    return click.option(
        "--witness-policy",
        "witness_policy",
        envvar="LEDGER_WITNESS_POLICY",
        type=click.Path(dir_okay=False, path_type=Path),
        help="A C2SP tlog-policy file: the witnesses to ask, and the quorum [default: none].",
    )(command)


def as_json(command: F) -> F:
    """``--json`` for machines."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(command)


def files_for(database_file: Path, head: Path | None) -> LedgerFiles:
    """The ledger's files beside its database, the head file elsewhere if asked."""
    return LedgerFiles.beside(database_file, head=head)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 entry``, ``2 entries``; the plural ends in s unless given."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def print_table(table: Table) -> None:
    """Print a table as wide as the terminal, and uncut where it goes into a file or a pipe."""
    console = Console()
    if not console.is_terminal:
        wide = console.measure(table, options=console.options.update(max_width=_UNCUT)).maximum
        console = Console(width=max(wide, 1))
    console.print(table)


def print_json(value: object) -> None:
    """Print JSON, indented and in order of names."""
    click.echo(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))

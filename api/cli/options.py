"""Options that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ledger.service import LedgerFiles

F = TypeVar("F", bound=Callable[..., Any])


def database(command: F) -> F:
    """``--database URL``, also from LEDGER_DATABASE_URL."""
    return click.option(
        "--database",
        "database",
        envvar="LEDGER_DATABASE_URL",
        default="sqlite:///var/demo/ledger.sqlite3",
        show_default=True,
        metavar="URL",
        help="The ledger's database, sqlite:///PATH.",
    )(command)


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


def print_json(value: object) -> None:
    """Print JSON, indented and in order of names."""
    click.echo(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False))

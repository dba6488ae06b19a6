"""Options about time stamps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ledger.publication.timestamp_follower import INTERVAL_SECONDS

F = TypeVar("F", bound=Callable[..., Any])


def certificates(command: F) -> F:
    """``--tsa-certificates FILE``, also from LEDGER_TSA_CERTIFICATES."""
    return click.option(
        "--tsa-certificates",
        "tsa_certificates",
        envvar="LEDGER_TSA_CERTIFICATES",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="PEM certificates that time stamps must lead to [default: none].",
    )(command)


def authority(command: F) -> F:
    """``--tsa-url``, ``--tsa-certificates`` and ``--tsa-interval``, also from LEDGER_TSA_…."""
    command = click.option(
        "--tsa-interval",
        envvar="LEDGER_TSA_INTERVAL",
        type=float,
        default=INTERVAL_SECONDS,
        show_default=True,
        help="Least seconds between two requests to the time-stamping authority.",
    )(command)
    command = certificates(command)
    return click.option(
        "--tsa-url",
        envvar="LEDGER_TSA_URL",
        metavar="URL",
        help="An RFC 3161 authority that time-stamps published checkpoints [default: none].",
    )(command)

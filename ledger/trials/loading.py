"""Loading a trial definition: strict JSON, typed reading, checks of agreement, canonical bytes."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Final

from ledger.errors import RejectedInput
from ledger.signing.strict_json import JsonObject, canonical, parse_object
from ledger.trials.consistency import check_ranges, check_references, check_sources
from ledger.trials.definition import TrialDefinition, TrialParts
from ledger.trials.reading import read

# The definition travels inside entry 0, whose event may hold 40 KiB beside keys and origin.
LARGEST_DEFINITION: Final = 30 * 1024
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def parse_trial(document: JsonObject) -> TrialDefinition:
    """Read a trial definition from parsed JSON.

    Raises:
        RejectedInput: ``trial.*`` with the JSON pointer of the first value that is missing,
            unknown, mistyped, out of range, inconsistent or without a source; ``trial.size``
            above 30 KiB of canonical JSON; ``strict-json.*`` for floats and other foreign values.
    """
    data = canonical(document)
    if len(data) > LARGEST_DEFINITION:
        raise RejectedInput(
            "trial.size",
            f"The definition takes {len(data)} bytes of canonical JSON, more than "
            f"{LARGEST_DEFINITION}.",
            where="/",
        )
    parts = read(TrialParts, document)
    check_references(parts)
    check_ranges(parts)
    check_sources(parts, document)
    return TrialDefinition(
        registry=parts.registry,
        protocol=parts.protocol,
        from_registry=parts.from_registry,
        assumed=parts.assumed,
        canonical=data,
    )


def load_trial(source: Path | str) -> TrialDefinition:
    """Load a trial from a file, or by the name of a trial that is shipped (``xhnkky-dfsc``).

    Raises:
        RejectedInput: ``trial.not-found``, or as `parse_trial` and strict JSON say.
    """
    return parse_trial(parse_object(_read_bytes(source)))


def shipped_trials() -> tuple[str, ...]:
    """Give the names of the trials that are shipped, in alphabetical order."""
    files = resources.files("ledger.trials").iterdir()
    return tuple(sorted(f.name.removesuffix(".json") for f in files if f.name.endswith(".json")))


def _read_bytes(source: Path | str) -> bytes:
    if isinstance(source, Path):
        try:
            return source.read_bytes()
        except FileNotFoundError:
            raise _not_found(str(source)) from None
    if not _NAME.fullmatch(source) or source not in shipped_trials():
        raise _not_found(source)
    return resources.files("ledger.trials").joinpath(f"{source}.json").read_bytes()


def _not_found(name: str) -> RejectedInput:
    return RejectedInput(
        "trial.not-found",
        f"There is no trial definition '{name}'.",
        remedy=f"Shipped: {', '.join(shipped_trials())}; or give the path of a file.",
    )

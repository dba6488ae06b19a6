"""``trial-ledger verify --receipt``: one entry proved by its receipt, without any network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from api.cli import options
from api.receipts import ENTRY_SUFFIX, PROOF_SUFFIX
from ledger.errors import IntegrityFailure, RejectedInput, TrustFailure
from ledger.log.entry import MAX_ENTRY_BYTES
from ledger.log.note import VerifierKey
from ledger.log.proof import parse_receipt, verify_receipt
from ledger.record import read_record
from ledger.signing.envelope import UUID7

if TYPE_CHECKING:
    from ledger.log.proof import Receipt

F = TypeVar("F", bound=Callable[..., Any])

NOT_PROVED = 1
_MAX_RECEIPT_BYTES = 2_000_000
_FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Proved:
    """What a receipt proves about an entry: all of it stands in the entry or the checkpoint."""

    id: str
    type: str
    stream: str
    recorded_at: str
    index: int
    entry_sha256: str
    origin: str
    size: int


def receipt_options(command: F) -> F:
    """``--receipt FILE`` with ``--entry FILE`` and ``--id ID``."""
    for option in (
        click.option("--id", "event_id", help="The event the receipt must be for."),
        click.option("--entry", type=_FILE, help="The entry's bytes [default: beside the receipt]"),
        click.option("--receipt", type=_FILE, help="Check this one receipt, without network."),
    ):
        command = option(command)
    return command


def prove(
    receipt: Path, vkey: VerifierKey, *, entry: Path | None = None, event_id: str | None = None
) -> Proved:
    """Check a receipt against the log's key and say what it proves.

    The entry is ``<id>.entry.json`` beside the receipt unless named. Nothing is believed but the
    key: the leaf is computed from the entry's bytes, what is said comes out of them.

    Raises:
        RejectedInput: when a file is missing or too large, or the id is none.
        IntegrityFailure: ``receipt.…``, ``entry.…``, ``inclusion.…``.
        TrustFailure: ``note.…``, ``checkpoint.foreign-key``.
    """
    if event_id is not None and UUID7.fullmatch(event_id) is None:
        raise RejectedInput("receipt.event-id", "--id: An id is a UUID of version 7, lower case.")
    read = _read_receipt(receipt)
    data = _read(entry or _beside(receipt, event_id), MAX_ENTRY_BYTES)
    checkpoint = verify_receipt(read, data, vkey)
    record = read_record(data)
    if record.seq != read.index:
        raise IntegrityFailure(
            "receipt.other-index",
            f"The entry says that it is entry {record.seq}, the log holds it at {read.index}.",
        )
    if event_id is not None and record.id != event_id:
        raise IntegrityFailure("receipt.other-event", f"The receipt is for event {record.id}.")
    return Proved(
        id=record.id,
        type=record.type,
        stream=record.stream,
        recorded_at=record.entry.recorded_at,
        index=read.index,
        entry_sha256=record.sha256,
        origin=checkpoint.origin,
        size=checkpoint.size,
    )


def verify_one(
    receipt: Path | None,
    vkey: str | None,
    *,
    entry: Path | None,
    event_id: str | None,
    as_json: bool,
) -> None:
    """Check one receipt and print what it proves; the exit status is that of ``verify``.

    Raises RejectedInput for files that cannot be read, and what a malformed key raises.
    """
    if receipt is None or vkey is None:
        raise click.UsageError("A receipt is checked against the log's key: --receipt and --key.")
    key = VerifierKey.parse(vkey)
    try:
        proved = prove(receipt, key, entry=entry, event_id=event_id)
    except (IntegrityFailure, TrustFailure) as error:
        if as_json:
            options.print_json({"status": "not proved", "code": error.code, "detail": str(error)})
        else:
            click.echo(f"NOT PROVED: {error.code}: {error}")
        sys.exit(NOT_PROVED)
    if as_json:
        options.print_json({"status": "proved", **asdict(proved)})
        return
    click.echo(
        f"Proved: event {proved.id} is entry {proved.index} of the log {proved.origin}, "
        f"under its signed checkpoint of {options.counted(proved.size, 'entry', 'entries')}."
    )
    click.echo(f"  type         {proved.type}")
    click.echo(f"  stream       {proved.stream}")
    click.echo(f"  recorded at  {proved.recorded_at} (the ledger's clock)")
    click.echo(f"  entry        sha256 {proved.entry_sha256}")
    click.echo("Not checked: who signed the statement and whether they might; that takes the log.")


def _read_receipt(path: Path) -> Receipt:
    try:
        text = _read(path, _MAX_RECEIPT_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        raise IntegrityFailure("receipt.not-utf-8", "The receipt is not UTF-8.") from None
    return parse_receipt(text)


def _beside(receipt: Path, event_id: str | None) -> Path:
    found = receipt.with_name(
        f"{event_id or receipt.name.removesuffix(PROOF_SUFFIX)}{ENTRY_SUFFIX}"
    )
    if not found.exists():
        raise RejectedInput(
            "receipt.no-entry",
            f"The entry {found.name} does not lie beside the receipt.",
            remedy="Name the entry's file with --entry; GET /events/{id} has its bytes in entry.",
        )
    return found


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise RejectedInput(
            "receipt.unreadable", f"{path.name} cannot be read: {error.strerror}."
        ) from None
    if len(data) > limit:
        raise RejectedInput("receipt.unreadable", f"{path.name} is longer than {limit} bytes.")
    return data

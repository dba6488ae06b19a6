"""``trial-ledger post``: sign an event and post it, or post statements signed elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from api.cli import options
from api.client import LedgerClient, Rejected
from api.identity import Identity
from ledger.errors import RejectedInput
from ledger.signing.statement import Meaning
from ledger.signing.strict_json import parse_object


@click.command()
@click.option("--url", required=True, envvar="LEDGER_URL", help="Where the ledger is served.")
@click.option("--trial", required=True, envvar="LEDGER_TRIAL", help="The trial's id.")
@click.option("--key", "vkey", required=True, envvar="LEDGER_VKEY", help="The log's verifier key.")
@click.option(
    "--identity",
    "identities",
    required=True,
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Identity file of a signer; the first one's source is the event's. May be repeated.",
)
@click.option("--type", "type_", required=True, help="Event type, such as visit.completed.v1.")
@click.option("--subject", required=True, help="The stream, such as subject/SY01-0007.")
@click.option("--time", "time_", required=True, help="When it happened, RFC 3339 with offset.")
@click.option(
    "--meaning",
    "meanings",
    multiple=True,
    type=click.Choice([meaning.value for meaning in Meaning]),
    help="What the signature of each person means, in the order of --identity.",
)
@click.option(
    "--data",
    required=True,
    type=click.File("rb"),
    help="JSON file with the payload, or - for standard input.",
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep receipts.")
def post(  # noqa: PLR0913 - one parameter an option
    *,
    url: str,
    trial: str,
    vkey: str,
    identities: tuple[Path, ...],
    type_: str,
    subject: str,
    time_: str,
    meanings: tuple[str, ...],
    data: BinaryIO,
    keep: Path | None,
) -> None:
    """Sign one event, seal what must be sealed, post it, check the receipt.

    Safe to run again after any failure only with the same statement; this command makes a new
    event each time, so look the event up before repeating it.
    """
    signers = [Identity.load(path) for path in identities]
    persons = [signer for signer in signers if signer.person]
    if len(persons) != len(meanings):
        raise RejectedInput(
            "post.meanings", "Each signing person needs a --meaning, in the order of --identity."
        )
    meaning_of = {person.source: meaning for person, meaning in zip(persons, meanings, strict=True)}
    event = signers[0].sign(
        type_,
        subject,
        parse_object(data.read()),
        trial=trial,
        time=time_,
        meaning=meaning_of.get(signers[0].source),
        also=[signer.signer(meaning_of.get(signer.source)) for signer in signers[1:]],
    )
    with LedgerClient(url, trial, vkey=vkey, keep=keep) as client:
        try:
            answer = client.post(event)
        except Rejected as error:
            click.echo(f"Not recorded as wished: {error}", err=True)
            for rule in error.answer.rules:
                click.echo(f"  {rule['id']}: {rule['message']}", err=True)
            sys.exit(1)
    options.print_json({"id": event.id, "seq": answer.seq, "status": answer.status})

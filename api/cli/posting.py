"""``trial-ledger post``: sign an event and post it, or send a kept statement again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from api.cli import options
from api.client import LedgerClient, Rejected
from api.identity import Identity
from api.pending import Pending
from ledger.errors import LedgerError, RejectedInput
from ledger.signing.statement import Meaning
from ledger.signing.strict_json import parse_object

if TYPE_CHECKING:
    from api.client import Answer
    from api.identity import SignedEvent

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_SERVER_ERRORS = 500
COULD_NOT = 2


@click.command()
@click.option("--url", required=True, envvar="LEDGER_URL", help="Where the ledger is served.")
@click.option("--trial", required=True, envvar="LEDGER_TRIAL", help="The trial's id.")
@click.option("--key", "vkey", required=True, envvar="LEDGER_VKEY", help="The log's verifier key.")
@click.option(
    "--identity",
    "identities",
    multiple=True,
    type=_FILE,
    help="Identity file of a signer; the first one's source is the event's. May be repeated.",
)
@click.option("--type", "type_", help="Event type, such as visit.completed.v1.")
@click.option(
    "--stream",
    "--subject",
    "stream",
    help="The stream the event belongs to, its CloudEvents subject: such as subject/SY01-0007, "
    "treatment/SY01-0007, site/SY01, access.",
)
@click.option("--time", "time_", help="When it happened, RFC 3339 with offset.")
@click.option(
    "--meaning",
    "meanings",
    multiple=True,
    type=click.Choice([meaning.value for meaning in Meaning]),
    help="What the signature of each person means, in the order of --identity.",
)
@click.option(
    "--data", type=click.File("rb"), help="JSON file with the payload, or - for standard input."
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep receipts.")
@click.option(
    "--again",
    type=_FILE,
    help="Send a statement that was kept, byte for byte, instead of signing a new one.",
)
def post(  # noqa: PLR0913 - one parameter an option
    *,
    url: str,
    trial: str,
    vkey: str,
    identities: tuple[Path, ...],
    type_: str | None,
    stream: str | None,
    time_: str | None,
    meanings: tuple[str, ...],
    data: BinaryIO | None,
    keep: Path | None,
    again: Path | None,
) -> None:
    """Sign one event, seal what must be sealed, post it, check the receipt.

    Each run signs a new event: --identity, --type, --stream, --time and --data say which, and
    --meaning what a person's signature means. What was signed is kept in a file, <id>.statement
    with the receipts or here, until the ledger has answered. After a failure send that file again
    with --again: the same bytes are recorded once, however often they are sent.
    """
    made = {"--identity": identities, "--type": type_, "--stream": stream, "--time": time_,
            "--data": data}  # fmt: skip
    if again is not None:
        if any(made.values()):
            raise click.UsageError(f"--again sends what was signed; leave out {', '.join(made)}.")
        pending = Pending.read(again)
    else:
        missing = [name for name, value in made.items() if not value]
        if missing or data is None:
            raise click.UsageError(f"Missing {', '.join(missing)}.")
        event = _signed(
            identities, meanings, data.read(),
            trial=trial, type_name=str(type_), subject=str(stream), time=str(time_),
        )  # fmt: skip
        pending = Pending.keep(keep or Path(), event)
    with LedgerClient(url, trial, vkey=vkey, keep=keep) as client:
        answer = _posted(client, pending, drop=again is None)
    options.print_json({"id": answer.event.id, "seq": answer.seq, "status": answer.status})


def _posted(client: LedgerClient, pending: Pending, *, drop: bool) -> Answer:
    """Post it; with ``drop`` what was kept goes once the ledger has decided."""
    try:
        answer = client.post(pending.event)
    except Rejected as error:
        click.echo(f"Not recorded as wished: {error}", err=True)
        for rule in error.answer.rules:
            click.echo(f"  {rule['id']}: {rule['message']}", err=True)
        if error.answer.status >= _SERVER_ERRORS:
            _tell_kept(pending)
        elif drop:
            pending.drop()
        sys.exit(1)
    except LedgerError as error:
        click.echo(f"trial-ledger: {error}", err=True)
        _tell_kept(pending)
        sys.exit(COULD_NOT)
    except KeyboardInterrupt:
        _tell_kept(pending)
        raise
    if drop:
        pending.drop()
    return answer


def _tell_kept(pending: Pending) -> None:
    click.echo(
        f"What was signed is kept in {pending.path}; trial-ledger post --again {pending.path} "
        "sends the same bytes, which are recorded once.",
        err=True,
    )


def _signed(
    identities: tuple[Path, ...],
    meanings: tuple[str, ...],
    data: bytes,
    *,
    trial: str,
    type_name: str,
    subject: str,
    time: str,
) -> SignedEvent:
    signers = [Identity.load(path) for path in identities]
    persons = [signer for signer in signers if signer.person]
    if len(persons) != len(meanings):
        raise RejectedInput(
            "post.meanings", "Each signing person needs a --meaning, in the order of --identity."
        )
    meaning_of = {person.source: meaning for person, meaning in zip(persons, meanings, strict=True)}
    return signers[0].sign(
        type_name,
        subject,
        parse_object(data),
        trial=trial,
        time=time,
        meaning=meaning_of.get(signers[0].source),
        also=[signer.signer(meaning_of.get(signer.source)) for signer in signers[1:]],
    )

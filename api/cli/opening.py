"""``trial-ledger init``: open a trial in an empty database."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli import options
from api.identity import Identity
from ledger.application import LedgerApplication
from ledger.clock import SystemClock
from ledger.concealment.settings import KeyPlaces, open_ring
from ledger.errors import LedgerError, RejectedInput
from ledger.recording.genesis import Sponsor, open_trial
from ledger.signing.ledger_keys import LedgerKeys
from ledger.storage.head_file import HeadFile
from ledger.trials import load_trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ledger.storage.database import Database

ROOT = "/sponsor/persons/root"
SPONSOR_SUFFIX = ".sponsor"
_KEY_HASH = "{key-sha256}"


@click.command()
@options.new_database
@options.head_file
@click.option(
    "--trial",
    default="xhnkky-dfsc",
    show_default=True,
    help="A shipped trial's name, or the path of its file.",
)
@click.option(
    "--origin",
    help="The log's name, a host and path of your own without scheme or spaces; {key-sha256} in it"
    " is replaced by the SHA-256 (hex) of the log's Ed25519 public key, as sigsum witnesses want:"
    " sigsum.org/v1/tree/{key-sha256} [default: trial-ledger/<trial>].",
)
@click.option("--sponsor", "sponsor_name", help="Printed name [default: as registered].")
@click.option(
    "--sponsor-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Identity file of the sponsor's root key, from trial-ledger keys new"
    " [default: a new one, <database>.sponsor, to be moved to the sponsor].",
)
@click.option(
    "--kek",
    "keks",
    multiple=True,
    envvar="LEDGER_KEK",
    metavar="ADDRESS",
    help="Key-encryption key of what will be sealed, made by trial-ledger concealment new-key: a"
    " file or pkcs11:… [default: a new one, <database>.kek, best moved to another disk].",
)
@options.as_json
def init(
    *,
    database: Database,
    head_file: Path | None,
    trial: str,
    origin: str | None,
    sponsor_name: str | None,
    sponsor_key: Path | None,
    keks: Sequence[str],
    as_json: bool,
) -> None:
    """Open a trial: write entry 0, signed by the ledger and the sponsor.

    The ledger's own keys are made beside the database, readable by their owner alone, and so is the
    key-encryption key of what will be sealed: back it up apart from the database and from the key
    store (<database>.concealed), for whoever loses it loses every sealed member. The sponsor's root
    key signs once and is kept by the sponsor. What is printed is the root of trust: hand it to
    everybody who will verify, on a way of its own.
    """
    definition = load_trial(Path(trial) if trial.endswith(".json") else trial)
    protocol, path = definition.protocol, database.place
    files = options.files_for(path, head_file)
    for there in (files.keys, files.head):
        if there.exists():
            raise RejectedInput(
                "init.files-exist",
                f"{there.name} is there already.",
                remedy="A ledger is opened once; choose another database.",
            )
    if keks:
        open_ring(keks)
    keys = _keys(origin or f"trial-ledger/{protocol.trial.lower()}")
    database.prepare()
    kept = files.keys, path.with_name(path.name + SPONSOR_SUFFIX)
    with _leaving_nothing(kept), closing(LedgerApplication(database)) as application:
        if application.store.head().size:
            raise RejectedInput(
                "genesis.not-empty",
                "The database already holds a trial; a ledger is opened once.",
                remedy="Choose another database.",
            )
        identity = _sponsor(sponsor_key, path)
        keys.save(files.keys)
        name = sponsor_name or definition.registry.sponsor.name
        record = open_trial(
            application,
            definition,
            keys,
            Sponsor(identity.source, name, identity.key),
            head_file=HeadFile(files.head),
            at=SystemClock().now(),
            demonstration=False,
            keys_at=KeyPlaces(keks=tuple(keks)),
        )
    if as_json:
        options.print_json({"vkey": str(keys.vkey), "genesis": record.sha256})
        return
    click.echo(f"Trial {protocol.trial} is open in {database}.")
    options.warn_of_rights(database)
    if sponsor_key is None:
        click.echo(f"The sponsor's root key was made here: move {kept[1]} to the sponsor now.")
    click.echo("Root of trust, to be handed over out of band:")
    click.echo(f"  --key {keys.vkey}")
    click.echo(f"  --genesis {record.sha256}")


def _keys(origin: str) -> LedgerKeys:
    """New keys for a log of that name.

    Raises what an unacceptable name raises, before anything is saved.
    """
    keys = LedgerKeys.generate(origin.replace(_KEY_HASH, "0" * 64))
    named = sha256(keys.vkey.public).hexdigest()  # which checks the name too
    return replace(keys, origin=origin.replace(_KEY_HASH, named))


@contextmanager
def _leaving_nothing(kept: Sequence[Path]) -> Iterator[None]:
    """Take away what a refused opening has saved; what was there before stays."""
    before = [path for path in kept if path.exists()]
    try:
        yield
    except LedgerError:
        for path in kept:
            if path not in before:
                path.unlink(missing_ok=True)
        raise


def _sponsor(given: Path | None, database: Path) -> Identity:
    if given is not None:
        return Identity.load(given)
    identity = Identity.generate(ROOT)
    identity.save(database.with_name(database.name + SPONSOR_SUFFIX))
    return identity

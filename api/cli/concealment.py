"""``trial-ledger concealment``: keys of what is concealed, their state and their rotation."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Any

import click

from api.cli import options
from ledger.concealment import custody
from ledger.concealment.binding import KEY_BYTES
from ledger.concealment.key_file import FileKey, read_key_file, replace_key_file
from ledger.concealment.settings import (
    KEK_SUFFIX,
    STORE_SUFFIX,
    file_of,
    new_key,
    open_ring,
    open_store,
)
from ledger.concealment.token import SCHEME as TOKEN
from ledger.errors import RejectedInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ledger.concealment.key_store import KeyStore
    from ledger.storage.database import Database

_DAMAGED = 1


def _places(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--kek",
            "keks",
            multiple=True,
            envvar="LEDGER_KEK",
            metavar="ADDRESS",
            help="Key-encryption key, a file or pkcs11:…; repeat it [default: <database>.kek].",
        ),
        click.option(
            "--key-store",
            "key_store",
            envvar="LEDGER_KEY_STORE",
            metavar="URL",
            help="Store of the data keys, sqlite:///PATH or postgresql://… "
            "[default: <database>.concealed].",
        ),
        options.database,
    ):
        command = option(command)
    return command


@click.group()
def concealment() -> None:
    """Look after the keys under which sealed content is kept."""


@concealment.command(name="new-key")
@click.argument("address")
def new_key_command(*, address: str) -> None:
    """Make a key-encryption key: a new private file, or a key inside a PKCS#11 token.

    Keep it apart from the database, the key store and their backups: whoever has all three reads
    everything, whoever lacks it reads nothing that is sealed.
    """
    click.echo(new_key(address))


@concealment.command()
@_places
@options.as_json
def status(
    *, database: Database, key_store: str | None, keks: Sequence[str], as_json: bool
) -> None:
    """Count the data keys, try each of them, and name erasures that are not done yet.

    Exit status 1 when a key does not unwrap or is gone without an erasure.
    """
    store = _store(database, key_store)
    try:
        ring = open_ring(keks or [str(_kek_file(database))])
        found = custody.status(store)
        damaged = [f"{key.name.owner} {key.name.purpose}" for key in custody.damaged(store, ring)]
    finally:
        store.close()
    if as_json:
        options.print_json(
            {
                "in_use": dict(found.in_use),
                "retired": found.retired,
                "destroyed": found.destroyed,
                "key_encryption_keys": dict(found.wrapped_under),
                "current": found.kek,
                "unfinished_erasures": list(found.unfinished),
                "damaged": damaged,
            }
        )
    else:
        _tell(found, damaged)
    if damaged:
        sys.exit(_DAMAGED)


@concealment.command()
@_places
@click.option(
    "--to",
    "to",
    metavar="ADDRESS",
    help="Another key-encryption key to go to, made by new-key [default: a new key in the file].",
)
def rotate(
    *, database: Database, key_store: str | None, keks: Sequence[str], to: str | None
) -> None:
    """Wrap all data keys under a new key-encryption key; neither log nor openings are touched.

    In a key file the old key is replaced and overwritten, and running services follow. With --to,
    give the services the new address together with the old one first, and destroy the old key when
    this is done. From then on no older backup of the key store gives back a key that was erased.
    """
    addresses = list(keks) or [str(_kek_file(database))]
    store = _store(database, key_store)
    try:
        if to is not None:
            ring = open_ring([to, *addresses])
            count = custody.rotate(store, ring, entropy=secrets.token_bytes)
            click.echo(f"{count} data keys are now under {ring.current.id}.")
            click.echo("Destroy the old key-encryption key when every service has the new one.")
            return
        count, fresh = _renew(store, addresses)
        click.echo(f"{count} data keys are now under {fresh.id}; the old key is gone.")
    finally:
        store.close()


def _renew(store: KeyStore, addresses: Sequence[str]) -> tuple[int, FileKey]:
    """Rotate within the first key file; a crash leaves both keys in it, and running again ends it.

    Raises RejectedInput ``concealment.rotate-where`` for a token.
    """
    if addresses[0].startswith(TOKEN):
        raise RejectedInput(
            "concealment.rotate-where",
            "A key in a token is not renewed in its place.",
            remedy="Make another with new-key under a new label, and rotate --to it.",
        )
    path = file_of(addresses[0])
    fresh = FileKey(secrets.token_bytes(KEY_BYTES))
    replace_key_file(path, [fresh, *read_key_file(path)])
    count = custody.rotate(store, open_ring(addresses), entropy=secrets.token_bytes)
    replace_key_file(path, [fresh])
    return count, fresh


def _store(database: Database, key_store: str | None) -> KeyStore:
    place = database.place.with_name(database.place.name + STORE_SUFFIX)
    if key_store is None and not place.is_file():
        raise RejectedInput(
            "settings.no-key-store",
            f"There is no key store at {place}.",
            remedy="Check --database and --key-store; the service makes it at its first start.",
        )
    return open_store(key_store or f"sqlite:///{place}")


def _kek_file(database: Database) -> Path:
    return database.place.with_name(database.place.name + KEK_SUFFIX)


def _tell(found: custody.Status, damaged: Sequence[str]) -> None:
    for purpose, count in sorted(found.in_use.items()):
        click.echo(f"in use      {purpose:10} {count}")
    click.echo(f"retired     {'':10} {found.retired}")
    click.echo(f"destroyed   {'':10} {found.destroyed}")
    for kek, count in sorted(found.wrapped_under.items()):
        click.echo(f"wrapped by  {kek} {count}" + (" (current)" if kek == found.kek else ""))
    for act in found.unfinished:
        click.echo(f"unfinished  erasure {act}: it is carried out at the service's next start")
    for name in damaged:
        click.echo(f"damaged     {name}: restore the key store, then repeat later erasures")

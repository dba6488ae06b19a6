"""The demonstration's directory: what is left there, and what may be replaced."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from api.demonstration.people import member_of
from ledger.application import LedgerApplication
from ledger.errors import RejectedInput, TrustFailure
from ledger.recording.genesis import read_genesis
from ledger.storage.database import Database, Engine
from ledger.storage.removal import remove_ledger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from api.identity import Identity

NOTICE: Final = "DEMONSTRATION.txt"
_NOTICE_TEXT: Final = """\
This directory is left by a demonstration and replaced by the next one.

Nothing in it is a trial's. All people, subjects and values are invented. Every key, also those in
people/, is derived from the seed that was given on the command line, so anybody can sign with it:
never use one of them for anything else.

log.vkey and genesis.sha256 are the root of trust: the log's verifier key and the SHA-256 of entry
0. Where `make demo` ran:
    .venv/bin/trial-ledger verify --database {database} {files}\\
        --key "$(cat {directory}/log.vkey)" --genesis "$(cat {directory}/genesis.sha256)"
receipts/ holds receipts as the client kept them; people.json says whose key is in people/.
"""


def prepare(directory: Path, database: Database | str) -> Path:
    """Empty the directory of an earlier demonstration, and the database if it holds one.

    Gives the path beside which the ledger's files will lie.
    Raises RejectedInput when the directory holds something else, when the database exists outside
    it and holds no demonstration, or when it is still being served.
    """
    ledger = Database.of(database)
    if directory.exists() and any(directory.iterdir()) and not (directory / NOTICE).exists():
        raise RejectedInput(
            "demonstration.directory-in-use",
            f"{directory} holds something that no demonstration left there.",
            remedy="Choose another directory with --dir, or empty this one yourself.",
        )
    if ledger.engine is Engine.SQLITE:
        _require_replaceable(ledger.path.resolve(), directory)
    else:
        _clear(ledger)
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    elsewhere = ledger.engine is not Engine.SQLITE
    (directory / NOTICE).write_text(
        _NOTICE_TEXT.format(
            database=ledger,
            files=f"--files {ledger.place.parent} " if elsewhere else "",
            directory=directory,
        ),
        encoding="utf-8",
    )
    ledger.prepare()
    return ledger.place.resolve()


def _require_replaceable(path: Path, directory: Path) -> None:
    if path.exists() and not path.is_relative_to(directory.resolve()):
        raise RejectedInput(
            "demonstration.database-exists",
            f"The database {path.name} exists and is not in the demonstration's directory.",
            remedy="Choose another --database; a demonstration never replaces a ledger.",
        )
    _require_idle(path)


def _clear(database: Database) -> None:
    """Remove the ledger of an earlier demonstration from a PostgreSQL database, nothing else."""
    application = LedgerApplication(database, create=False)
    try:
        if not read_genesis(application).demonstration:
            raise RejectedInput(
                "demonstration.database-exists",
                f"The database {database} holds a trial that is no demonstration.",
                remedy="Choose another --database; a demonstration never replaces a ledger.",
            )
    except TrustFailure:
        return  # it holds no trial
    finally:
        application.close()
    if not remove_ledger(database):
        raise RejectedInput(
            "demonstration.being-served",
            f"The earlier demonstration in {database} is open in another process.",
            remedy="End its service (Ctrl-C), or choose another --database.",
        )


def _require_idle(database: Path) -> None:
    """Refuse a database that a process has open: its service would go on with a deleted file."""
    if not database.is_file():
        return
    with closing(sqlite3.connect(database, timeout=0)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")  # leaving WAL takes being alone
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                return  # damaged; it is replaced
            raise RejectedInput(
                "demonstration.being-served",
                f"{database.name} of the earlier demonstration is open in another process.",
                remedy="End its service (Ctrl-C), or choose another directory with --dir.",
            ) from error
        except sqlite3.DatabaseError:
            return


def write_people(directory: Path, people: Mapping[str, Identity]) -> None:
    """Write everybody's identity file and a list that names them."""
    folder = directory / "people"
    folder.mkdir()
    listed = []
    for name, identity in people.items():
        identity.save(folder / f"{name}.identity")
        member = member_of(name)
        listed.append(
            {
                "file": f"people/{name}.identity",
                "id": member.id,
                "kind": member.kind,
                "name": member.printed,
                "role": member.role.value,
                "tasks": [task.value for task in member.tasks],
                "key": identity.key.public.as_object(),
                "kid": identity.key.kid,
            }
        )
    content = {"demonstration_only": True, "people": listed}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (directory / "people.json").write_text(text, encoding="utf-8")


def write_trust(directory: Path, *, vkey: str, genesis_sha256: str) -> None:
    """Write the root of trust, one line a file."""
    (directory / "log.vkey").write_text(f"{vkey}\n", encoding="ascii")
    (directory / "genesis.sha256").write_text(f"{genesis_sha256}\n", encoding="ascii")

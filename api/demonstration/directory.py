"""The demonstration's directory: what is left there, and what may be replaced."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Final

from api.demonstration.people import member_of
from ledger.application import database_path
from ledger.errors import RejectedInput

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
0. In this directory:
    trial-ledger verify --database {database} \\
        --key "$(cat log.vkey)" --genesis "$(cat genesis.sha256)"
receipts/ holds receipts as the client kept them; people.json says whose key is in people/.
"""


def prepare(directory: Path, database: str) -> Path:
    """Empty the directory of an earlier demonstration; give the path of the database.

    Raises RejectedInput when the directory holds something else, or the database exists outside.
    """
    path = database_path(database).resolve()
    if directory.exists() and any(directory.iterdir()) and not (directory / NOTICE).exists():
        raise RejectedInput(
            "demonstration.directory-in-use",
            f"{directory} holds something that no demonstration left there.",
            remedy="Choose another directory with --dir, or empty this one yourself.",
        )
    if path.exists() and not path.is_relative_to(directory.resolve()):
        raise RejectedInput(
            "demonstration.database-exists",
            f"The database {path.name} exists and is not in the demonstration's directory.",
            remedy="Choose another --database; a demonstration never replaces a ledger.",
        )
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    (directory / NOTICE).write_text(_NOTICE_TEXT.format(database=database), encoding="utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


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

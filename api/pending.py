"""A signed statement kept until its outcome is known: sent again, the same bytes count once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from api.identity import SignedEvent
from api.statements import read_line
from ledger.errors import RejectedInput
from ledger.signing.envelope import parse_event
from ledger.signing.statement import parse_statement

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX: Final = ".statement"
_MOST: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Pending:
    """One signed statement in a file, as a line of a batch (``application/x-ndjson``).

    Its owner alone can read it: disclosures stand beside the statement.
    """

    path: Path
    event: SignedEvent

    @classmethod
    def keep(cls, directory: Path, event: SignedEvent) -> Self:
        """Write a statement to a new file named after the event, durably.

        Raises FileExistsError and other OSErrors.
        """
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{event.id}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(event.line)
            file.flush()
            os.fsync(file.fileno())
        return cls(path, event)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The statement in a file that was kept.

        Raises RejectedInput ``body.line``, ``statement.…``, ``event.…``, ``strict-json.…``.
        """
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
        if len(content) > _MOST or content.count(b"\n") > 1:
            raise RejectedInput("body.line", f"{path} does not hold one statement on one line.")
        offered = read_line(content.removesuffix(b"\n"))
        event = parse_event(parse_statement(offered.text).payload)
        signed = SignedEvent(
            event.id, event.type, event.subject, offered.text, tuple(offered.disclosures)
        )
        return cls(path, signed)

    def drop(self) -> None:
        """Remove the file: the outcome is known."""
        self.path.unlink(missing_ok=True)

"""Kept time stamps: what an RFC 3161 authority answered for a published checkpoint.

They lie in the file of the published checkpoints, in a table of their own. Rows are only ever
added, one for each size. Nothing here reads a token; `ledger.publication.timestamping` does.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from ledger.errors import Unavailable
from ledger.storage.published_schema import make_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_SECONDS = 5
_COLUMNS = "size, time, authority, sha256, response"


@dataclass(frozen=True, slots=True)
class KeptTimestamp:
    """A row as it is found.

    ``time`` (RFC 3339) and ``authority`` (the signing certificate's subject, RFC 4514) are copied
    from the token for listings; ``sha256`` is over ``response``, the whole TimeStampResp (DER).
    ``intact`` says whether the columns had their types and the response its hash.
    """

    size: int
    time: str
    authority: str
    sha256: str
    response: bytes
    intact: bool


class Timestamps:
    """The table of time stamps in a file; any thread and any process may use it.

    A file or a table that is not there holds none; only ``keep`` makes them.

    Raises:
        Unavailable: ``timestamps.unavailable`` when the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, *, size: int, time: str, authority: str, response: bytes) -> None:
        """Keep a response for the checkpoint of a size; one already kept stays."""
        row = (size, time, authority, sha256(response).hexdigest(), response)
        with self._connected("rwc") as connection:
            make_schema(connection)
            connection.execute(
                f"INSERT INTO timestamps ({_COLUMNS}) SELECT ?, ?, ?, ?, ?"  # noqa: S608 - ours
                " WHERE NOT EXISTS (SELECT 1 FROM timestamps WHERE size = ?)",
                (*row, size),
            )

    def newest(self) -> KeptTimestamp | None:
        """The time stamp of the largest size."""
        return next(iter(self._read("ORDER BY size DESC LIMIT 1", ())), None)

    def at(self, size: int) -> KeptTimestamp | None:
        """The time stamp of the checkpoint of a size."""
        return next(iter(self._read("WHERE size = ?", (size,))), None)

    def after(self, size: int, *, limit: int) -> list[KeptTimestamp]:
        """Time stamps of larger checkpoints, in order of size."""
        return self._read("WHERE size > ? ORDER BY size LIMIT ?", (size, limit))

    def all(self) -> Iterator[KeptTimestamp]:
        """Every time stamp in order of size, a page in memory at a time."""
        after = -1
        while page := self.after(after, limit=100):
            yield from page
            after = page[-1].size

    def _read(self, rest: str, params: tuple[int, ...]) -> list[KeptTimestamp]:
        if not self.path.exists():
            return []
        with self._connected("ro") as connection:
            table = "SELECT 1 FROM sqlite_master WHERE name = 'timestamps'"
            if connection.execute(table).fetchone() is None:
                return []
            sql = f"SELECT {_COLUMNS} FROM timestamps {rest}"  # noqa: S608 - ours
            return [_row(*row) for row in connection.execute(sql, params)]

    @contextmanager
    def _connected(self, mode: str) -> Iterator[sqlite3.Connection]:
        address = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            with (
                closing(sqlite3.connect(address, uri=True, timeout=_LOCK_SECONDS)) as connection,
                connection,
            ):
                yield connection
        except sqlite3.Error as error:
            raise Unavailable(
                "timestamps.unavailable",
                f"The time stamps in {self.path.name} cannot be used ({error}).",
            ) from error


def _row(size: int, time: object, authority: object, digest: object, data: object) -> KeptTimestamp:
    response = data if isinstance(data, bytes) else b""
    texts = [value if isinstance(value, str) else "" for value in (time, authority, digest)]
    typed = texts == [time, authority, digest] and response == data
    intact = typed and sha256(response).hexdigest() == digest
    return KeptTimestamp(size, texts[0], texts[1], texts[2], response, intact)

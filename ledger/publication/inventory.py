"""The members of a bundle while it is written: each read once and measured, none of them held.

A large log has some fifty receipts for each thousand entries. What has to be known of a member
before the first can be written, its length and its hashes, is kept in a private temporary SQLite
database, which spills to disk by itself and leaves nothing behind.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from ledger.verification.archive import Measured, Member, measure, write_archive
from ledger.verification.manifest import MANIFEST, manifest_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ledger.signing.strict_json import JsonObject

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE members (name TEXT, reader INTEGER, size INTEGER, crc INTEGER, sha256 TEXT);
BEGIN;
"""


class Inventory:
    """Members by name, with their lengths and hashes; iterated in order of their names."""

    def __init__(self, members: Iterable[Member] = ()) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(_SCHEMA)
        self._readers: list[Callable[[str], Iterable[bytes]]] = []
        self.take(members)

    def close(self) -> None:
        """Throw everything away."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[Member, Measured]]:
        rows = self._connection.execute("SELECT * FROM members ORDER BY name")
        for name, reader, *measured in rows:
            yield Member(name, partial(self._readers[reader], name)), Measured(name, *measured)

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT COUNT(*) FROM members").fetchone()[0])

    def take(self, members: Iterable[Member]) -> None:
        """Measure members that are few: what they are made from is held."""
        for member in members:
            self.take_each((member.name,), partial(_content, member))

    def take_each(self, names: Iterable[str], read: Callable[[str], Iterable[bytes]]) -> int:
        """Measure members that may be many, each read by its name; tell how many they were."""
        self._readers.append(read)
        count = 0
        for name in names:
            one = measure(Member(name, partial(read, name)))
            self._connection.execute(
                "INSERT INTO members VALUES (?, ?, ?, ?, ?)",
                (one.name, len(self._readers) - 1, one.size, one.crc, one.sha256),
            )
            count += 1
        return count

    def write(self, out: BinaryIO, value: JsonObject) -> str:
        """Write all members and the manifest over them; give the manifest's SHA-256 (hex).

        ``value`` is what the manifest says beside its members.

        Raises:
            IntegrityFailure: ``bundle.changed``.
            RejectedInput: ``bundle.name`` for a name that is none, or comes twice.
        """
        self.take((Member(MANIFEST, lambda: manifest_chunks(value, self._listed)),))
        write_archive(out, self)
        asked = "SELECT sha256 FROM members WHERE name = ?"
        return str(self._connection.execute(asked, (MANIFEST,)).fetchone()[0])

    def _listed(self) -> Iterator[Measured]:
        return (measured for _, measured in self if measured.name != MANIFEST)


def _content(member: Member, _name: str) -> Iterable[bytes]:
    return member.chunks()

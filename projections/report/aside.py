"""Rows put aside in a temporary database: it spills to disk by itself, so memory stays bounded.

It has no name in any folder and is gone with the process that made it.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from projections.kept import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ledger.signing.strict_json import JsonObject

Place: TypeAlias = "tuple[int | str, str, str]"
"""Where a row stands in its list; places compare part by part, texts by code points."""

_PAGE: Final = 200
_TABLES: Final = """
PRAGMA journal_mode = OFF;
CREATE TABLE kept (projection TEXT, key TEXT, body TEXT, UNIQUE (projection, key));
CREATE TABLE listed (
    number INTEGER PRIMARY KEY, name TEXT, first, second TEXT, third TEXT, body TEXT
);
CREATE INDEX in_order ON listed (name, first, second, third, number);
BEGIN;
"""


class Aside:
    """Rows by projection and key, and rows in lists; whoever makes it closes it.

    It is a ``projections.kept.KeptRows``.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Drop everything."""
        self._database.close()

    def put(self, projection: str, rows: Iterable[tuple[str, JsonObject]]) -> None:
        """Keep rows under their keys."""
        self.put_texts((projection, key, text_of(body)) for key, body in rows)

    def put_texts(self, rows: Iterable[tuple[str, str, str | None]]) -> None:
        """Keep rows ``(projection, key, JSON)``; None takes a row away."""
        for projection, key, text in rows:
            if text is None:
                self._database.execute(
                    "DELETE FROM kept WHERE projection = ? AND key = ?", (projection, key)
                )
            else:
                self._database.execute(
                    "INSERT OR REPLACE INTO kept (projection, key, body) VALUES (?, ?, ?)",
                    (projection, key, text),
                )

    def one(self, projection: str, key: str) -> JsonObject | None:
        """The body of a row."""
        found = self._database.execute(
            "SELECT body FROM kept WHERE projection = ? AND key = ?", (projection, key)
        ).fetchone()
        return None if found is None else _body(found[0])

    def holds(self, projection: str, key: str) -> bool:
        """Whether there is such a row."""
        return bool(
            self._database.execute(
                "SELECT 1 FROM kept WHERE projection = ? AND key = ?", (projection, key)
            ).fetchone()
        )

    def keys(self, projection: str, first: str, stop: str) -> list[str]:
        """The keys of a projection with ``first <= key < stop``, in order."""
        rows = self._database.execute(
            "SELECT key FROM kept WHERE projection = ? AND key >= ? AND key < ? ORDER BY key",
            (projection, first, stop),
        )
        return [key for (key,) in rows]

    def names(self, projection: str) -> Iterator[str]:
        """All keys of a projection, in order."""
        rows = self._database.execute(
            "SELECT key FROM kept WHERE projection = ? ORDER BY key", (projection,)
        )
        return (key for (key,) in rows)

    def count(self, projection: str) -> int:
        """How many rows a projection has."""
        found = self._database.execute(
            "SELECT COUNT(*) FROM kept WHERE projection = ?", (projection,)
        ).fetchone()
        return int(found[0])

    def rows(self, projection: str) -> Iterator[tuple[str, JsonObject]]:
        """All rows of a projection in order of their keys; rows may be put in meanwhile."""
        after = ""
        while page := self._database.execute(
            "SELECT key, body FROM kept WHERE projection = ? AND key > ? ORDER BY key LIMIT ?",
            (projection, after, _PAGE),
        ).fetchall():
            yield from ((key, _body(text)) for key, text in page)
            after = page[-1][0]

    def add(self, name: str, place: Place, body: JsonObject) -> None:
        """Put a row into a list; of rows at one place the first put in comes first."""
        self._database.execute(
            "INSERT INTO listed (name, first, second, third, body) VALUES (?, ?, ?, ?, ?)",
            (name, *place, text_of(body)),
        )

    def listing(self, name: str) -> Listed:
        """The rows of a list, in order of their places."""
        return Listed(self._database, name)

    def at(self, name: str, first: str) -> list[JsonObject]:
        """The rows of a list whose places begin so, in order."""
        rows = self._database.execute(
            "SELECT body FROM listed WHERE name = ? AND first = ? ORDER BY second, third, number",
            (name, first),
        )
        return [_body(text) for (text,) in rows]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was put aside; each reading begins at its first row."""

    database: sqlite3.Connection
    name: str

    def __iter__(self) -> Iterator[JsonObject]:
        rows = self.database.execute(
            "SELECT body FROM listed WHERE name = ? ORDER BY first, second, third, number",
            (self.name,),
        )
        return (_body(text) for (text,) in rows)

    def __len__(self) -> int:
        found = self.database.execute("SELECT COUNT(*) FROM listed WHERE name = ?", (self.name,))
        return int(found.fetchone()[0])


@dataclass(frozen=True, slots=True)
class Kept:
    """The bodies of a projection that was put aside, in order of their keys."""

    aside: Aside
    projection: str

    def __iter__(self) -> Iterator[JsonObject]:
        return (body for _, body in self.aside.rows(self.projection))

    def __len__(self) -> int:
        return self.aside.count(self.projection)


def _body(text: str) -> JsonObject:
    # It was written here, so it is not checked as what came from elsewhere is.
    body: JsonObject = json.loads(text)
    return body

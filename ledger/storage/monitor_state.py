"""The state file of a remote monitor: entries it has fetched, checkpoints it found sound."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, event_id BLOB);
CREATE INDEX IF NOT EXISTS entries_by_event ON entries (event_id, seq);
CREATE TABLE IF NOT EXISTS verified (size INTEGER PRIMARY KEY, note TEXT NOT NULL);
"""
_NAMED: Final = "SELECT seq, data FROM entries WHERE event_id = ? ORDER BY seq LIMIT 1"

Kept = tuple[int, bytes, bytes | None]
"""An entry: its position, its bytes, and the event id it states (16 bytes), if it states one."""


class MonitorState:
    """One monitor's own file; nothing in it is believed, everything is verified again.

    Raises:
        Unavailable: ``monitor.state`` when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        with self._used():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def fetched(self) -> int:
        """How many entries are at hand, from the first without a gap."""
        return int(self._all("SELECT COALESCE(MAX(seq) + 1, 0) FROM entries")[0][0])

    def last_verified(self) -> tuple[int, str] | None:
        """Size and note of the last checkpoint under which everything was sound."""
        found = self._all("SELECT size, note FROM verified ORDER BY size DESC LIMIT 1")
        return found[0] if found else None

    def keep(self, rows: Iterable[Kept]) -> None:
        """Keep entries; what is at hand already stays."""
        with self._writing():
            self._connection.executemany("INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", rows)

    def vouch(self, size: int, note: str) -> None:
        """Go on from this checkpoint the next time."""
        self._all("INSERT OR IGNORE INTO verified VALUES (?, ?)", size, note)

    def forget(self) -> None:
        """Fetch again the next time what was not verified before."""
        last = self.last_verified()
        self._all("DELETE FROM entries WHERE seq >= ?", last[0] if last else 0)

    def entries(self, after: int, below: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """Positions and bytes of the next entries in ``after < seq < below``."""
        return self._all(
            "SELECT seq, data FROM entries WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?",
            after, below, limit,
        )  # fmt: skip

    def named(
        self, event_id: bytes, stated: Callable[[bytes], bytes | None]
    ) -> tuple[int, bytes] | None:
        """The first entry that states an event id, and does so when it is read whole."""
        found = self._all(_NAMED, event_id)
        if found and stated(found[0][1]) != event_id:
            with self._writing():
                found = self._named_truly(event_id, stated)
        return found[0] if found else None

    def verified(self, below: int) -> Sequence[tuple[int, str]]:
        """Size and note of the checkpoints found sound that are smaller than a size."""
        return self._all("SELECT size, note FROM verified WHERE size < ? ORDER BY size", below)

    def _named_truly(
        self, event_id: bytes, stated: Callable[[bytes], bytes | None]
    ) -> list[tuple[int, bytes]]:
        while found := self._all(_NAMED, event_id):
            seq, data = found[0]
            whole = stated(data)
            if whole == event_id:
                return [(seq, data)]
            # What a look at it took for its id was none: nobody need look there again.
            self._all("UPDATE entries SET event_id = ? WHERE seq = ?", whole, seq)
        return []

    def _all(self, statement: str, *values: object) -> list[Any]:
        with self._used():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction for what changes within."""
        with self._used():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    @contextmanager
    def _used(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise Unavailable(
                "monitor.state", f"The state file {self._name} cannot be used ({error})."
            ) from error

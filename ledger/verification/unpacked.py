"""The lines of a bundle's members, kept where they can be asked for by position.

A private temporary SQLite database, which spills to disk by itself and leaves nothing behind: so
memory stays bounded whatever the length of the log.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ledger.errors import LedgerError
from ledger.signing.strict_json import Limits, canonical, parse_object
from ledger.verification.peeked import peek, peek_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ledger.signing.strict_json import JsonObject, JsonValue
    from ledger.verification.peeked import Peeked
    from ledger.verification.sound import Row

LONGEST_LINE: Final = 1_000_000
"""Bytes of a line that are read; entries are shorter, notes too."""

_SCHEMA: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE entries (seq INTEGER PRIMARY KEY, data BLOB, event_id BLOB);
CREATE TABLE openings (place INTEGER PRIMARY KEY, seq INTEGER, number INTEGER, disclosure TEXT);
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT, previous INTEGER);
CREATE TABLE published (size INTEGER PRIMARY KEY, note TEXT);
CREATE TABLE cosignatures (place INTEGER PRIMARY KEY, size INTEGER, vkey TEXT, line TEXT);
CREATE TABLE timestamps (size INTEGER PRIMARY KEY, time TEXT, authority TEXT, sha256 TEXT);
CREATE TABLE tallies (kind TEXT, vkey TEXT, number INTEGER, total INTEGER, UNIQUE (kind, vkey));
"""
_INDICES: Final = """
CREATE INDEX entries_by_event ON entries (event_id, seq);
CREATE INDEX openings_by_seq ON openings (seq, number, place);
CREATE INDEX cosignatures_by_size ON cosignatures (size, place);
"""
_MOST_PROTOCOLS: Final = 10_000
_AT_ONCE: Final = 512
_BYTES_AT_ONCE: Final = 4_000_000
_BYTES_OF_OPENINGS: Final = 64_000_000
"""More than a page of entries can account for: each opening stands in its entry by its digest."""

Complaint = tuple[int, str]
"""A line's number, from 1, and what is wrong with it."""

Foresee: TypeAlias = "Callable[[Iterable[Row]], None]"
"""Takes entries that follow one another, to examine them beforehand."""


def lines(
    chunks: Iterable[bytes], *, longest: int = LONGEST_LINE, unended: bool = False
) -> Iterator[bytes | None]:
    """The lines of a member without their ends.

    None stands for one that is too long to be read, and, unless ``unended`` ones are taken, for a
    last one that does not end.
    """
    pending, too_long = b"", False
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            line = pending + part
            yield None if too_long or len(line) > longest else line
            pending, too_long = b"", False
        pending += rest
        if len(pending) > longest:
            pending, too_long = b"", True
    if pending or too_long:
        yield pending if unended and not too_long else None


class Unpacked:
    """Entries, openings and checkpoints of a bundle, each line in its place.

    ``foresee`` is shown the entries as they come, as an examiner takes them.
    """

    def __init__(self, foresee: Foresee | None = None) -> None:
        self._foresee = foresee
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._connection.executescript(_SCHEMA)
        self.protocols: set[str] = set()
        """SHA-256 of the protocol versions that the entries put in force, as they state them."""

    def close(self) -> None:
        """Throw everything away."""
        self._connection.close()

    def take_entries(self, found: Iterable[bytes | None]) -> Iterator[Complaint]:
        """Take the lines of ``entries.jsonl``; those that have no place come back.

        A line stands at the position after the line before it, whatever position it states,
        unless the lines around it show that lines are missing or were put in between.
        """
        expected = held = 0
        rows: list[tuple[int, bytes | None, bytes | None]] = []
        self._connection.execute("BEGIN")
        for number, (one, following) in enumerate(_paired(map(peek, found)), 1):
            if one.protocol is not None and len(self.protocols) < _MOST_PROTOCOLS:
                self.protocols.add(one.protocol)
            place = _place(expected, one.seq, following)
            if place is None:
                yield number, f"entry {one.seq} stands here between {expected - 1} and {expected}"
                continue
            rows.append((place, one.line, one.event_id))
            held += len(one.line or b"")
            expected = place + 1
            if len(rows) == _AT_ONCE or held >= _BYTES_AT_ONCE:
                self._put(rows)
                rows, held = [], 0
        self._put(rows)
        self._connection.execute("COMMIT")

    def take_openings(self, found: Iterable[bytes | None]) -> Iterator[Complaint]:
        """Take the lines of ``openings.jsonl``; those that cannot be read come back."""
        yield from self._take(
            found, ("seq", "number", "disclosure"), (int, int, str),
            "INSERT INTO openings (seq, number, disclosure) VALUES (?, ?, ?)",
        )  # fmt: skip
        self._connection.executescript(_INDICES)

    def take_checkpoints(self, found: Iterable[bytes | None]) -> Iterator[Complaint]:
        """Take the lines of ``checkpoints.jsonl``; those that cannot be read come back."""
        yield from self._take(
            found, ("size", "note", "previous"), (int, str, int),
            "INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?)", ascending=True,
        )  # fmt: skip

    def take_published(self, found: Iterable[bytes | None]) -> Iterator[Complaint]:
        """Take the lines of ``published.jsonl``, each with its cosignatures."""
        self._connection.execute("BEGIN")
        for number, line in enumerate(found, 1):
            value = read_object(line)
            size, note = value.get("size"), value.get("note")
            rows = _cosignatures(value.get("cosignatures")) if len(value) == 3 else None
            if type(size) is not int or not isinstance(note, str) or rows is None:
                yield number, "not a line of this member"
                continue
            put = self._connection.execute(
                "INSERT OR IGNORE INTO published VALUES (?, ?)", (size, note)
            )
            if put.rowcount != 1:
                yield number, "repeats a line before it"
                continue
            self._connection.executemany(
                "INSERT INTO cosignatures (size, vkey, line) VALUES (?, ?, ?)",
                [(size, vkey, text) for vkey, text in rows],
            )
        self._connection.execute("COMMIT")

    def take_timestamps(self, found: Iterable[bytes | None]) -> Iterator[Complaint]:
        """Take the lines of ``timestamps.jsonl``; those that cannot be read come back."""
        yield from self._take(
            found, ("size", "time", "authority", "sha256"), (int, str, str, str),
            "INSERT OR IGNORE INTO timestamps VALUES (?, ?, ?, ?)",
        )  # fmt: skip

    def take_tallies(self, found: Iterable[bytes | None]) -> Iterator[Complaint]:
        """Take the lines of ``tallies.jsonl``; those that cannot be read come back."""
        yield from self._take(
            found, ("kind", "vkey", "number", "total"), (str, str, int, int),
            "INSERT OR IGNORE INTO tallies VALUES (?, ?, ?, ?)",
        )  # fmt: skip

    def published(self, after: int | None, limit: int) -> list[tuple[int, str]]:
        """Size and note of the next published checkpoints; fewer where they are long."""
        return self._some(
            "SELECT size, note FROM published WHERE size > ? ORDER BY size LIMIT ?",
            _before(after), limit,
        )  # fmt: skip

    def cosignatures(self, first: int, last: int) -> list[tuple[int, str, str]]:
        """Size, key and line of the cosignatures of a range."""
        return self._all(
            "SELECT size, vkey, line FROM cosignatures WHERE size BETWEEN ? AND ?"
            " ORDER BY size, place LIMIT 100000",
            first, last,
        )  # fmt: skip

    def timestamps(self, after: int | None, limit: int) -> list[tuple[int, str, str, str]]:
        """Size, time, authority and hash of the next time stamps."""
        return self._all(
            "SELECT size, time, authority, sha256 FROM timestamps WHERE size > ?"
            " ORDER BY size LIMIT ?",
            _before(after), limit,
        )  # fmt: skip

    def timestamp_sizes(self) -> set[int]:
        """The sizes that have a time stamp; as many as the bundle has members for them at most."""
        return {size for (size,) in self._all("SELECT size FROM timestamps LIMIT 500000")}

    def tallies(self) -> list[tuple[str, str, int, int]]:
        """Kind, key, number and total of each count."""
        return self._all("SELECT kind, vkey, number, total FROM tallies ORDER BY kind, vkey")

    def rows(self, after: int | None, limit: int) -> list[tuple[int, bytes | None]]:
        """Positions and bytes of the next entries, None for a line too long to be read.

        Fewer where they are long: an entry is short, but a line may be anything.
        """
        return self._some(
            "SELECT seq, data FROM entries WHERE seq > ? ORDER BY seq LIMIT ?",
            -1 if after is None else after, limit,
        )  # fmt: skip

    def named(self, event_id: bytes) -> tuple[int, bytes | None] | None:
        """The first entry that states an event id."""
        asked = "SELECT seq, data FROM entries WHERE event_id = ? ORDER BY seq LIMIT 1"
        while found := self._all(asked, event_id):
            seq, data = found[0]
            stated = peek_whole(data).event_id
            if stated == event_id:
                return seq, data
            # What a look at the line took for its id was none: nobody need look there again.
            self._all("UPDATE entries SET event_id = ? WHERE seq = ?", stated, seq)
        return None

    def checkpoints(self, after: int | None, limit: int) -> list[tuple[int, str, int]]:
        """Size, note and previous size of the next checkpoints; fewer where they are long."""
        return self._some(
            "SELECT size, note, previous FROM checkpoints WHERE size > ? ORDER BY size LIMIT ?",
            -1 if after is None else after, limit,
        )  # fmt: skip

    def newest(self) -> str | None:
        """The note of the largest checkpoint."""
        found = self._all("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        return found[0][0] if found else None

    def openings(self, first: int, last: int) -> list[tuple[int, int, str]]:
        """Position, number and disclosure of the openings of a range.

        Not all where there are more than a page's entries can have: then some of these are foreign.
        """
        return self._some(
            "SELECT seq, number, disclosure FROM openings WHERE seq BETWEEN ? AND ?"
            " ORDER BY seq, number, place LIMIT 100000",
            first, last, text=2, most=_BYTES_OF_OPENINGS,
        )  # fmt: skip

    def stray_openings(self, size: int, limit: int) -> list[tuple[int, int, str]]:
        """The openings kept for no position below a size."""
        return self._all(
            "SELECT seq, number, disclosure FROM openings WHERE seq < 0 OR seq >= ? LIMIT ?",
            size, limit,
        )  # fmt: skip

    def count(self, table: str) -> int:
        """How many lines of a member were taken, such as those of ``entries``."""
        # The names are our own, see above.
        return int(self._all(f"SELECT COUNT(*) FROM {table}")[0][0])  # noqa: S608

    def _take(
        self,
        found: Iterable[bytes | None],
        names: Sequence[str],
        types: Sequence[type],
        statement: str,
        *,
        ascending: bool = False,
    ) -> Iterator[Complaint]:
        self._connection.execute("BEGIN")
        last: Any = -1
        for number, line in enumerate(found, 1):
            value = read_object(line)
            values = [value.get(name) for name in names]
            if set(value) != set(names) or [type(v) for v in values] != [*types]:
                yield number, "not a line of this member"
            elif self._connection.execute(statement, values).rowcount != 1:
                yield number, "repeats a line before it"
            elif ascending and not last < values[0]:
                yield number, "stands behind a larger one"
            else:
                last = values[0]
        self._connection.execute("COMMIT")

    def _put(self, rows: Sequence[tuple[int, bytes | None, bytes | None]]) -> None:
        self._connection.executemany("INSERT INTO entries VALUES (?, ?, ?)", rows)
        if self._foresee is not None:
            self._foresee((seq, data, None, ()) for seq, data, _ in rows)

    def _all(self, statement: str, *values: object) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    def _some(
        self, statement: str, *values: object, text: int = 1, most: int = _BYTES_AT_ONCE
    ) -> list[Any]:
        """At least the first row, and as many more as keep a column within so many bytes."""
        found, held = [], 0
        for row in self._connection.execute(statement, values):
            found.append(row)
            held += len(row[text] or b"")
            if held >= most:
                break
        return found


def _paired(found: Iterable[Peeked]) -> Iterator[tuple[Peeked, int | None]]:
    """Each line with the position that the line behind it states."""
    before: Peeked | None = None
    for one in found:
        if before is not None:
            yield before, one.seq
        before = one
    if before is not None:
        yield before, None


def _place(expected: int, stated: int | None, following: int | None) -> int | None:
    """Where a line stands: the position after the one before, unless a gap or an insertion."""
    if stated is None or stated == expected or following == expected + 1:
        return expected
    if following == expected or (following is None and stated < expected):
        return None
    if stated > expected and following in (None, stated + 1):
        return stated
    return expected


def _before(after: int | None) -> int:
    return -(2**63) if after is None else after


def _cosignatures(value: JsonValue) -> list[tuple[str, str]] | None:
    """Key and line of each; None when it is no list of them."""
    found: list[tuple[str, str]] = []
    for one in value if isinstance(value, list) else (None,):
        vkey = one.get("vkey") if isinstance(one, dict) and len(one) == 2 else None
        line = one.get("line") if isinstance(one, dict) else None
        if not isinstance(vkey, str) or not isinstance(line, str):
            return None
        found.append((vkey, line))
    return found


def read_object(line: bytes | None) -> JsonObject:
    """The object in a line of a member; nothing for a line that is not canonical JSON (RFC 8785).

    A line has one spelling, so that a member has one too.
    """
    try:
        value = parse_object(line or b"", limits=Limits(size=LONGEST_LINE))
        return value if canonical(value) == line else {}
    except LedgerError:
        return {}

"""What is kept in a projections file: its tables, and the values that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RowKey: TypeAlias = tuple[str, str]
"""Projection and key."""

FORMAT: Final = 3
"""The version of what is stored; rows of another one are dropped and made again."""

OF_A_GENERATION: Final = (
    "projection_rows",
    "parked_entries",
    "projection_heads",
    "projection_keys",
)
"""The tables whose rows belong to a generation."""

# Bodies are too long for an index: rows within it (WITHOUT ROWID) took twice the bytes and pages.
TABLES: Final = (
    """
CREATE TABLE IF NOT EXISTS projection_rows (
    generation INTEGER NOT NULL,
    projection TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (generation, projection, key)
)
""",
    """
CREATE TABLE IF NOT EXISTS parked_entries (
    generation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (generation, seq)
) WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS projection_heads (
    generation INTEGER PRIMARY KEY,
    entry_sha256 TEXT NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS projection_keys (
    generation INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    kek TEXT NOT NULL,
    wrapped BLOB
)
""",
    """
CREATE TABLE IF NOT EXISTS projection_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL,
    genesis_sha256 TEXT NOT NULL
)
""",
)


class PositionMoved(Exception):
    """Somebody else folded on, or swapped the rows, since the position was read."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the rows of a generation go: ``position`` counts the entries folded.

    ``entry_sha256`` is the hash of the last of them, empty at position 0.
    """

    generation: int
    position: int
    entry_sha256: str


@dataclass(frozen=True, slots=True)
class Parked:
    """An entry that could not be folded and why; it needs somebody's attention."""

    seq: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Fold:
    """What one page of entries makes of the rows; a body of None takes the row away."""

    before: Place
    after: Place
    rows: Mapping[RowKey, str | None]
    parked: Sequence[Parked]

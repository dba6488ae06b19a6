"""How a group of entries is written to PostgreSQL: the head first, then rows the fastest way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.storage.commit import HeadMoved
from ledger.storage.postgres_pool import BEGIN, UNHURRIED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.storage.commit import Commit, Row
    from ledger.storage.postgres_pool import LedgerConnection

FEW: Final = 20
"""Up to so many entries go as one statement with arrays; more are faster by COPY."""

_SWAP_HEAD: Final = (
    "UPDATE ledger.ledger_head SET size = %s, hash = %s, recorded_at = %s"
    " WHERE size = %s AND hash = %s"
)
_ENTRY_COLUMNS: Final = "seq, originator_id, originator_version, topic, state, event_id"
_ENTRY_TYPES: Final = ("int8", "text", "int8", "text", "bytea", "bytea")
_INSERT_FEW: Final = (
    f"INSERT INTO ledger.stored_events ({_ENTRY_COLUMNS})"  # noqa: S608 - our own constants
    " SELECT * FROM unnest(%b::int8[], %b::text[], %b::int8[], %b::text[], %b::bytea[],"
    " %b::bytea[])"
)
_COPY_ENTRIES: Final = f"COPY ledger.stored_events ({_ENTRY_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_OPENINGS: Final = "COPY ledger.openings (seq, number, disclosure) FROM STDIN (FORMAT BINARY)"
_INSERT_OPENING: Final = "INSERT INTO ledger.openings (seq, number, disclosure) VALUES (%s, %s, %s)"
_INSERT_TILE: Final = (
    "INSERT INTO ledger.tree_tiles (level, tile, hashes, root) VALUES (%s, %s, %b, %b)"
)
_INSERT_CHECKPOINT: Final = (
    "INSERT INTO ledger.checkpoints (size, note, previous) VALUES (%s, %s, %s)"
)


def write_group(connection: LedgerConnection, commit: Commit, rows: Sequence[Row]) -> None:
    """Begin a transaction, swap the head and write all that enters with it; nothing is committed.

    Raises HeadMoved when another writer was first, psycopg's errors for what the database refuses.
    The caller rolls back then.
    """
    before, after = commit.before, commit.after
    swap = (after.size, after.hash, after.recorded_at, before.size, before.hash)
    with connection.pipeline() as pipeline, connection.cursor() as cursor:
        cursor.execute(BEGIN)
        cursor.execute(_SWAP_HEAD, swap, prepare=True)
        pipeline.sync()
        if cursor.rowcount != 1:
            raise HeadMoved("Another writer extended the log first.")
        if len(rows) <= FEW:
            cursor.execute(_INSERT_FEW, [list(column) for column in zip(*rows, strict=True)])
            cursor.executemany(
                _INSERT_OPENING, [(o.seq, o.number, o.disclosure) for o in commit.openings]
            )
        cursor.executemany(
            _INSERT_TILE, [(t.level, t.index, t.hashes, t.root) for t in commit.tiles]
        )
        cursor.execute(
            _INSERT_CHECKPOINT, (after.size, commit.checkpoint, before.size), prepare=True
        )
        cursor.execute(UNHURRIED)
    if len(rows) > FEW:
        _copy(connection, _COPY_ENTRIES, _ENTRY_TYPES, rows)
        openings = [(o.seq, o.number, o.disclosure) for o in commit.openings]
        _copy(connection, _COPY_OPENINGS, ("int8", "int8", "text"), openings)


def _copy(
    connection: LedgerConnection, statement: str, types: Sequence[str], rows: Sequence[Any]
) -> None:
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)

"""The tables of a ledger in SQLite and what the database itself refuses.

Every stored value is derived from entries or is a signature over them, so that verification can
recompute it. Triggers refuse UPDATE and DELETE; because ``INSERT OR REPLACE`` deletes without
firing delete triggers, a BEFORE INSERT trigger refuses any key that is already taken.
"""

from __future__ import annotations

PAGE_SIZE = "PRAGMA page_size = 16384"
"""Entries of one to two kilobytes waste a third of a 4 KiB page."""

SQLITE_PRAGMAS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -16384",
    "PRAGMA wal_autocheckpoint = 4096",
    "PRAGMA foreign_keys = ON",
)

REGISTERED_TYPES = (
    "subject.randomized.v1",
    "randomization.recorded.v1",
    "bag.released.v1",
    "infusion.administered.v1",
    "subject.identified.v1",
)
"""Types that guards look up across all streams; they have a small index of their own."""

OF_REGISTERED_TYPES = "topic IN ('" + "', '".join(REGISTERED_TYPES) + "')"
"""The condition of that index; a query is answered from it if it says the same."""

_ENTRIES = """
CREATE TABLE IF NOT EXISTS stored_events (
    seq INTEGER PRIMARY KEY,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    event_id BLOB NOT NULL UNIQUE,
    UNIQUE (originator_id, originator_version)
)
"""

_BESIDE = (
    """
CREATE TABLE IF NOT EXISTS ledger_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    hash TEXT NOT NULL,
    recorded_at TEXT NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS tree_tiles (
    level INTEGER NOT NULL,
    tile INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    root BLOB NOT NULL,
    PRIMARY KEY (level, tile)
) WITHOUT ROWID
""",
    """
CREATE TABLE IF NOT EXISTS checkpoints (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    previous INTEGER NOT NULL
)
""",
    """
CREATE TABLE IF NOT EXISTS openings (
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    disclosure TEXT NOT NULL,
    PRIMARY KEY (seq, number)
) WITHOUT ROWID
""",
    f"""
CREATE INDEX IF NOT EXISTS registered_types ON stored_events (topic, seq)
WHERE {OF_REGISTERED_TYPES}
""",
)


def _refuse(table: str, action: str) -> str:
    return (
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{action.lower()} BEFORE {action} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {action} refused'); END"
    )


def _refuse_when(table: str, name: str, action: str, when: str) -> str:
    why = name.replace("_", " ")
    return (
        f"CREATE TRIGGER IF NOT EXISTS {table}_{name} BEFORE {action} ON {table} WHEN {when} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {why}'); END"
    )


def _refuse_taken(table: str, name: str, key: str) -> str:
    taken = f"EXISTS (SELECT 1 FROM {table} WHERE {key})"  # noqa: S608 - our own names
    return _refuse_when(table, name, "INSERT", taken)


_STREAM_POSITION = (
    "originator_id = NEW.originator_id AND originator_version = NEW.originator_version"
)
_NEXT = "(SELECT COALESCE(MAX(seq) + 1, 0) FROM stored_events)"

_TRIGGERS = (
    *(
        _refuse(table, action)
        for table in ("stored_events", "tree_tiles", "checkpoints")
        for action in ("UPDATE", "DELETE")
    ),
    _refuse("openings", "UPDATE"),
    _refuse("ledger_head", "DELETE"),
    _refuse_taken("ledger_head", "row_taken", "id = NEW.id"),
    _refuse_taken("stored_events", "position_taken", "seq = NEW.seq"),
    _refuse_taken("stored_events", "event_id_taken", "event_id = NEW.event_id"),
    _refuse_taken("stored_events", "stream_position_taken", _STREAM_POSITION),
    _refuse_taken("tree_tiles", "tile_taken", "level = NEW.level AND tile = NEW.tile"),
    _refuse_taken("checkpoints", "size_taken", "size = NEW.size"),
    _refuse_taken("openings", "number_taken", "seq = NEW.seq AND number = NEW.number"),
    _refuse_when("stored_events", "wrong_position", "INSERT", f"NEW.seq <> {_NEXT}"),
    _refuse_when(
        "ledger_head", "forward_only", "UPDATE", "NEW.size <= OLD.size OR NEW.id <> OLD.id"
    ),
)

_FIRST_HEAD = (
    "INSERT INTO ledger_head (id, size, hash, recorded_at) "  # noqa: S608 - our own constant
    f"SELECT 1, 0, '{'0' * 64}', '' WHERE NOT EXISTS (SELECT 1 FROM ledger_head)"
)

SQLITE_VERSION = 1
"""The number of the last migration; the file keeps it as its user_version."""

SQLITE_SCHEMA = (
    _ENTRIES,
    *_BESIDE,
    *_TRIGGERS,
    _FIRST_HEAD,
    f"PRAGMA user_version = {SQLITE_VERSION}",
)
"""Statements that create a ledger, safe to run again."""

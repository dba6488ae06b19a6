"""The tables of a witness's state file, and the rules the file itself enforces."""

from __future__ import annotations

FORMAT = 1
"""The file's format, kept as ``user_version``."""

SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA recursive_triggers = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)
"""What each connection sets; FULL makes a commit durable before it returns."""

SCHEMA = (
    f"PRAGMA user_version = {FORMAT}",
    """
    CREATE TABLE witness (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        identity TEXT NOT NULL,
        keys TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE head (
        origin TEXT NOT NULL PRIMARY KEY,
        size INTEGER NOT NULL CHECK (size >= 0),
        root BLOB NOT NULL CHECK (length(root) = 32),
        time INTEGER NOT NULL CHECK (time >= 1),
        note TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE refused (
        id INTEGER PRIMARY KEY,
        origin TEXT NOT NULL,
        size INTEGER NOT NULL,
        root BLOB NOT NULL,
        seen INTEGER NOT NULL,
        code TEXT NOT NULL,
        contradiction INTEGER NOT NULL CHECK (contradiction IN (0, 1)),
        note TEXT NOT NULL,
        kept TEXT NOT NULL,
        UNIQUE (origin, size, root, contradiction)
    ) STRICT
    """,
    """
    CREATE TRIGGER head_only_grows BEFORE UPDATE ON head
    WHEN NEW.origin IS NOT OLD.origin
        OR NEW.size < OLD.size
        OR (NEW.size = OLD.size AND NEW.root IS NOT OLD.root)
        OR NEW.time < OLD.time
    BEGIN SELECT RAISE(ABORT, 'a cosigned head only grows'); END
    """,
    """
    CREATE TRIGGER head_stays BEFORE DELETE ON head
    BEGIN SELECT RAISE(ABORT, 'a cosigned head is never deleted'); END
    """,
)
"""What a fresh file is given, in one transaction."""

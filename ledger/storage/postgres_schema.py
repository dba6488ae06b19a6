"""The tables of a ledger in PostgreSQL and what the database itself refuses.

The same tables as in SQLite, in a schema of their own. Triggers refuse UPDATE, DELETE and TRUNCATE
in every session (ENABLE ALWAYS, so also where ``session_replication_role`` silences others); a
group of entries must follow the last one without gap and end at the head's size. Rights stand
beside: see `ledger.storage.rights`.
"""

from __future__ import annotations

from typing import Final

from ledger.storage.schema import OF_REGISTERED_TYPES

SCHEMA: Final = "ledger"

COLUMNS: Final = {
    "stored_events": {
        "seq": "bigint",
        "originator_id": "text",
        "originator_version": "bigint",
        "topic": "text",
        "state": "bytea",
        "event_id": "bytea",
    },
    "checkpoints": {"size": "bigint", "note": "text", "previous": "bigint"},
    "tree_tiles": {"level": "bigint", "tile": "bigint", "hashes": "bytea", "root": "bytea"},
    "openings": {"seq": "bigint", "number": "bigint", "disclosure": "text"},
    "ledger_head": {"id": "bigint", "size": "bigint", "hash": "text", "recorded_at": "text"},
    "quarantine": {
        "number": "bigint",
        "received_at": "text",
        "code": "text",
        "reason": "text",
        "statement": "text",
    },
}
"""The columns of each table with their types, in order; all are NOT NULL."""

KEYS: Final = {
    "stored_events": (("seq",), ("originator_id", "originator_version"), ("event_id",)),
    "checkpoints": (("size",),),
    "tree_tiles": (("level", "tile"),),
    "openings": (("seq", "number"),),
    "ledger_head": (("id",),),
    "quarantine": (("number",),),
}
"""The keys that are unique in each table, the primary one first."""

REFUSED: Final = {
    "stored_events": ("UPDATE", "DELETE", "TRUNCATE"),
    "checkpoints": ("UPDATE", "DELETE", "TRUNCATE"),
    "tree_tiles": ("UPDATE", "DELETE", "TRUNCATE"),
    "openings": ("UPDATE", "TRUNCATE"),
    "ledger_head": ("INSERT", "DELETE", "TRUNCATE"),
}
"""What a trigger refuses on each table, whoever asks; openings may be deleted to erase them."""

INDEX: Final = "registered_types"

FUNCTION_BODIES: Final = {
    "refuse": """
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END
""",
    "require_next": """
DECLARE
    lowest bigint;
    highest bigint;
    many bigint;
BEGIN
    SELECT pg_catalog.min(seq), pg_catalog.max(seq), pg_catalog.count(*)
        INTO lowest, highest, many FROM added;
    IF many > 0 AND (
        highest - lowest + 1 <> many
        OR NOT EXISTS (SELECT 1 FROM ledger.ledger_head WHERE size = highest + 1)
        OR lowest < 0
        OR lowest > 0 AND NOT EXISTS (SELECT 1 FROM ledger.stored_events WHERE seq = lowest - 1)
    ) THEN
        RAISE EXCEPTION 'stored_events is append-only: wrong position'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
""",
    "forward_only": """
BEGIN
    IF NEW.size <= OLD.size OR NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'ledger_head is append-only: forward only'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
""",
}
"""What the trigger functions do; names in them are qualified, so no search path can divert them."""

TRIGGERS: Final = {
    **{
        (table, f"{table}_no_{action.lower()}"): ("refuse", action)
        for table, actions in REFUSED.items()
        for action in actions
    },
    ("stored_events", "stored_events_wrong_position"): ("require_next", "INSERT"),
    ("ledger_head", "ledger_head_forward_only"): ("forward_only", "UPDATE"),
}
"""Table and name of each trigger, with its function and what it fires on."""

_FUNCTION_SETTINGS: Final = "SET search_path = pg_catalog, pg_temp"


def _functions() -> tuple[str, ...]:
    return tuple(
        f"CREATE OR REPLACE FUNCTION {SCHEMA}.{name}() RETURNS trigger LANGUAGE plpgsql"
        f" {_FUNCTION_SETTINGS} AS $body${body}$body$"
        for name, body in FUNCTION_BODIES.items()
    )


_TYPES: Final = {"bigint": "bigint", "bytea": "bytea", "text": 'text COLLATE "C"'}


def _table(name: str) -> str:
    columns = [
        # Names are compared by their bytes, as SQLite does and as `streams` counts on.
        f"{column} {_TYPES[kind]} NOT NULL"
        for column, kind in COLUMNS[name].items()
    ]
    first, *others = KEYS[name]
    keys = [f"PRIMARY KEY ({', '.join(first)})"]
    keys += [f"UNIQUE ({', '.join(key)})" for key in others]
    if name == "ledger_head":
        keys.append("CHECK (id = 1)")
    return f"CREATE TABLE {SCHEMA}.{name} ({', '.join((*columns, *keys))})"


def _trigger(table: str, name: str, function: str, action: str) -> tuple[str, str]:
    if function == "require_next":
        when = "AFTER INSERT"
        each = "REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
    else:
        when = f"BEFORE {action}"
        each = f"FOR EACH {'ROW' if function == 'forward_only' else 'STATEMENT'}"
    does = f"EXECUTE FUNCTION {SCHEMA}.{function}()"
    return (
        f"CREATE TRIGGER {name} {when} ON {SCHEMA}.{table} {each} {does}",
        f"ALTER TABLE {SCHEMA}.{table} ENABLE ALWAYS TRIGGER {name}",
    )


POSTGRESQL_SCHEMA: Final = (
    *(_table(name) for name in COLUMNS),
    # Entries are read whole and do not shrink much: kept as they are, so that what lies on disk
    # is the entry itself.
    f"ALTER TABLE {SCHEMA}.stored_events ALTER COLUMN state SET STORAGE EXTERNAL",
    f"CREATE INDEX {INDEX} ON {SCHEMA}.stored_events (topic, seq) WHERE {OF_REGISTERED_TYPES}",
    # Statements are longer than an index entry may be; the hash finds them, the text decides.
    f"CREATE INDEX quarantine_statement ON {SCHEMA}.quarantine (md5(statement))",
    f"INSERT INTO {SCHEMA}.ledger_head VALUES (1, 0, '{'0' * 64}', '')",  # noqa: S608 - our names
    *_functions(),
    *(
        statement
        for (table, name), (function, action) in TRIGGERS.items()
        for statement in _trigger(table, name, function, action)
    ),
)
"""Statements that create a ledger in an empty schema."""

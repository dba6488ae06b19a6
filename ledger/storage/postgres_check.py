"""Whether a PostgreSQL database still refuses what a ledger's schema refuses.

The entries can be whole in a database whose triggers were dropped or switched off, whose keys are
gone, or where somebody was granted UPDATE: nothing is wrong yet, but whoever did it could have
changed anything since. So a missing protection is damage by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg import Error, sql

from ledger.storage.postgres_schema import (
    COLUMNS,
    FUNCTION_BODIES,
    INDEX,
    KEYS,
    SCHEMA,
    TRIGGERS,
)
from ledger.storage.schema_check import StorageFinding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg import Cursor

_MISSING: Final = "storage.protection-missing"
_ALTERED: Final = "storage.protection-altered"
_FOREIGN: Final = "storage.foreign-trigger"
_RIGHTS: Final = "storage.rights"
_FILE: Final = "storage.file"

_BY_ROW: Final = 1
_BEFORE: Final = 2
_EVENTS: Final = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
"""The bits of ``pg_trigger.tgtype``."""


def check_postgres(cursor: Cursor[tuple[Any, ...]]) -> list[StorageFinding]:
    """Tables, columns, keys, triggers, their functions, rights and rules, each against ours."""
    found: list[StorageFinding] = []
    checks: tuple[Callable[[Cursor[tuple[Any, ...]]], Iterator[StorageFinding]], ...] = (
        _tables,
        _columns,
        _keys,
        _triggers,
        _functions,
        _diversions,
        _rights,
    )
    for check in checks:
        try:
            with cursor.connection.transaction():
                found += check(cursor)
        except Error as error:
            found.append(StorageFinding(_FILE, "catalogue", " ".join(str(error).split())[:300]))
    return found


def _tables(cursor: Cursor[tuple[Any, ...]]) -> Iterator[StorageFinding]:
    rows = _rows(
        cursor,
        "SELECT relname, relkind::text, relpersistence::text, relrowsecurity,"
        " EXISTS (SELECT 1 FROM pg_catalog.pg_inherits WHERE inhparent = c.oid OR inhrelid = c.oid)"
        " FROM pg_catalog.pg_class AS c WHERE relnamespace = to_regnamespace('ledger')",
    )
    present = {row[0]: row[1:] for row in rows}
    for table in COLUMNS:
        if table not in present:
            yield StorageFinding(_MISSING, f"table {table}")
            continue
        kind, persistence, row_security, inherits = present[table]
        if (kind, persistence) != ("r", "p") or inherits:
            yield StorageFinding(_ALTERED, f"table {table}", "no plain, logged table")
        if row_security:
            yield StorageFinding(_ALTERED, f"table {table}", "row security hides rows")


def _columns(cursor: Cursor[tuple[Any, ...]]) -> Iterator[StorageFinding]:
    rows = _rows(
        cursor,
        "SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull,"
        " COALESCE((SELECT collname FROM pg_catalog.pg_collation WHERE oid = attcollation), '')"
        " FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class AS c ON c.oid = attrelid"
        " WHERE relnamespace = to_regnamespace('ledger') AND relkind IN ('r', 'p', 'v', 'm')"
        " AND attnum > 0 AND NOT attisdropped",
    )
    present = {(row[0], row[1]): row[2:] for row in rows}
    tables = {table for table, _ in present}
    for table, columns in COLUMNS.items():
        for column, kind in columns.items():
            wanted = (kind, True, "C" if kind == "text" else "")
            found = present.get((table, column))
            if found is None and table in tables:
                yield StorageFinding(_MISSING, f"column {table}.{column}")
            elif found is not None and found != wanted:
                said = f"{found[0]}{'' if found[1] else ', may be null'}"
                yield StorageFinding(_ALTERED, f"column {table}.{column}", said)


def _keys(cursor: Cursor[tuple[Any, ...]]) -> Iterator[StorageFinding]:
    rows = _rows(
        cursor,
        "SELECT c.relname, i.relname, ARRAY(SELECT attname::text FROM unnest(indkey)"
        " WITH ORDINALITY AS k (number, place) JOIN pg_catalog.pg_attribute"
        " ON attrelid = c.oid AND attnum = k.number ORDER BY place)"
        " FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS c ON c.oid = indrelid"
        " JOIN pg_catalog.pg_class AS i ON i.oid = indexrelid"
        " WHERE c.relnamespace = to_regnamespace('ledger') AND indisvalid AND indisready"
        " AND (indisunique AND indpred IS NULL AND indexprs IS NULL OR i.relname = %s)",
        (INDEX,),
    )
    present = {(row[0], tuple(row[2])) for row in rows}
    for table, keys in KEYS.items():
        for key in keys:
            if (table, key) not in present:
                yield StorageFinding(_MISSING, f"key {table} ({', '.join(key)})")
    if INDEX not in {row[1] for row in rows}:
        yield StorageFinding(_MISSING, f"index {INDEX}")


def _triggers(cursor: Cursor[tuple[Any, ...]]) -> Iterator[StorageFinding]:
    rows = _rows(
        cursor,
        "SELECT relname, tgname, tgenabled::text, tgtype, n.nspname || '.' || proname,"
        " tgqual IS NULL AND tgattr = ''::int2vector AND tgnargs = 0"
        " FROM pg_catalog.pg_trigger JOIN pg_catalog.pg_class AS c ON c.oid = tgrelid"
        " JOIN pg_catalog.pg_proc AS p ON p.oid = tgfoid"
        " JOIN pg_catalog.pg_namespace AS n ON n.oid = pronamespace"
        " WHERE relnamespace = to_regnamespace('ledger') AND NOT tgisinternal",
    )
    present = {(row[0], row[1]): row[2:] for row in rows}
    for (table, name), (function, action) in TRIGGERS.items():
        found = present.get((table, name))
        wanted = (_type(function, action), f"{SCHEMA}.{function}", True)
        if found is None:
            yield StorageFinding(_MISSING, f"trigger {name}")
        elif found[1:] != wanted:
            yield StorageFinding(_ALTERED, f"trigger {name}")
        elif found[0] != "A":
            yield StorageFinding(_ALTERED, f"trigger {name}", "not enabled in every session")
    for table, name in sorted(present.keys() - TRIGGERS.keys()):
        yield StorageFinding(_FOREIGN, f"trigger {name} on {table}")


def _type(function: str, action: str) -> int:
    timing = 0 if function == "require_next" else _BEFORE
    return _EVENTS[action] | timing | (_BY_ROW if function == "forward_only" else 0)


def _functions(cursor: Cursor[tuple[Any, ...]]) -> Iterator[StorageFinding]:
    rows = _rows(
        cursor,
        "SELECT proname, prosrc, lanname, prosecdef FROM pg_catalog.pg_proc"
        " JOIN pg_catalog.pg_language AS l ON l.oid = prolang"
        " WHERE pronamespace = to_regnamespace('ledger')",
    )
    present = {row[0]: row[1:] for row in rows}
    for name, body in FUNCTION_BODIES.items():
        if name not in present:
            yield StorageFinding(_MISSING, f"function {name}")
        elif present[name] != (body, "plpgsql", False):
            yield StorageFinding(_ALTERED, f"function {name}")


def _diversions(cursor: Cursor[tuple[Any, ...]]) -> Iterator[StorageFinding]:
    """Rules and policies: both could let a statement do something else than it says."""
    for table, name in _rows(
        cursor,
        "SELECT relname, rulename FROM pg_catalog.pg_rewrite"
        " JOIN pg_catalog.pg_class AS c ON c.oid = ev_class"
        " WHERE relnamespace = to_regnamespace('ledger') AND relkind = 'r'"
        " UNION ALL SELECT relname, polname FROM pg_catalog.pg_policy"
        " JOIN pg_catalog.pg_class AS c ON c.oid = polrelid"
        " WHERE relnamespace = to_regnamespace('ledger')",
    ):
        yield StorageFinding(_FOREIGN, f"rule {name} on {table}")


def _rights(cursor: Cursor[tuple[Any, ...]]) -> Iterator[StorageFinding]:
    """Rights on the tables, beyond their owner's, that nobody needs."""
    for table, right, grantee in _rows(
        cursor,
        "SELECT relname, privilege_type,"
        " CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END"
        " FROM pg_catalog.pg_class, LATERAL aclexplode(relacl)"
        " WHERE relnamespace = to_regnamespace('ledger') AND relkind = 'r' AND grantee <> relowner"
        " AND (privilege_type NOT IN ('SELECT', 'INSERT')"
        " OR privilege_type = 'INSERT' AND relname IN ('ledger_head', 'schema_version'))"
        " UNION ALL SELECT relname, privilege_type || ' (' || attname || ')',"
        " CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END"
        " FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class AS c ON c.oid = attrelid,"
        " LATERAL aclexplode(attacl) WHERE relnamespace = to_regnamespace('ledger')"
        " AND grantee <> relowner AND privilege_type IN ('UPDATE', 'REFERENCES')"
        " AND NOT (relname = 'ledger_head' AND privilege_type = 'UPDATE' AND attname <> 'id')"
        " ORDER BY 1, 2, 3",
    ):
        yield StorageFinding(_RIGHTS, f"table {table}", f"{grantee} may {right}")


def _rows(
    cursor: Cursor[tuple[Any, ...]], statement: str, params: tuple[str, ...] | None = None
) -> list[tuple[Any, ...]]:
    text: Any = statement
    return cursor.execute(sql.SQL(text), params).fetchall()
